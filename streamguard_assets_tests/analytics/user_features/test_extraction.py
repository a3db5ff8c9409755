"""Features against a second implementation, and what each is worth when there is little to go by."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamguard_assets.analytics.user_features.extraction import user_features
from streamguard_assets.analytics.user_features.registry import feature_names, features
from streamguard_assets_tests.analytics.events import EVENT_TYPES, NOON, SCHEMA, event, events_frame
from streamguard_assets_tests.analytics.user_features.reference import reference_features

NAMES = feature_names(EVENT_TYPES)

TOLERANCE = 1e-9
"""Spreads are summed in parts of 2^-61 of the user's span, so their error is at most about 1e-9 of that span."""


def features_of(*rows: dict[str, Any]) -> dict[str, Any]:
    """Features of the only user of ``rows``."""
    made = user_features(events_frame(rows), EVENT_TYPES)
    assert len(made) == 1
    return made.row(0, named=True)


# Instants that lie close together, on the turn of an hour, or far apart; some before 1970.
instants = st.one_of(
    st.integers(-5_000_000, 5_000_000).map(lambda us: NOON + timedelta(microseconds=us)),
    st.datetimes(datetime(2026, 1, 9), datetime(2026, 1, 13), timezones=st.just(UTC)),
    st.datetimes(datetime(1901, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC)),
)
places = st.none() | st.sampled_from(["10.0.0.1", "10.0.0.2", "svc", ""])
metadata = st.none() | st.fixed_dictionaries({"user_agent": st.none(), "geo_location": places, "port": st.none()})


@st.composite
def event_lists(draw: st.DrawFn) -> list[dict[str, Any]]:
    count = draw(st.integers(1, 12))
    return [
        event(
            number,
            kafka_partition=draw(st.integers(0, 2)),
            timestamp=draw(instants),
            event_type=draw(st.sampled_from([*EVENT_TYPES[:3], "unheard_of"])),
            user=draw(st.sampled_from(["ada", "bob"])),
            source_ip=draw(places),
            destination_ip=draw(places),
            status=draw(st.sampled_from(["success", "failed", "blocked", "pending", "odd", None])),
            threat_score=draw(st.none() | st.floats(0, 1) | st.sampled_from([0.7, -1.0, 1e300])),
            metadata=draw(metadata),
        )
        for number in range(count)
    ]


@settings(deadline=None, max_examples=60)
@given(event_lists(), st.randoms(use_true_random=False))
def test_every_feature_follows_its_definition_in_any_order_of_rows(rows: list[dict[str, Any]], random: Any) -> None:
    expected = reference_features(rows, EVENT_TYPES)
    made = user_features(events_frame(rows), EVENT_TYPES)
    random.shuffle(rows)

    assert user_features(events_frame(rows), EVENT_TYPES).equals(made, null_equal=True)
    assert made["user"].to_list() == sorted(expected)
    spans_s = _spans_s(rows)
    for row in made.iter_rows(named=True):
        for name in NAMES:
            actual, wanted = row[name], expected[row["user"]][name]
            scale = {"interval_stddev_s": spans_s[row["user"]], "time_stddev_hours": spans_s[row["user"]] / 3600}
            assert (actual is None) == (wanted is None), f"{name} is {actual}, expected {wanted}"
            assert wanted is None or math.isclose(
                actual, wanted, rel_tol=TOLERANCE, abs_tol=TOLERANCE * scale.get(name, 1.0)
            ), f"{name} is {actual}, expected {wanted}"


def _spans_s(rows: list[dict[str, Any]]) -> dict[str, float]:
    stamps: dict[str, list[datetime]] = {}
    for row in rows:
        stamps.setdefault(row["user"], []).append(row["timestamp"])
    return {user: (max(seen) - min(seen)).total_seconds() for user, seen in stamps.items()}


