"""Rows as they were at any version and instant; where that cannot be, the error says what can."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote

import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from streamguard_assets.contracts.windows import Cadence
from streamguard_assets.lake.care.compaction import compact
from streamguard_assets.lake.errors import VersionUnavailable
from streamguard_assets.lake.history import read_history
from streamguard_assets.lake.ledger import Ledger
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.lake.time_travel import rows_at_version, version_at
from streamguard_assets.lake.window_table import WindowTable
from streamguard_assets_tests.lake.samples import SCHEMA, START, boundary, commit_of, events, hour, rows


def grown(location: LakeLocation) -> WindowTable:
    """Versions 1 to 3 add windows of 10, 20 and 30 rows; 4 replaces the first by 5 rows; 5 compacts."""
    table = events(location, file_rows=10)
    for index in range(3):
        table.write(rows(10 * (index + 1)), commit_of(hour(index)))
    table.write(rows(5), commit_of(hour(0), "second"))
    compact(table.uri, {})
    return table


def vacuumed(uri: str) -> None:
    """What vacuum leaves a week later: the files of the newest version."""
    named = pl.DataFrame(DeltaTable(uri).get_add_actions(flatten=True))["path"]
    active = {unquote(path) for path in named}
    for path in Path(uri).glob("window=*/*.parquet"):
        if path.relative_to(uri).as_posix() not in active:
            path.unlink()


@pytest.mark.parametrize("folder", ["lake", "my lake ü #1 50%"])
def test_every_version_has_the_rows_it_had(tmp_path: Path, folder: str) -> None:
    table = grown(LakeLocation(str(tmp_path / folder)))
    heights = [rows_at_version(table.uri, {}, version).collect().height for version in range(6)]
    assert heights == [0, 10, 30, 60, 55, 55]


def test_columns_are_those_of_the_time(location):
    table = grown(location)
    wider = events(location, SCHEMA.append(pa.field("country", pa.string())))
    wider.write(rows(1).with_columns(pl.lit("NO").alias("country")), commit_of(hour(5)))
    assert "country" not in rows_at_version(table.uri, {}, 5).collect_schema()
    assert rows_at_version(table.uri, {}, 6).collect()["country"].null_count() == 55


def test_an_instant_means_the_newest_version_until_then(location):
    table = grown(location)
    entries = {entry.version: entry.committed_at for entry in read_history(table.uri, {})}
    for version, at in entries.items():
        newest = max(other for other, then in entries.items() if then <= at)
        assert version_at(table.uri, {}, at).version == newest >= version
    assert version_at(table.uri, {}, entries[5] + timedelta(days=999)).version == 5


def test_a_clock_that_was_behind_does_not_reorder_versions(location):
    table = grown(location)
    entry = Path(table.uri, "_delta_log", f"{3:020d}.json")
    lines = [json.loads(line) for line in entry.read_text().splitlines() if line]
    lines[0]["commitInfo"]["timestamp"] -= 10**9
    entry.write_text("\n".join(map(json.dumps, lines)))
    second = read_history(table.uri, {})[-3]
    assert second.version == 2
    assert version_at(table.uri, {}, second.committed_at).version >= 3


def test_before_the_first_version_there_is_nothing_and_the_error_says_when_it_begins(location):
    table = grown(location)
    with pytest.raises(VersionUnavailable, match="begins with version 0 at 20"):
        version_at(table.uri, {}, START)


@pytest.mark.parametrize("version", [6, 1_000])
def test_a_version_that_does_not_exist_names_those_that_do(location, version):
    table = grown(location)
    with pytest.raises(VersionUnavailable, match=f"has no version {version}; it has 0 to 5"):
        rows_at_version(table.uri, {}, version)


def test_versions_that_vacuum_emptied_name_those_that_can_be_read_and_the_way_back(location):
    table = grown(location)
    vacuumed(table.uri)
    for version in (1, 2, 3, 4):
        with pytest.raises(VersionUnavailable, match="versions 5 to 5 can be read") as refusal:
            rows_at_version(table.uri, {}, version)
        assert f"streamguard materialize STREAM --from {hour(1 if version == 4 else 0)}" in str(refusal.value)
    assert rows_at_version(table.uri, {}, 0).collect().height == 0
    assert rows_at_version(table.uri, {}, 5).collect().height == 55


def test_a_part_of_the_versions_may_be_left(location):
    table = events(location)
    table.write(rows(3), commit_of(hour(0)))
    for attempt in ("second", "third"):
        (old,) = Path(table.uri).glob(f"window=*/part-{'first' if attempt == 'second' else 'second'}*")
        table.write(rows(4), commit_of(hour(0), attempt))
    old.with_name("kept").write_bytes(old.read_bytes())
    vacuumed(table.uri)
    old.with_name("kept").rename(old)
    with pytest.raises(VersionUnavailable, match="versions 2 to 3 can be read"):
        rows_at_version(table.uri, {}, 1)
    assert rows_at_version(table.uri, {}, 2).collect().height == 4


def test_files_of_the_newest_version_are_missed_by_their_own_words(location):
    table = grown(location)
    next(Path(table.uri).glob("window=*-02%*/part-compact*")).unlink()
    with pytest.raises(VersionUnavailable, match="not deleted by vacuum"):
        rows_at_version(table.uri, {}, 5)


def test_a_table_without_windows_has_no_way_back_to_offer(location):
    ledger = Ledger(location, "security", "topic", Cadence(60))
    for index in range(3):
        ledger.insert(boundary(index, index), START)
    compact(ledger.uri, {})
    for path in Path(ledger.uri).glob("*.parquet"):
        if "compact" not in path.name:
            path.unlink()
    with pytest.raises(VersionUnavailable, match=r"can be read$"):
        rows_at_version(ledger.uri, {}, 2)


def test_an_object_store_is_no_different(s3_location):
    table = events(s3_location)
    table.write(rows(3), commit_of(hour(0)))
    table.write(rows(4), commit_of(hour(0), "second"))
    options = s3_location.storage_options
    assert rows_at_version(table.uri, options, 1).collect().height == 3
    assert version_at(table.uri, options, read_history(table.uri, options)[0].committed_at).version == 2
