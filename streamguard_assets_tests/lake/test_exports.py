"""Training data: what naive readers see, and that they never see a half-written version."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow.dataset as pads
import pytest

from streamguard_assets.lake import exports
from streamguard_assets.lake.exports import export_training_data, write_training_data
from streamguard_assets_tests.lake.samples import hour


def users(version: int = 1, normal: int = 3, anomalous: int = 1) -> pl.DataFrame:
    """Every row names the version that it belongs to."""
    count = normal + anomalous
    return pl.DataFrame(
        {
            "user": [f"user{i}" for i in range(count)],
            "version": [version] * count,
            "is_anomaly": [False] * normal + [True] * anomalous,
        },
        schema_overrides={"is_anomaly": pl.Boolean},
    )


def test_folders_marker_and_report(tmp_path):
    folder = export_training_data(tmp_path, hour(0), users(), {"total_users": 4, "top_anomalies": [{"user": "é"}]})
    assert folder == tmp_path / hour(0)
    names = ["_SUCCESS", "anomaly_report.json", "is_anomaly=0", "is_anomaly=1"]
    assert sorted(entry.name for entry in folder.iterdir()) == names
    report = json.loads((folder / "anomaly_report.json").read_text(encoding="utf-8"))
    assert report == {"total_users": 4, "top_anomalies": [{"user": "é"}], "users_without_verdict": 0}


def test_every_naive_reader_sees_is_anomaly(tmp_path):
    folder = export_training_data(tmp_path, hour(0), users(), {})
    whole = pd.read_parquet(f"{folder}.parquet")
    assert whole["is_anomaly"].tolist() == [0, 0, 0, 1]
    assert pd.read_parquet(folder / "is_anomaly=1")["is_anomaly"].tolist() == [1]
    (part,) = (folder / "is_anomaly=0").iterdir()
    assert pd.read_parquet(part)["is_anomaly"].tolist() == [0, 0, 0]
    parts = pd.concat(pd.read_parquet(file) for file in sorted(folder.rglob("*.parquet")))
    assert parts["is_anomaly"].dtype == "int32"
    assert parts["is_anomaly"].sum() == 1
    assert pl.read_parquet(folder / "**/*.parquet")["is_anomaly"].sum() == 1
    assert duckdb.execute(f"select sum(is_anomaly) from '{folder}/**/*.parquet'").fetchall() == [(1,)]
    listed = pads.dataset([str(file) for file in folder.rglob("*.parquet")], format="parquet")
    assert listed.to_table().column("is_anomaly").to_pylist().count(1) == 1


def test_a_class_without_users_is_an_empty_file_with_the_same_columns(tmp_path):
    folder = export_training_data(tmp_path, hour(0), users(anomalous=0), {})
    empty = pd.read_parquet(folder / "is_anomaly=1")
    assert list(empty.columns) == ["user", "version", "is_anomaly"]
    assert len(empty) == 0
    assert len(pd.read_parquet(f"{folder}.parquet")) == 3


def test_users_without_a_verdict_are_left_out_and_counted(tmp_path):
    frame = users().with_columns(pl.when(pl.col("user") != "user0").then(pl.col("is_anomaly")).alias("is_anomaly"))
    folder = export_training_data(tmp_path, hour(0), frame, {})
    assert "user0" not in pd.read_parquet(f"{folder}.parquet")["user"].tolist()
    assert json.loads((folder / "anomaly_report.json").read_text())["users_without_verdict"] == 1


def test_latest_names_the_newest_window_also_after_an_older_one_was_exported_again(tmp_path):
    for window, version in ((hour(5), 5), (hour(9), 9), (hour(5), 50)):
        export_training_data(tmp_path, window, users(version), {})
    assert set(pd.read_parquet(tmp_path / "latest.parquet")["version"]) == {9}
    assert set(pd.read_parquet(tmp_path / "latest" / "is_anomaly=0")["version"]) == {9}
    export_training_data(tmp_path, hour(9), users(90), {})
    assert set(pd.read_parquet(tmp_path / "latest.parquet")["version"]) == {90}


def test_the_root_can_be_moved(tmp_path):
    export_training_data(tmp_path / "here", hour(0), users(), {})
    (tmp_path / "here").rename(tmp_path / "there")
    assert len(pd.read_parquet(tmp_path / "there" / "latest.parquet")) == 4


def test_a_reader_in_a_loop_sees_whole_versions_only(tmp_path):
    export_training_data(tmp_path, hour(0), users(0, 50, 50), {"version": 0})
    done = threading.Event()
    seen: list[set[int]] = []

    def read_until_done() -> None:
        while not done.is_set():
            whole = pl.read_parquet(tmp_path / "latest.parquet")
            assert whole.height == 100
            seen.append(set(whole["version"]))
            folder = (tmp_path / "latest").resolve()
            parts = pl.read_parquet(folder / "**/*.parquet")
            report = json.loads((folder / "anomaly_report.json").read_text())
            seen.append({*parts["version"], report["version"]})
            assert (parts.height, (folder / "_SUCCESS").is_file()) == (100, True)

    failures: list[BaseException] = []

    def guarded() -> None:
        try:
            read_until_done()
        except BaseException as failure:  # noqa: BLE001  (handed to the test's own thread)
            failures.append(failure)

    reader = threading.Thread(target=guarded)
    reader.start()
    # A reader that has resolved the link must be done before the version after the next one is there.
    for version in range(1, 15):
        before = len(seen)
        export_training_data(tmp_path, hour(0), users(version, 50, 50), {"version": version})
        while reader.is_alive() and len(seen) < before + 4:
            done.wait(0.001)
    done.set()
    reader.join(30)
    assert failures == []
    assert all(len(versions) == 1 for versions in seen)
    assert len({min(versions) for versions in seen}) > 3


def test_old_versions_are_collected_after_the_switch(tmp_path):
    for version in range(5):
        export_training_data(tmp_path, hour(0), users(version), {})
    kept = list((tmp_path / ".versions" / hour(0)).iterdir())
    assert len(kept) == exports.KEPT_VERSIONS
    assert (tmp_path / hour(0)).resolve().parent in kept


def test_a_failed_export_leaves_the_old_one_and_its_draft_is_collected_later(tmp_path, monkeypatch):
    export_training_data(tmp_path, hour(0), users(1), {})
    with pytest.raises(ValueError, match="not JSON compliant"):
        export_training_data(tmp_path, hour(0), users(2), {"anomaly_rate": float("nan")})
    assert set(pd.read_parquet(tmp_path / "latest.parquet")["version"]) == {1}
    drafts = list((tmp_path / ".versions" / hour(0)).glob("draft-*"))
    assert len(drafts) == 1
    export_training_data(tmp_path, hour(0), users(3), {})
    assert drafts[0].exists()
    monkeypatch.setattr(exports, "ABANDONED_AFTER_NS", 0)
    export_training_data(tmp_path, hour(0), users(4), {})
    assert not drafts[0].exists()


def test_any_folder_can_be_the_output(tmp_path):
    output = tmp_path / "out" / "training_data"
    for version in (1, 2):
        assert write_training_data(output, users(version), {}) == output
    assert set(pd.read_parquet(output / "is_anomaly=1")["version"]) == {2}
    assert set(pd.read_parquet(tmp_path / "out" / "training_data.parquet")["version"]) == {2}


def test_an_empty_folder_is_taken_and_a_folder_with_foreign_files_is_refused(tmp_path):
    empty, full = tmp_path / "empty", tmp_path / "full"
    empty.mkdir()
    full.mkdir()
    (full / "thesis.txt").write_text("years of work")
    assert len(pd.read_parquet(write_training_data(empty, users(), {}) / "is_anomaly=1")) == 1
    with pytest.raises(FileExistsError, match="did not write"):
        write_training_data(full, users(), {})
    assert (full / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("window", ["latest", "../elsewhere", "2026-01-01"])
def test_only_window_keys_are_windows(tmp_path: Path, window):
    with pytest.raises(ValueError, match="window key"):
        export_training_data(tmp_path, window, users(), {})


def test_rows_without_the_label_are_refused(tmp_path):
    with pytest.raises(ValueError, match="needs the column 'is_anomaly'"):
        export_training_data(tmp_path, hour(0), users().drop("is_anomaly"), {})