def test_the_columns_are_the_user_and_the_28_features_in_order_and_type() -> None:
    made = user_features(events_frame([event()]), EVENT_TYPES)

    assert made.columns == ["user", *NAMES]
    assert len(NAMES) == 28
    counts = {each.name for each in features(EVENT_TYPES) if str(each.dtype()) == "Int64"}
    assert {name for name, kind in made.schema.items() if kind == pl.Int64} == counts
    assert {kind for name, kind in made.schema.items() if name not in counts} == {pl.String, pl.Float64}


# What there is, and the features that then have no value. Every other feature must have one.
SEQUENCE = {"mean_interval_s", "interval_stddev_s", "burst_rate", "type_change_rate"}
ADDRESSES = {"ip_diversity", "rare_ip_rate", "top_ip_share"}
SCORES = {"avg_threat_score", "max_threat_score", "high_risk_rate"}
FULL = {"source_ip": "10.0.0.1", "destination_ip": "10.0.0.2", "status": "success", "threat_score": 0.5}


@pytest.mark.parametrize(
    ("rows", "unknown"),
    [
        (
            [event(0, location="DE", event_type="auth_attempt", **FULL)],
            {"time_stddev_hours", *SEQUENCE},
        ),
        (
            [event(n, location="DE", event_type="auth_attempt", **FULL) for n in (0, 5)],
            {"interval_stddev_s"},
        ),
        ([event(n, location="DE", event_type="auth_attempt", **FULL) for n in (0, 5, 9)], set()),
        ([event(n, location="DE", **FULL) for n in (0, 5, 9)], {"failed_auth_rate"}),
        ([event(n, event_type="auth_attempt", **FULL) for n in (0, 5, 9)], {"location_diversity"}),
        (
            [event(n, event_type="auth_attempt", metadata=None, **FULL) for n in (0, 5, 9)],
            {"location_diversity"},
        ),
        (
            [event(n, location="DE", event_type="auth_attempt", **{**FULL, "source_ip": None}) for n in (0, 5, 9)],
            ADDRESSES,
        ),
        (
            [event(n, location="DE", event_type="auth_attempt", **{**FULL, "threat_score": None}) for n in (0, 5, 9)],
            SCORES,
        ),
        (
            [event(n, location="DE", event_type="auth_attempt", **{**FULL, "status": None}) for n in (0, 5, 9)],
            set(),
        ),
        ([event()], {"time_stddev_hours", *SEQUENCE, *ADDRESSES, *SCORES, "location_diversity", "failed_auth_rate"}),
    ],
    ids=[
        "one event",
        "two events",
        "nothing missing",
        "no auth attempts",
        "no location",
        "no metadata at all",
        "no source address",
        "no threat score",
        "no status",
        "only what is required",
    ],
)
def test_a_feature_without_anything_to_go_by_is_null_and_no_other_is(rows: list[dict], unknown: set[str]) -> None:
    made = features_of(*rows)

    assert {name for name, value in made.items() if value is None} == unknown


def test_a_null_that_may_occur_is_announced_by_the_feature() -> None:
    announced = {each.name for each in features(EVENT_TYPES) if each.null_when is not None}

    assert announced == {
        "time_stddev_hours", *SEQUENCE, *ADDRESSES, *SCORES, "location_diversity", "failed_auth_rate"
    }  # fmt: skip


def test_distinct_counts_of_nothing_are_zero() -> None:
    made = features_of(event())

    assert (made["unique_ips"], made["unique_locations"], made["unique_destinations"]) == (0, 0, 0)


def test_an_event_of_an_unknown_type_counts_in_the_total_only() -> None:
    made = features_of(event(0, event_type="unheard_of"), event(1))

    assert made["total_events"] == 2
    assert sum(made[f"event_type_{kind}"] for kind in EVENT_TYPES) == 1


