"""What is a fault of the lake, and what is a defect or a fault of somebody else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from streamguard_assets.lake.files import FileStore
from streamguard_assets.lake.tables import create_table, open_table
from streamguard_assets.streaming.supervision.lake_fault import lake_fault
from streamguard_assets.streaming.supervision.wanted import SCHEMA


def raised(act: Callable[[], object]) -> Exception:
    with pytest.raises(Exception) as caught:
        act()
    return caught.value


def test_an_error_of_the_system_within_the_lake_is_one(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    fault = lake_fault(raised(lambda: FileStore(str(tmp_path), {}).read_bytes("a")))
    assert fault == f"IsADirectoryError: [Errno 21] Is a directory: '{tmp_path / 'a'}'"


def test_a_broken_log_is_one_in_one_line_that_names_the_table(tmp_path: Path) -> None:
    uri = str(tmp_path / "t")
    create_table(uri, {}, SCHEMA, [], "")
    next((tmp_path / "t" / "_delta_log").glob("*.json")).write_text("junk")
    fault = lake_fault(raised(lambda: open_table(uri, {})))
    assert fault is not None
    assert fault.startswith("DeltaError: ")
    assert fault.endswith(f"({uri})")
    assert fault.isprintable()


def test_a_file_that_is_no_parquet_is_one(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1 and nothing of the kind")
    fault = lake_fault(raised(lambda: FileStore(str(tmp_path), {}).read_parquet("x.parquet")))
    assert fault is not None
    assert fault.startswith("ComputeError: parquet: ")


@pytest.mark.parametrize(
    "act",
    [
        lambda: open("/nowhere/at/all"),  # noqa: SIM115, PTH123
        lambda: os.kill(2**22 + 1, 0),
        lambda: FileStore("/nowhere", {}).read_bytes(None),  # type: ignore[arg-type]
        lambda: pl.LazyFrame({"a": ["x"]}).select(pl.col("a").str.json_decode(pl.Int64)).collect(),
        lambda: pl.LazyFrame({"a": ["x"]}).select("b").collect(),
        lambda: {}["missing"],
    ],
    ids=["file", "process", "type", "query", "column", "key"],
)
def test_defects_and_faults_of_others_are_none(act: Callable[[], object]) -> None:
    assert lake_fault(raised(act)) is None


def test_a_reader_of_our_output_that_has_gone_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_: Path) -> bytes:
        raise BrokenPipeError

    monkeypatch.setattr(Path, "read_bytes", gone)
    assert lake_fault(raised(lambda: FileStore(str(tmp_path), {}).read_bytes("a"))) is None
