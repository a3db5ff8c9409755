"""Security events in sliding windows: what is counted, and what the greatest threat score is."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamguard_assets.analytics.aggregation.definition_hash import modules_behind
from streamguard_assets.analytics.security_dashboard import SECURITY_DASHBOARD, security_dashboard
from streamguard_assets.contracts.schemas import COMMENT
from streamguard_assets_tests.analytics.analyses import reference
from streamguard_assets_tests.analytics.events import NOON, Event, event, events_frame

MINUTE = timedelta(minutes=1)
SCORES = st.one_of(
    st.sampled_from([None, 0.0, -0.0, 0.7, 0.7000000000000001, 1.0, -1.0, 5.0, 1e-9, 1e-10, 1e9, 1e300, -1e300]),
    st.integers(0, 1_000).map(lambda thousandths: thousandths / 1_000),
)
EVENTS = st.builds(
    event,
    timestamp=st.one_of(
        st.integers(-600, 600).map(lambda second: NOON + timedelta(seconds=second)),
        st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)),
    ),
    event_type=st.sampled_from(["auth_attempt", "file_access", "Ä"]),
    user=st.sampled_from(["ada", "bob", "", "Ä"]),
    status=st.sampled_from([None, "success", "failed", "blocked", "pending", "FAILED"]),
    threat_score=SCORES,
)


def window(*rows: Event) -> dict[str, Any]:
    """The row of the window that begins at noon."""
    made = security_dashboard(events_frame(rows))
    return made.filter(pl.col("window_start") == NOON).row(0, named=True)


def greatest(*scores: float | None) -> float | None:
    return window(*(event(number, threat_score=score) for number, score in enumerate(scores)))["max_threat_score"]


def test_events_are_counted_per_window_and_type_and_users_once() -> None:
    rows = [event(status="failed"), event(status="blocked", user="bob", threat_score=0.9), event(threat_score=0.2)]

    made = window(*rows, event(status="pending"))

    assert made == {
        "window_start": NOON,
        "window_end": NOON + 5 * MINUTE,
        "event_type": "file_access",
        "events": 4,
        "failed": 1,
        "blocked": 1,
        "unique_users": 2,
        "max_threat_score": 0.9,
    }


def test_an_event_is_in_the_five_windows_that_hold_its_instant() -> None:
    made = security_dashboard(events_frame([event()]))

    assert made["window_start"].to_list() == [NOON - back * MINUTE for back in (4, 3, 2, 1, 0)]


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([None, None], None),
        ([math.nan, None], None),
        ([math.nan, 0.3], 0.3),
        ([math.inf, -math.inf, 0.3], 0.3),
        ([1e300, 0.3], 0.3),
        ([-5.0, -0.25], -0.25),
        ([0.1, 0.1 + 1e-12], 0.1),
        ([0.123456789, 0.123456788], 0.123456789),
    ],
)
def test_the_greatest_score_passes_over_what_is_no_number_and_is_exact_to_nine_decimals(
    scores: list[float | None], expected: float | None
) -> None:
    assert greatest(*scores) == expected


def test_a_negative_zero_is_a_zero() -> None:
    found = greatest(-0.0)

    assert found is not None
    assert math.copysign(1, found) == 1


@settings(max_examples=30)
@given(st.lists(EVENTS, max_size=20))
def test_every_window_follows_its_definition(rows: list[Event]) -> None:
    assert security_dashboard(events_frame(rows)).to_dicts() == reference.security_dashboard(list(map(dict, rows)))


@settings(max_examples=20)
@given(st.lists(EVENTS, max_size=20), st.lists(st.integers(0, 20), max_size=3))
def test_partial_results_of_any_split_give_the_result_of_the_whole(rows: list[Event], cuts: list[int]) -> None:
    whole = events_frame(rows)
    places = [0, *sorted(cuts), len(rows)]
    kept = [SECURITY_DASHBOARD.partials(whole[begin:end]) for begin, end in pairwise(places)]

    assert SECURITY_DASHBOARD.finish(pl.concat(kept)).equals(security_dashboard(whole), null_equal=True)


def test_every_column_says_what_it_holds_and_partial_results_hold_only_texts_and_int64() -> None:
    for schema in (SECURITY_DASHBOARD.schema, SECURITY_DASHBOARD.partial_schema):
        assert all((field.metadata or {}).get(COMMENT) for field in schema)
    assert set(SECURITY_DASHBOARD.partial_schema.types) == {pa.int64(), pa.string()}


def test_the_hash_covers_the_windows_and_what_the_dashboard_runs_through() -> None:
    behind = {name.removeprefix("streamguard_assets.analytics.") for name in modules_behind(SECURITY_DASHBOARD.module)}

    assert {"sliding_windows", "fixed_point", "aggregation.measures", "aggregation.partials"} <= behind
    assert "realtime_dashboard" not in behind
