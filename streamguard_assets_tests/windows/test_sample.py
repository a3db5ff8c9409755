"""A sample reads exactly as many records as it was asked for, and needs no window."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from streamguard_assets.windows.sample import run_sample
from streamguard_assets_tests.windows.rig import Rig, event

pytestmark = [pytest.mark.broker]


@pytest.fixture
def sampled(rig: Rig) -> Rig:
    """100 good events and 3 bad records in partition 0, 7 good ones in partition 1."""
    rig.produce_hours([0], events=100)
    rig.produce([b"bad"] * 3, hour=0.5)
    rig.produce_hours([0], events=7, partition=1)
    return rig


@pytest.mark.parametrize("count", [1, 20, 110])
def test_exactly_so_many_records_are_read(sampled: Rig, tmp_path: Path, count: int) -> None:
    summary = run_sample(sampled.stream, count, "earliest", tmp_path / "out")
    assert (summary.records, summary.offsets.span) == (count, count)
    assert summary.rejected == (3 if count == 110 else 0)


def test_what_is_there_is_read_when_more_is_asked_for(sampled: Rig, tmp_path: Path) -> None:
    summary = run_sample(sampled.stream, 5_000, "earliest", tmp_path / "out")
    assert (summary.records, summary.rejected) == (110, 3)


def test_the_newest_records(sampled: Rig, tmp_path: Path) -> None:
    summary = run_sample(sampled.stream, 10, "latest", tmp_path / "out")
    assert (summary.records, summary.rejected) == (10, 3)
    assert {p: end for p, end in summary.offsets.ends.items() if end != summary.offsets.starts[p]} == {0: 103, 1: 7}


def test_from_given_offsets(sampled: Rig, tmp_path: Path) -> None:
    summary = run_sample(sampled.stream, 10, {0: 50}, tmp_path / "out")
    assert (summary.offsets.starts[0], summary.offsets.ends[0], summary.records) == (50, 60, 10)


def test_the_files_are_training_data(sampled: Rig, tmp_path: Path) -> None:
    summary = run_sample(sampled.stream, 110, "earliest", tmp_path / "out")
    frame = pd.read_parquet(f"{summary.folder}.parquet")
    assert len(frame) == 12
    assert set(frame["is_anomaly"].astype(int)) == {0, 1}
    assert frame["total_events"].sum() == 107
    report = json.loads((summary.folder / "anomaly_report.json").read_text())
    assert report["total_users"] == summary.report["total_users"] == 12
    document = summary.as_document()
    assert (document["records"], document["rejected"], document["total_users"]) == (110, 3, 12)
    assert json.loads(json.dumps(document)) == document
    assert {"read", "parse", "features", "model_and_scores", "write", "total"} == set(summary.seconds)


def test_nothing_is_written_to_the_lake(sampled: Rig, tmp_path: Path) -> None:
    run_sample(sampled.stream, 50, "earliest", tmp_path / "out")
    assert sampled.stream.ledger.boundaries() == []
    assert not sampled.stream.table("events").exists()


def test_an_empty_topic_gives_an_empty_report(rig: Rig, tmp_path: Path) -> None:
    summary = run_sample(rig.stream, 10, "earliest", tmp_path / "out")
    assert (summary.records, summary.rejected, summary.report["total_users"]) == (0, 0, 0)


def test_a_sample_of_bad_records_only(rig: Rig, tmp_path: Path) -> None:
    rig.produce([b"bad", None])
    summary = run_sample(rig.stream, 10, "earliest", tmp_path / "out")
    assert (summary.records, summary.rejected, summary.report["total_users"]) == (2, 2, 0)


def test_users_without_company_are_not_in_the_files(rig: Rig, tmp_path: Path) -> None:
    rig.produce([event(n, user="only") for n in range(5)])
    summary = run_sample(rig.stream, 5, "earliest", tmp_path / "out")
    assert (summary.records, summary.report["total_users"]) == (5, 0)


def test_the_folder_is_replaced_and_a_stranger_s_is_not(sampled: Rig, tmp_path: Path) -> None:
    first = run_sample(sampled.stream, 100, "earliest", tmp_path / "out")
    second = run_sample(sampled.stream, 100, "earliest", tmp_path / "out")
    assert first.folder == second.folder
    assert first.report == second.report
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "letter.txt").write_text("keep me")
    with pytest.raises(FileExistsError):
        run_sample(sampled.stream, 10, "earliest", mine)
    assert (mine / "letter.txt").read_text() == "keep me"
