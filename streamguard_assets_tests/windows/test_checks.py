"""Checks prove a healthy stream, and find what somebody did to its tables behind the project's back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from streamguard_assets.windows.checks import CheckScope, committed_windows, run_checks
from streamguard_assets_tests.windows.conftest import RigFactory
from streamguard_assets_tests.windows.graphs import CHECKS, DERIVED_ASSETS
from streamguard_assets_tests.windows.rig import Rig, at, event, key

pytestmark = [pytest.mark.broker]

MUST_HOLD = {"ledger_contiguity", "conservation", "schema", *(f"{asset}_content" for asset in DERIVED_ASSETS)}


def filled(rig: Rig) -> Rig:
    """Two windows with good and bad records and a hole, and an empty one between them."""
    rig.produce_hours([0], events=12)
    rig.produce([b"bad", b"worse"], hour=0.5, partition=1)
    rig.writer.transaction(rig.topic, [], commit=False)
    rig.produce_hours([2], events=15, partition=1)
    rig.keep(3)
    rig.ingest(0, 2)
    return rig


def raw_table(rig: Rig, asset: str) -> DeltaTable:
    return DeltaTable(rig.stream.location.table(rig.stream.name, asset))


def append_raw(rig: Rig, asset: str, rows: pl.DataFrame) -> None:
    table = raw_table(rig, asset)
    write_deltalake(table, rows.to_arrow(), mode="append", schema_mode="merge")


def row(rig: Rig, offset: int) -> pl.DataFrame:
    return rig.events(0).filter(pl.col("kafka_partition") == 0, pl.col("kafka_offset") == offset)


def test_names_are_unique_and_every_check_is_described() -> None:
    assert len({check.name for check in CHECKS}) == len(CHECKS)
    assert all(check.description for check in CHECKS)
    assert {check.name for check in CHECKS if check.must_hold} == MUST_HOLD


def test_a_healthy_stream_passes_what_must_hold(rig: Rig) -> None:
    filled(rig)
    results = rig.again().checks()
    assert {name: result.findings for name, result in results.items() if result.check.must_hold} == {
        name: [] for name in MUST_HOLD
    }
    assert results["conservation"].facts == {"windows": 2, "offsets_proven": 29}
    assert results["ledger_contiguity"].facts == {"boundaries": 4, "windows": 2}


@pytest.mark.parametrize("asset", DERIVED_ASSETS)
def test_rows_taken_out_of_a_derived_table_are_found(rig: Rig, asset: str) -> None:
    filled(rig)
    rig.derive(0, 2)
    assert rig.again().checks()[f"{asset}_content"].passed
    table = raw_table(rig, asset)
    some = table.to_pyarrow_table()["window"][0].as_py()
    table.delete(f"\"window\" = '{some}'")
    assert [finding.window for finding in rig.again().checks()[f"{asset}_content"].findings] == [some]


def test_a_stream_that_has_not_begun_passes_what_must_hold(rig: Rig) -> None:
    assert rig.violations() == []


def removed(rig: Rig) -> None:
    raw_table(rig, "events").delete("kafka_offset = 3 AND kafka_partition = 0")


def doubled(rig: Rig) -> None:
    append_raw(rig, "events", row(rig, 3))


def moved(rig: Rig) -> None:
    raw_table(rig, "events").update(
        updates={"window": f"'{key(2)}'"}, predicate="kafka_offset = 3 AND kafka_partition = 0"
    )


def copied_to_the_neighbour(rig: Rig) -> None:
    append_raw(rig, "events", row(rig, 3).with_columns(window=pl.lit(key(2))))


def altered(rig: Rig) -> None:
    raw_table(rig, "events").update(updates={"user": "'mallory'"}, predicate="kafka_offset = 3 AND kafka_partition = 0")


def altered_deep_inside(rig: Rig) -> None:
    changed = row(rig, 3).with_columns(pl.col("metadata").struct.with_fields(port=pl.lit(23, dtype=pl.Int64)))
    removed(rig)
    append_raw(rig, "events", changed)


def exchanged(rig: Rig) -> None:
    """The same number of rows, the same offsets, the same values, but two of them in each other's places."""
    three, four = row(rig, 3), row(rig, 4)
    raw_table(rig, "events").delete("kafka_offset IN (3, 4) AND kafka_partition = 0")
    append_raw(rig, "events", three.with_columns(kafka_offset=pl.lit(4, dtype=pl.Int64)))
    append_raw(rig, "events", four.with_columns(kafka_offset=pl.lit(3, dtype=pl.Int64)))


