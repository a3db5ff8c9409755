"""Normal users have habits: hours by time zone, quiet weekends, known places; services never sleep."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime
from statistics import median
from typing import Any

import pytest

from streamguard_assets.generators.habits import ROLE_SHARES, normal_users
from streamguard_assets.generators.security import generate_security_day
from streamguard_assets_tests.generators.events import decoded, share

WEDNESDAY = datetime(2026, 1, 28, tzinfo=UTC)
SATURDAY = datetime(2026, 1, 31, tzinfo=UTC)


def by_user(start: datetime, users: int = 60, seed: int = 11) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in decoded(generate_security_day(seed, start, users=users, attackers=()).events):
        found[event["user"]].append(event)
    return found


def hours_of(events: list[dict[str, Any]]) -> Counter[int]:
    return Counter(datetime.fromtimestamp(e["timestamp"] / 1000, UTC).hour for e in events)


@pytest.fixture(scope="module")
def working_day() -> dict[str, list[dict[str, Any]]]:
    return by_user(WEDNESDAY)


@pytest.fixture(scope="module")
def people(working_day: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    return {user: events for user, events in working_day.items() if not user.startswith("svc-")}


@pytest.fixture(scope="module")
def services(working_day: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    return {user: events for user, events in working_day.items() if user.startswith("svc-")}


@pytest.mark.parametrize("count", [10, 60, 500])
def test_every_size_of_company_has_its_share_of_services(count: int) -> None:
    names = [account.user for account in normal_users(1, count, 1.0)]
    assert len(set(names)) == count
    expected = pytest.approx(ROLE_SHARES["service"] * count, abs=1)
    assert sum(name.startswith("svc-") for name in names) == expected


def test_everybody_shows_up_on_a_working_day(working_day: dict[str, list[dict[str, Any]]]) -> None:
    assert len(working_day) == 60


def test_people_sleep_and_services_do_not(
    people: dict[str, list[dict[str, Any]]], services: dict[str, list[dict[str, Any]]]
) -> None:
    assert all(len(hours_of(events)) <= 21 for events in people.values())
    assert median(len(hours_of(events)) for events in people.values()) <= 16
    assert all(len(hours_of(events)) == 24 for events in services.values())


def test_time_zones_spread_work_over_the_day_and_overlap_in_the_afternoon(
    people: dict[str, list[dict[str, Any]]],
) -> None:
    awake = Counter(hour for events in people.values() for hour, n in hours_of(events).items() if n >= 5)
    assert all(awake[hour] >= 2 for hour in range(24))
    assert awake[14] >= 0.6 * len(people)
    assert awake[3] <= 0.3 * len(people)


def test_services_are_busier_than_people_and_keep_to_one_address(
    people: dict[str, list[dict[str, Any]]], services: dict[str, list[dict[str, Any]]]
) -> None:
    assert median(map(len, services.values())) > 2 * median(map(len, people.values()))
    assert all(len({e["source_ip"] for e in events}) == 1 for events in services.values())


def test_people_use_a_few_addresses_and_some_a_rare_one(people: dict[str, list[dict[str, Any]]]) -> None:
    counts = {user: Counter(e["source_ip"] for e in events) for user, events in people.items()}
    assert median(len(addresses) for addresses in counts.values()) in (2, 3, 4)
    once = sum(any(n == 1 for n in addresses.values()) for addresses in counts.values())
    assert 5 <= once <= 0.8 * len(people)


def test_people_fail_now_and_then_and_look_harmless_mostly(people: dict[str, list[dict[str, Any]]]) -> None:
    everything = [event for events in people.values() for event in events]
    logins = [e for e in everything if e["event_type"] == "auth_attempt"]
    assert 0.02 < share(logins, "status", "failed") < 0.15
    assert median(e["threat_score"] for e in everything) < 0.2
    assert 0 < sum(e["threat_score"] >= 0.7 for e in everything) < 0.01 * len(everything)


def test_saturdays_are_quiet_but_not_empty() -> None:
    working, free = by_user(WEDNESDAY), by_user(SATURDAY)
    people = [user for user in working if not user.startswith("svc-")]
    ratio = sum(len(free.get(u, [])) for u in people) / sum(len(working[u]) for u in people)
    assert 0.2 < ratio < 0.75
    assert all(free.get(u) for u in people)


def test_some_people_work_on_saturday() -> None:
    working, free = by_user(WEDNESDAY), by_user(SATURDAY)
    assert sum(len(free[u]) > 0.8 * len(working[u]) for u in working if not u.startswith("svc-")) >= 2
