"""Real failed logins, by their own time, into hourly windows: each lands once, and the counts are known."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from streamguard_assets.kafka.offsets import last_stable_offsets
from streamguard_assets.windows.ingest import Ingest
from streamguard_assets.windows.keeper import closed_windows, keep_ledger
from streamguard_assets.windows.production import send_lines
from streamguard_assets_tests.contracts.records import secrepo_truth, secrepo_values
from streamguard_assets_tests.windows.conftest import RigFactory

pytestmark = [pytest.mark.broker]

END = datetime(2014, 12, 3, tzinfo=UTC)


def test_every_login_lands_exactly_once_and_the_counts_are_the_known_ones(make_rig: RigFactory) -> None:
    rig = make_rig(partitions=3, stream={"lookback_windows": 24})
    sent = send_lines(rig.stream, secrepo_values(), by_event_time=True)
    assert (sent.report.produced, sent.report.unstamped) == (1_489, 0)
    keep_ledger(rig.stream, END)
    windows = closed_windows(rig.stream)
    assert windows[0].key == rig.stream.first_window
    assert windows[0].key.startswith("2014-11-30")
    assert windows[-1].key.startswith("2014-12-02")
    assert windows[-1].range.ends == last_stable_offsets(rig.stream.connection, rig.topic)
    with Ingest(rig.stream, "backfill", END) as ingest:
        commits = [ingest.window(window) for window in windows]
    rejected = sum(commit.details["rejected"] for commit in commits if commit is not None)
    rows = rig.events()
    assert (rows.height, rejected) == (1_489, 0)
    assert rows["event_id"].n_unique() == 1_489
    assert rows.select("kafka_partition", "kafka_offset").n_unique() == 1_489

    truth = secrepo_truth()
    assert (rows["event_type"] == "auth_attempt").sum() == truth["auth_attempts"]
    assert (rows["status"] == "failed").sum() == truth["failed"]
    by_source = rows.group_by("source_ip").agg(
        attempts=pl.len(),
        failed=(pl.col("status") == "failed").sum(),
        success=(pl.col("status") == "success").sum(),
        users=pl.col("user").n_unique(),
        first=pl.col("timestamp").min().dt.epoch("ms"),
        last=pl.col("timestamp").max().dt.epoch("ms"),
    )
    found = {row["source_ip"]: row for row in by_source.iter_rows(named=True)}
    for entry in truth["by_source_ip"]:
        row = found[entry["key"]]
        assert (row["failed"], row["success"], row["attempts"]) == (
            entry["failed"],
            entry["success"],
            entry["failed"] + entry["success"],
        )
        assert (row["users"], row["first"], row["last"]) == (entry["distinct_other"], entry["first"], entry["last"])
    assert rig.violations() == []