def window_that_nobody_committed(rig: Rig) -> None:
    append_raw(rig, "events", row(rig, 3).with_columns(window=pl.lit(key(1))))


def whole_window_removed(rig: Rig) -> None:
    raw_table(rig, "events").delete(f"\"window\" = '{key(0)}'")


def restored(rig: Rig) -> None:
    raw_table(rig, "events").restore(1)


def rejected_removed(rig: Rig) -> None:
    raw_table(rig, "quarantine").delete("kafka_offset = 1 AND kafka_partition = 1")


def rejected_altered(rig: Rig) -> None:
    raw_table(rig, "quarantine").update(updates={"reason": "'it was fine'"}, predicate="kafka_offset = 1")


def rejected_doubled(rig: Rig) -> None:
    append_raw(rig, "quarantine", rig.rejected(0)[:1])


def rejected_made_up(rig: Rig) -> None:
    append_raw(rig, "quarantine", rig.rejected(0)[:1].with_columns(kafka_offset=pl.lit(99, dtype=pl.Int64)))


def accepted_also_rejected(rig: Rig) -> None:
    append_raw(
        rig,
        "quarantine",
        rig.rejected(0)[:1].with_columns(
            kafka_partition=pl.lit(0, dtype=pl.Int32), kafka_offset=pl.lit(3, dtype=pl.Int64)
        ),
    )


CORRUPTIONS: list[tuple[Callable[[Rig], None], set[str], str]] = [
    (removed, {key(0)}, "offset 3 neither row"),
    (doubled, {key(0)}, "offset 3 accepted twice"),
    (moved, {key(0), key(2)}, "outside the window's range"),
    (copied_to_the_neighbour, {key(2)}, "outside the window's range"),
    (altered, {key(0)}, "its rows hash to"),
    (altered_deep_inside, {key(0)}, "its rows hash to"),
    (exchanged, {key(0)}, "its rows hash to"),
    (window_that_nobody_committed, {key(1)}, "1 rows of security/events that no commit names"),
    (whole_window_removed, {key(0)}, "neither row"),
    (restored, {key(2)}, "neither row"),
    (rejected_removed, {key(0)}, "offset 1 neither row"),
    (rejected_altered, {key(0)}, "its rejected records hash to"),
    (rejected_doubled, {key(0)}, "rejected twice"),
    (rejected_made_up, {key(0)}, "outside the window's range"),
    (accepted_also_rejected, {key(0)}, "offset 3 accepted and rejected"),
]


@pytest.mark.parametrize(("corrupt", "windows", "text"), CORRUPTIONS, ids=[c.__name__ for c, *_ in CORRUPTIONS])
def test_what_was_done_behind_our_back_is_found(
    rig: Rig, corrupt: Callable[[Rig], None], windows: set[str], text: str
) -> None:
    filled(rig)
    assert rig.violations() == []
    corrupt(rig)
    found = rig.violations()
    assert {line[: len(key(0))] for line in found} == windows
    assert any(text in line for line in found), found


def test_a_boundary_that_was_changed_is_found(rig: Rig) -> None:
    filled(rig)
    table = raw_table(rig, "offset_ranges")
    table.update(updates={"offsets": '\'{"0":5,"1":2}\''}, predicate=f"\"window\" = '{key(1)}'")
    assert any("the ledger says" in line for line in rig.violations())


def test_a_boundary_that_was_doubled_is_found(rig: Rig) -> None:
    filled(rig)
    table = raw_table(rig, "offset_ranges")
    write_deltalake(table, pl.scan_delta(table).collect()[:1].to_arrow(), mode="append")
    assert any("twice" in str(f.text) for f in fresh_ledger_findings(rig))


def test_a_boundary_that_was_removed_is_found(rig: Rig) -> None:
    filled(rig)
    raw_table(rig, "offset_ranges").delete(f"\"window\" = '{key(1)}'")
    texts = [f.text for f in fresh_ledger_findings(rig)]
    assert any("no boundary between" in text for text in texts)
    assert any("does not know its boundaries" in text for text in texts)


