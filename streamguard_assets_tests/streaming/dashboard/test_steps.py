"""The arithmetic of a live dashboard, against plain Python: whatever the steps and restarts, each window is exact."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from streamguard_assets.analytics.realtime_dashboard import REALTIME_DASHBOARD
from streamguard_assets.analytics.security_dashboard import SECURITY_DASHBOARD
from streamguard_assets.lake.schema import polars_schema
from streamguard_assets.streaming.dashboard.steps import (
    DashboardState,
    StepResult,
    columns_read,
    empty_state,
    kept_state,
    last_end_us,
    take_step,
)
from streamguard_assets_tests.analytics.analyses.transactions import SCHEMA as TRANSACTIONS_SCHEMA
from streamguard_assets_tests.analytics.analyses.transactions import transaction
from streamguard_assets_tests.streaming.dashboard_rig import MINUTE, NOON, Event, at

SKEW_S = 300.0
DTYPES: dict[str, Any] = {
    "kafka_timestamp": pl.Datetime("us", "UTC"),
    "timestamp": pl.Datetime("us", "UTC"),
    "event_type": pl.String,
    "user": pl.String,
    "status": pl.String,
    "threat_score": pl.Float64,
}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def us(instant: datetime) -> int:
    return (instant - EPOCH) // timedelta(microseconds=1)


def step(before: DashboardState, events: Sequence[Event], skew_s: float = SKEW_S) -> StepResult:
    return take_step(SECURITY_DASHBOARD, before, pl.LazyFrame(list(events), schema=DTYPES), skew_s)


def first_step(*events: Event) -> StepResult:
    return step(empty_state(SECURITY_DASHBOARD), events)


def total(rows: pl.DataFrame) -> int:
    return int(rows["events"].sum())


def restarted(state: DashboardState) -> DashboardState:
    """What a process that died finds again."""
    file = io.BytesIO()
    state.partials.write_parquet(file)
    file.seek(0)
    return kept_state(SECURITY_DASHBOARD, pl.read_parquet(file), state.watermark_us, state.late, state.ahead)


SECONDS = st.integers(-30 * 60, 30 * 60)
EVENTS = st.builds(
    lambda second, stamped, **fields: at(second / 60, kafka_timestamp=stamped, **fields),
    second=SECONDS,
    stamped=st.none() | SECONDS.map(lambda second: NOON + timedelta(seconds=second)),
    event_type=st.sampled_from(["auth_attempt", "file_access"]),
    user=st.sampled_from(["ada", "bob", "eve"]),
    status=st.sampled_from(["success", "failed", "blocked", None]),
    threat_score=st.sampled_from([None, 0.1, 0.25, 0.9]),
)
STEPS = st.lists(st.tuples(st.lists(EVENTS, max_size=8), st.booleans()), max_size=6)


class Reference:
    """The same from the words of the definition: windows as lists of events."""

    def __init__(self) -> None:
        self.windows: dict[tuple[datetime, str], list[Event]] = {}
        self.watermark: datetime | None = None
        self.late = self.ahead = 0

    def take(self, events: Sequence[Event]) -> None:
        watermark, latest = self.watermark, []
        for event in events:
            when, stamped = event["timestamp"], event["kafka_timestamp"]
            if stamped is not None and when - stamped > timedelta(seconds=SKEW_S):
                self.ahead += 1
                continue
            latest.append(when)
            minute = when.replace(second=0, microsecond=0)
            starts = [minute - back * MINUTE for back in range(5)]
            taken = [start for start in starts if watermark is None or start + 5 * MINUTE > watermark]
            self.late += len(taken) < len(starts)
            for start in taken:
                self.windows.setdefault((start, event["event_type"]), []).append(event)
        if latest:
            self.watermark = max([max(latest) - 10 * MINUTE, *([] if watermark is None else [watermark])])

    def rows(self) -> list[dict[str, Any]]:
        return [
            {
                "window_start": start,
                "window_end": start + 5 * MINUTE,
                "event_type": event_type,
                "events": len(events),
                "failed": sum(event["status"] == "failed" for event in events),
                "blocked": sum(event["status"] == "blocked" for event in events),
                "unique_users": len({event["user"] for event in events}),
                "max_threat_score": max(
                    (event["threat_score"] for event in events if event["threat_score"] is not None), default=None
                ),
            }
            for (start, event_type), events in sorted(self.windows.items())
        ]


@settings(max_examples=25)
@given(STEPS)
def test_any_steps_and_restarts_count_what_the_definition_says(
    steps: list[tuple[list[Event], bool]],
) -> None:
    reference, state = Reference(), empty_state(SECURITY_DASHBOARD)
    closed = [state.rows]

    for events, dies in steps:
        result = step(state, events)
        reference.take(events)
        closed.append(result.closed_rows)
        state = restarted(result.state) if dies else result.state

    rows = pl.concat([*closed, state.rows]).sort("window_start", "event_type")
    assert rows.to_dicts() == reference.rows()
    assert (state.late, state.ahead) == (reference.late, reference.ahead)
    assert state.watermark_us == (None if reference.watermark is None else us(reference.watermark))


@settings(max_examples=15)
@given(st.lists(EVENTS, max_size=20), st.lists(st.integers(0, 20), max_size=4))
def test_without_late_events_any_split_gives_what_all_events_give_in_one_go(
    events: list[Event], cuts: list[int]
) -> None:
    in_order = sorted((dict(event, kafka_timestamp=None) for event in events), key=lambda event: event["timestamp"])
    places = [0, *sorted(min(cut, len(in_order)) for cut in cuts), len(in_order)]
    state, rows = empty_state(SECURITY_DASHBOARD), []

    result = first_step()
    for begin, end in pairwise(places):
        result = step(state, in_order[begin:end])
        rows.append(result.closed_rows)
        state = result.state

    whole = SECURITY_DASHBOARD(pl.DataFrame(in_order, schema=DTYPES))
    told = pl.concat([*rows, result.state.rows]).sort("window_start", "event_type")
    assert state.late == 0
    assert told.equals(whole, null_equal=True)


def test_the_watermark_of_a_step_judges_the_next_and_not_itself() -> None:
    together = first_step(at(0), at(60))
    one, other = first_step(at(60)), at(0)

    assert together.late == 0
    assert step(one.state, [other]).late == 1


def test_an_event_that_is_late_for_some_windows_is_counted_in_the_others_and_once_as_late() -> None:
    before = first_step(at(12)).state  # windows are closed up to 12:02

    after = step(before, [at(0, user="eve")])

    assert after.late == 1
    counted = pl.concat([after.state.rows, after.closed_rows]).filter(pl.col("window_start") <= NOON)
    assert counted["window_start"].to_list() == [NOON - back * MINUTE for back in (2, 1, 0)]


def test_an_event_is_ahead_only_beyond_the_skew_past_its_kafka_timestamp() -> None:
    on_the_edge, beyond = at(5, kafka_timestamp=NOON), at(5 + 1e-6, kafka_timestamp=NOON)

    result = first_step(on_the_edge, beyond)

    assert (result.events, result.ahead) == (2, 1)
    assert total(result.state.rows) == 5


def test_an_event_ahead_does_not_close_a_window() -> None:
    before = first_step(at(0)).state

    after = step(before, [at(10_000, kafka_timestamp=NOON)])

    assert after.state.watermark_us == before.watermark_us
    assert after.closed_rows.is_empty()
    assert after.state.ahead == 1


def test_a_record_without_a_kafka_timestamp_is_taken_at_its_word() -> None:
    result = step(first_step(at(0)).state, [at(60, kafka_timestamp=None)])

    assert result.ahead == 0
    assert result.closed_rows["window_start"].max() == NOON


def test_the_watermark_never_goes_back() -> None:
    before = first_step(at(60)).state

    assert step(before, [at(30)]).state.watermark_us == before.watermark_us == us(NOON + 50 * MINUTE)


def test_only_open_windows_are_kept() -> None:
    state = empty_state(SECURITY_DASHBOARD)

    for minute in range(0, 600, 3):
        state = step(state, [at(minute, user=f"u{minute}")]).state

    assert state.watermark_us is not None
    starts_us = state.partials["window_start_us"]
    assert starts_us.min() > state.watermark_us - 5 * 60_000_000  # pyright: ignore[reportOperatorIssue]
    assert state.partials.height <= 2 * 5 * 6


def test_a_step_without_events_changes_nothing() -> None:
    before = first_step(at(0), at(1)).state

    after = step(before, [])

    assert after.state.partials.sort(pl.all()).equals(before.partials.sort(pl.all()), null_equal=True)
    assert (after.events, after.late, after.ahead) == (0, 0, 0)


@settings(max_examples=10)
@given(st.lists(EVENTS, max_size=20), st.lists(EVENTS, max_size=20))
def test_both_engines_of_polars_give_the_same(first: list[Event], second: list[Event]) -> None:
    before = first_step(*first).state
    rows = pl.LazyFrame(second, schema=DTYPES)

    one, other = (take_step(SECURITY_DASHBOARD, before, rows, SKEW_S, engine) for engine in ("in-memory", "streaming"))

    assert one.state.rows.equals(other.state.rows, null_equal=True)
    assert one.closed_rows.equals(other.closed_rows, null_equal=True)
    assert (one.events, one.late, one.ahead) == (other.events, other.late, other.ahead)
    assert one.state.watermark_us == other.state.watermark_us


def test_an_event_of_the_year_1_is_counted_and_harms_nothing() -> None:
    long_ago = at(0, timestamp=datetime(1, 1, 1, tzinfo=UTC), kafka_timestamp=NOON)

    result = step(first_step(long_ago).state, [at(0)])

    assert result.closed_rows.height == 5
    assert total(result.state.rows) == 5


def test_what_a_dashboard_leaves_out_moves_the_watermark_and_is_never_late() -> None:
    dtypes = {**TRANSACTIONS_SCHEMA, "kafka_timestamp": pl.Datetime("us", "UTC")}

    def sales(state: DashboardState, *rows: dict[str, Any]) -> StepResult:
        return take_step(REALTIME_DASHBOARD, state, pl.LazyFrame(list(rows), schema=dtypes), SKEW_S)

    failed = sales(empty_state(REALTIME_DASHBOARD), transaction(event_timestamp=NOON, transaction_status="failed"))
    long_before = {"event_timestamp": NOON - 60 * MINUTE}

    assert failed.state.rows.is_empty()
    assert failed.state.watermark_us == us(NOON - 10 * MINUTE)
    assert sales(failed.state, transaction(**long_before, transaction_status="failed")).late == 0
    assert sales(failed.state, transaction(**long_before)).late == 1


def test_the_end_of_the_last_window_is_told_and_none_where_there_is_none() -> None:
    assert last_end_us(first_step(at(0)).state.partials) == us(NOON + 5 * MINUTE)
    assert last_end_us(empty_state(SECURITY_DASHBOARD).partials) is None


def test_an_empty_state_has_the_columns_of_partial_results() -> None:
    assert dict(empty_state(SECURITY_DASHBOARD).partials.schema) == polars_schema(SECURITY_DASHBOARD.partial_schema)
    assert set(columns_read(SECURITY_DASHBOARD)) == set(DTYPES)