def test_hours_before_six_and_from_twenty_are_unusual() -> None:
    at = [NOON.replace(hour=h, minute=m, second=s) for h, m, s in [(5, 59, 59), (6, 0, 0), (19, 59, 59), (20, 0, 0)]]

    made = features_of(*(event(n, timestamp=instant) for n, instant in enumerate(at)))

    assert made["unusual_hour_rate"] == 0.5


def test_the_weekend_begins_and_ends_at_midnight_utc() -> None:
    saturday = datetime(2026, 1, 17, tzinfo=UTC)
    monday = saturday + timedelta(days=2)
    instant = timedelta(microseconds=1)
    at = [saturday - instant, saturday, monday - instant, monday]

    made = features_of(*(event(n, timestamp=moment) for n, moment in enumerate(at)))

    assert made["weekend_rate"] == 0.5


def test_events_spread_evenly_over_a_day_have_the_entropy_of_24_hours() -> None:
    made = features_of(*(event(n, timestamp=NOON + timedelta(hours=n)) for n in range(24)))

    assert made["active_hours"] == 24
    assert made["hour_entropy"] == pytest.approx(math.log2(24), rel=1e-12)
    assert made["events_per_active_hour"] == 1.0


def test_events_of_one_instant_have_no_spread_at_all() -> None:
    made = features_of(*(event(n, timestamp=NOON) for n in range(4)))

    assert made["hour_entropy"] == 0.0
    assert made["time_stddev_hours"] == 0.0
    assert (made["mean_interval_s"], made["interval_stddev_s"], made["burst_rate"]) == (0.0, 0.0, 1.0)


def test_a_gap_of_exactly_one_second_is_no_burst() -> None:
    made = features_of(event(0), event(1), event(2, timestamp=NOON + timedelta(seconds=1.999)))

    assert made["burst_rate"] == 0.5


def test_events_of_one_instant_are_ordered_by_partition_and_then_offset() -> None:
    placed = {(0, 7): "dns_query", (0, 9): "dns_query", (1, 3): "file_access", (1, 8): "file_access"}
    rows = [
        event(offset, kafka_partition=partition, timestamp=NOON, event_type=kind)
        for (partition, offset), kind in placed.items()
    ]

    assert features_of(*rows)["type_change_rate"] == pytest.approx(1 / 3)


def test_a_threat_score_out_of_range_counts_as_the_nearer_end() -> None:
    made = features_of(event(0, threat_score=1e300), event(1, threat_score=-3.0))

    assert (made["avg_threat_score"], made["max_threat_score"], made["high_risk_rate"]) == (0.5, 1.0, 0.5)


def test_the_mean_of_equal_scores_is_that_score() -> None:
    assert features_of(*(event(n, threat_score=0.7) for n in range(7)))["avg_threat_score"] == 0.7


def test_a_user_is_not_mixed_with_another() -> None:
    made = user_features(events_frame([event(0), event(1, user="bob"), event(2)]), EVENT_TYPES)

    assert made.select("user", "total_events", "mean_interval_s").rows() == [("ada", 2, 2.0), ("bob", 1, None)]


def test_no_events_give_no_rows_and_all_columns() -> None:
    made = user_features(pl.DataFrame(schema=SCHEMA), EVENT_TYPES)

    assert (len(made), made.columns) == (0, ["user", *NAMES])


def test_a_missing_column_is_named() -> None:
    with pytest.raises(ValueError, match="events have no column status, threat_score; user features need user, "):
        user_features(events_frame([event()]).drop("status", "threat_score"), EVENT_TYPES)


def test_a_lazy_frame_stays_lazy_and_gives_the_same() -> None:
    frame = events_frame([event(n, user=f"u{n % 3}", source_ip=f"10.0.0.{n % 4}") for n in range(20)])

    lazy = user_features(frame.lazy(), EVENT_TYPES)

    assert isinstance(lazy, pl.LazyFrame)
    assert lazy.collect().equals(user_features(frame, EVENT_TYPES), null_equal=True)