def fresh_ledger_findings(rig: Rig):
    return rig.again().checks()["ledger_contiguity"].findings


def test_a_column_of_the_wrong_type_or_missing_is_found(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(rig)
    declared = rig.stream.contract.events_schema()
    index = declared.get_field_index("user")
    wider = declared.set(index, pa.field("user", pa.int64())).append(pa.field("new", pa.string()))
    monkeypatch.setattr(type(rig.stream.contract), "events_schema", lambda _self: wider)
    texts = [f.text for f in rig.checks()["schema"].findings]
    assert texts == [
        "events.user is string; the contract declares int64",
        "events has no column 'new'; the contract declares string",
    ]


# Warnings


def test_many_rejected_records_are_warned_of(rig: Rig) -> None:
    rig.produce_hours([0], events=8)
    rig.produce([b"bad", b"bad"], hour=0.5)
    rig.keep(1)
    rig.ingest(0)
    result = rig.checks()["quarantine_share"]
    assert [(f.window, f.text) for f in result.findings] == [
        (key(0), "2 of 10 records rejected (20.0%); the limit is 1.0%")
    ]
    assert result.facts == {"rejected": 2, "delivered": 10}
    assert not result.check.must_hold


def test_a_soft_rule_that_is_broken_often_is_warned_of(rig: Rig) -> None:
    rig.produce([event(n, event_type="dancing" if n < 3 else "file_access") for n in range(10)])
    rig.keep(1)
    rig.ingest(0)
    (finding,) = rig.checks()["soft_rule_share"].findings
    assert "event_type" in finding.text
    assert "3 of 10 records (30.0%)" in finding.text


def test_features_and_scores_out_of_range_are_warned_of(rig: Rig) -> None:
    rig.produce_hours([0], events=60)
    rig.keep(1)
    rig.ingest(0)
    rig.derive(0)
    healthy = rig.checks()
    assert healthy["feature_ranges"].findings == healthy["score_ranges"].findings == []
    assert healthy["score_ranges"].facts == {"rows": 12}
    raw_table(rig, "user_features").update(
        updates={"failure_rate": "1.5", "total_events": "-1"}, predicate="\"user\" = 'user-3'"
    )
    scores = raw_table(rig, "anomaly_scores")
    scores.update(updates={"anomaly_score": "1.01"}, predicate="\"user\" = 'user-1'")
    scores.update(updates={"is_anomaly": "NOT is_anomaly"}, predicate="\"user\" = 'user-2'")
    scores.update(updates={"is_anomaly": "NULL"}, predicate="\"user\" = 'user-4'")
    scores.update(updates={"anomaly_score": "NULL"}, predicate="\"user\" = 'user-5'")
    spoiled = rig.again().checks()
    assert {f.text.split(" of ")[0] for f in spoiled["feature_ranges"].findings} == {"failure_rate", "total_events"}
    texts = [f.text for f in spoiled["score_ranges"].findings]
    assert "1 users have a score outside 0 to 1" in texts
    assert "1 users have neither a score nor a reason for that" in texts
    assert any("have a label that the threshold does not give" in text for text in texts)


def test_an_old_newest_window_is_warned_of(make_rig: RigFactory) -> None:
    rig = make_rig(checks={"max_age_minutes": 60})
    assert rig.checks()["freshness"].findings[0].text == "no window is complete yet"
    rig.produce_hours([0], events=3)
    rig.keep(1)
    rig.ingest(0)
    scope = CheckScope(rig.stream, committed_windows(rig.stream), at(2))
    fresh = {result.check.name: result for result in run_checks(scope)}["freshness"]
    assert (fresh.passed, fresh.facts) == (True, {"newest_complete_window": key(0), "age_minutes": 60.0})
    late = CheckScope(rig.stream, committed_windows(rig.stream), at(2) + timedelta(seconds=1))
    stale = {result.check.name: result for result in run_checks(late)}["freshness"]
    assert [f.window for f in stale.findings] == [key(0)]


def test_a_scope_looks_at_its_windows_only(rig: Rig) -> None:
    filled(rig)
    removed(rig)
    scope = CheckScope(rig.again().stream, [key(2)], at(3))
    assert [f for r in run_checks(scope) if r.check.must_hold for f in r.findings] == []
