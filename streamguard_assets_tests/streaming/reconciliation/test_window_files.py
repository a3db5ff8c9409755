"""The digest of a window's files changes with whatever any tool does to the window, and with nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake

from streamguard_assets.streaming.reconciliation.window_files import PinnedFiles, file_digests, pin_files


@pytest.fixture
def uri(tmp_path: Path) -> str:
    """A table of windows ``a`` and ``b``, each in two files."""
    rows = pl.DataFrame({"window": ["a", "a", "b", "b"], "x": [1, 2, 3, 4]})
    for _ in range(2):
        write_deltalake(tmp_path / "table", rows.to_arrow(), mode="append", partition_by=["window"])
    return str(tmp_path / "table")


def digests(uri: str) -> dict[str, str]:
    return file_digests(DeltaTable(uri))


def hide_rows(uri: str) -> None:
    """Window ``a`` gets a deletion vector, as a tool writes it that knows them: the files are named as before."""
    table = DeltaTable(uri)
    log = Path(uri) / "_delta_log"
    adds = [json.loads(line).get("add") for line in (log / f"{0:020d}.json").read_text().splitlines()]
    (add,) = [add for add in adds if add and add["partitionValues"] == {"window": "a"}]
    features = {"readerFeatures": ["deletionVectors"], "writerFeatures": ["deletionVectors"]}
    vector = {"storageType": "u", "pathOrInlineDv": "x" * 20, "offset": 1, "sizeInBytes": 36, "cardinality": 1}
    actions = [
        {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, **features}},
        {"remove": {"path": add["path"], "dataChange": True, "deletionTimestamp": 1}},
        {"add": {**add, "deletionVector": vector}},
        {"commitInfo": {}},
    ]
    (log / f"{table.version() + 1:020d}.json").write_text("\n".join(map(json.dumps, actions)))


@pytest.mark.parametrize(
    "change",
    [
        lambda uri: DeltaTable(uri).update(updates={"x": "x + 1"}, predicate="x = 1"),
        lambda uri: DeltaTable(uri).delete("x = 1"),
        lambda uri: DeltaTable(uri).optimize.compact(partition_filters=[("window", "=", "a")]),
        lambda uri: write_deltalake(uri, pl.DataFrame({"window": ["a"], "x": [9]}).to_arrow(), mode="append"),
    ],
    ids=["update", "delete", "compaction", "append"],
)
def test_what_changes_the_files_of_a_window_changes_its_digest_and_no_other(
    uri: str, change: Callable[[str], object]
) -> None:
    before = digests(uri)
    change(uri)
    after = digests(uri)
    assert after["a"] != before["a"]
    assert after["b"] == before["b"]


def test_a_window_whose_rows_are_all_gone_has_no_digest(uri: str) -> None:
    DeltaTable(uri).delete("\"window\" = 'a'")
    assert set(digests(uri)) == {"b"}
    DeltaTable(uri).delete()
    assert digests(uri) == {}


def test_rows_hidden_by_a_deletion_vector_change_the_digest_although_no_file_changes(uri: str) -> None:
    before, names = digests(uri), sorted(DeltaTable(uri).file_uris())
    hide_rows(uri)
    assert sorted(DeltaTable(uri).file_uris()) == names
    assert digests(uri)["a"] != before["a"]


def test_files_put_back_have_the_digest_of_before(uri: str) -> None:
    before, version = digests(uri), DeltaTable(uri).version()
    DeltaTable(uri).delete("x = 1")
    DeltaTable(uri).restore(version)
    assert digests(uri) == before


def test_a_version_says_the_same_whatever_comes_after_it_and_a_checkpoint_changes_nothing(uri: str) -> None:
    pinned = pin_files(uri, {})
    assert pinned == PinnedFiles(1, digests(uri))
    DeltaTable(uri).create_checkpoint()
    DeltaTable(uri).delete("x = 1")
    assert pin_files(uri, {}, 1) == pinned
    assert pin_files(uri, {}).version == 2


def test_a_table_that_nobody_wrote_has_no_version_and_no_files(tmp_path: Path) -> None:
    assert pin_files(str(tmp_path / "none"), {}) == PinnedFiles(None, {})
