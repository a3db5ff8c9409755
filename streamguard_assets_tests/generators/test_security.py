"""A generated day is reproducible, whole wherever it is cut, and made of events that the contract accepts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamguard_assets.contracts.registry import contract
from streamguard_assets.generators.attackers import DEFAULT_ATTACKERS, KINDS
from streamguard_assets.generators.security import activity_for, attacks_within, generate_security_day, trickle
from streamguard_assets_tests.generators.events import decoded

WEDNESDAY = datetime(2026, 1, 28, tzinfo=UTC)


def test_the_same_seed_gives_the_same_bytes() -> None:
    assert generate_security_day(3, WEDNESDAY, users=12) == generate_security_day(3, WEDNESDAY, users=12)


def test_another_seed_gives_other_people_and_other_events() -> None:
    one, other = (generate_security_day(seed, WEDNESDAY, users=12) for seed in (1, 2))
    assert {e.value for e in one.events}.isdisjoint(e.value for e in other.events)
    assert set(one.truth) != set(other.truth)


@settings(max_examples=12, deadline=None)
@given(
    begin=st.integers(0, 7 * 24 * 60),
    first=st.integers(0, 36 * 60),
    second=st.integers(0, 36 * 60),
    seed=st.integers(0),
)
def test_an_event_does_not_depend_on_where_the_span_begins_or_ends(
    begin: int, first: int, second: int, seed: int
) -> None:
    start = WEDNESDAY + timedelta(minutes=begin)
    middle = start + timedelta(minutes=first)
    company = {"users": 4, "attackers": tuple(KINDS), "activity": 0.2}
    whole = generate_security_day(seed, start, (first + second) / 60, **company)
    early = generate_security_day(seed, start, first / 60, **company)
    late = generate_security_day(seed, middle, second / 60, **company)
    assert early.events + late.events == whole.events
    assert early.truth | late.truth == whole.truth


def test_one_more_user_or_attacker_changes_nobody_elses_events() -> None:
    small = generate_security_day(5, WEDNESDAY, users=10, attackers=("brute_force",))
    users_of_small = {e.key for e in small.events}
    large = generate_security_day(5, WEDNESDAY, users=14, attackers=("brute_force", "night_owl"))
    assert [e for e in large.events if e.key in users_of_small] == small.events
    assert len({e.key for e in large.events} - users_of_small) == 5


def test_events_are_in_order_inside_the_span_and_keyed_by_their_user() -> None:
    start = WEDNESDAY + timedelta(hours=7, minutes=30)
    day = generate_security_day(9, start, hours=5.5, users=20)
    times = [e.timestamp_ms for e in day.events]
    begin_ms = int(start.timestamp() * 1000)
    assert times == sorted(times)
    assert begin_ms <= times[0]
    assert times[-1] < begin_ms + 5.5 * 3_600_000
    assert [(e.timestamp_ms, e.key) for e in day.events] == [(f["timestamp"], f["user"]) for f in decoded(day.events)]


def test_event_ids_are_unique_over_days_and_seeds() -> None:
    days = [generate_security_day(s, WEDNESDAY, hours=48, users=15, attackers=tuple(KINDS)) for s in (1, 2)]
    ids = [fields["event_id"] for day in days for fields in decoded(day.events)]
    assert len(set(ids)) == len(ids)


def test_the_contract_accepts_every_event_and_no_soft_rule_objects() -> None:
    security = contract("security")
    day = generate_security_day(4, WEDNESDAY, users=30, attackers=tuple(KINDS), activity=0.5)
    verdicts = security.decode_all([e.value for e in day.events])
    assert [r for _, r in verdicts.rejections] == []
    assert all(event.extra is None for event in verdicts.events), "a field that the contract does not name"
    columns = pl.DataFrame(
        [{name: fields[name] for name in ("event_type", "status", "threat_score")} for fields in decoded(day.events)]
    ).with_columns(timestamp=pl.Series([e.timestamp_ms for e in day.events]).cast(pl.Datetime("ms", "UTC")))
    by_row = [rule for rule in security.soft_rules if rule.broken is not None]
    assert columns.select(rule.hits(pl) for rule in by_row).row(0) == (0,) * len(by_row)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_working_day_of_the_demo_has_twenty_to_fifty_thousand_events(seed: int) -> None:
    assert 20_000 <= len(generate_security_day(seed, WEDNESDAY).events) <= 50_000


def test_activity_scales_the_volume() -> None:
    full = generate_security_day(6, WEDNESDAY, users=30)
    third = generate_security_day(6, WEDNESDAY, users=30, activity=1 / 3)
    assert len(third.events) / len(full.events) == pytest.approx(1 / 3, rel=0.15)


@pytest.mark.parametrize("hour", range(0, 24, 5))
def test_any_24_hours_hold_an_attack_of_every_kind(hour: int) -> None:
    day = generate_security_day(8, WEDNESDAY + timedelta(hours=hour), users=3, attackers=tuple(KINDS))
    assert sorted(day.truth.values()) == sorted(KINDS)


def test_truth_names_only_attackers_and_only_those_who_attacked_in_the_span() -> None:
    afternoon = generate_security_day(8, WEDNESDAY + timedelta(hours=12), hours=6, users=5, attackers=("night_owl",))
    assert afternoon.truth == {}
    night = generate_security_day(8, WEDNESDAY, hours=6, users=5, attackers=("night_owl",))
    assert list(night.truth.values()) == ["night_owl"]
    assert generate_security_day(8, WEDNESDAY, users=5, attackers=()).truth == {}


def test_a_kind_may_come_twice_as_two_accounts() -> None:
    day = generate_security_day(8, WEDNESDAY, users=5, attackers=("brute_force", "brute_force"))
    assert list(day.truth.values()) == ["brute_force", "brute_force"]


def test_the_default_attackers_are_the_four_of_the_demo() -> None:
    assert set(DEFAULT_ATTACKERS) == {"brute_force", "password_spray", "exfiltration", "night_owl"}


def test_an_unknown_kind_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'phishing'; known: brute_force, .*password_spray"):
        generate_security_day(1, WEDNESDAY, attackers=("phishing",))


def test_a_start_without_zone_is_an_error() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        generate_security_day(1, datetime(2026, 1, 28))


@pytest.mark.parametrize(("seed", "users", "activity"), [(-1, 5, 1.0), (1, -5, 1.0), (1, 5, 0.0)])
def test_sizes_that_make_no_company_are_errors(seed: int, users: int, activity: float) -> None:
    with pytest.raises(ValueError, match="must"):
        generate_security_day(seed, WEDNESDAY, users=users, activity=activity)


def test_the_trickle_continues_the_day() -> None:
    company = {"users": 12, "activity": 0.5}
    both = generate_security_day(2, WEDNESDAY, hours=27.5, **company)
    day = generate_security_day(2, WEDNESDAY, hours=24, **company)
    after = trickle(2, WEDNESDAY + timedelta(hours=24), **company)
    assert day.events + list(islice(after, len(both.events) - len(day.events))) == both.events


def test_the_trickle_never_ends_and_never_repeats() -> None:
    events = list(islice(trickle(2, WEDNESDAY, users=3, attackers=(), activity=0.1), 1000))
    assert len({e.value for e in events}) == 1000
    assert [e.timestamp_ms for e in events] == sorted(e.timestamp_ms for e in events)


@pytest.mark.parametrize("span_hours", [0.4, 3.0, 24.0])
def test_the_trickle_is_the_same_in_any_spans(span_hours: float) -> None:
    company = {"users": 5, "attackers": ("brute_force",), "activity": 0.2}
    hourly, other = trickle(2, WEDNESDAY, **company), trickle(2, WEDNESDAY, **company, span_hours=span_hours)
    assert list(islice(hourly, 300)) == list(islice(other, 300))


@pytest.mark.parametrize(("begin", "hours"), [(0, 3), (1, 2.2), (7, 9), (12, 24), (23.5, 30)])
def test_attacks_are_known_without_making_an_event(begin: float, hours: float) -> None:
    company = {"users": 3, "attackers": tuple(KINDS), "activity": 0.3}
    start = WEDNESDAY + timedelta(hours=begin)
    made = generate_security_day(8, start, hours, **company)
    assert attacks_within(8, start, start + timedelta(hours=hours), **company) == made.truth


def test_a_company_can_be_made_as_busy_as_wanted() -> None:
    company = {"users": 20, "attackers": ("brute_force", "night_owl")}
    activity = activity_for(0.5, 4, **company)
    day = generate_security_day(4, WEDNESDAY + timedelta(days=7), 24, **company, activity=activity)
    assert len(day.events) / 86_400 == pytest.approx(0.5, rel=0.15)


def test_nobody_cannot_be_made_busier() -> None:
    with pytest.raises(ValueError, match="no events at any rate"):
        activity_for(1.0, 4, users=0, attackers=())
