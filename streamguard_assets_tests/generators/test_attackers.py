"""Each kind of attacker leaves the marks of its attack in the events of its account."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from itertools import pairwise
from statistics import median
from typing import Any

import pytest

from streamguard_assets.generators import places
from streamguard_assets.generators.security import generate_security_day
from streamguard_assets_tests.generators.events import decoded, share

WEDNESDAY = datetime(2026, 1, 28, tzinfo=UTC)
SEEDS = (1, 2, 3)


@cache
def attack(kind: str, seed: int) -> list[dict[str, Any]]:
    """A day of one attacker of ``kind``, by time."""
    return decoded(generate_security_day(seed, WEDNESDAY, users=0, attackers=(kind,)).events)


def gaps_s(events: list[dict[str, Any]]) -> list[float]:
    times = [e["timestamp"] for e in events]
    return [(b - a) / 1000 for a, b in pairwise(times)]


def hour(event: dict[str, Any]) -> int:
    return datetime.fromtimestamp(event["timestamp"] / 1000, UTC).hour


def locations(events: list[dict[str, Any]]) -> set[str]:
    return {e["metadata"]["geo_location"] for e in events if "geo_location" in e["metadata"]}


@pytest.mark.parametrize("seed", SEEDS)
def test_brute_force_hammers_few_hosts_from_few_addresses_and_fails(seed: int) -> None:
    events = attack("brute_force", seed)
    assert share(events, "event_type", "auth_attempt") > 0.9
    assert share(events, "status", "failed") > 0.9
    assert median(gaps_s(events)) < 1
    assert len({e["source_ip"] for e in events}) <= 10
    assert len({e["destination_ip"] for e in events}) <= 5


@pytest.mark.parametrize("seed", SEEDS)
def test_a_spray_tries_every_host_slowly_from_ever_new_addresses(seed: int) -> None:
    events = attack("password_spray", seed)
    assert share(events, "status", "failed") > 0.85
    assert median(gaps_s(events)) > 1
    assert len({e["source_ip"] for e in events}) > 0.8 * len(events)
    assert len({e["destination_ip"] for e in events}) > 80


@pytest.mark.parametrize("seed", SEEDS)
def test_stuffing_is_fast_from_many_addresses_and_now_and_then_succeeds(seed: int) -> None:
    events = attack("credential_stuffing", seed)
    assert median(gaps_s(events)) < 1
    assert len({e["source_ip"] for e in events}) > 0.6 * len(events)
    assert 0.01 < share(events, "status", "success") < 0.12


@pytest.mark.parametrize("seed", SEEDS)
def test_exfiltration_moves_much_to_unknown_hosts_at_odd_hours(seed: int) -> None:
    events = attack("exfiltration", seed)
    transfers = [e for e in events if e["event_type"] == "network_connection"]
    assert sum(e["metadata"]["bytes_transferred"] for e in transfers) > 100e9
    assert {e["destination_ip"] for e in events}.isdisjoint(places.INTERNAL_HOSTS + places.EXTERNAL_HOSTS)
    assert all(hour(e) < 6 or hour(e) >= 20 for e in events)
    assert median(e["threat_score"] for e in events) > 0.4
    assert share(events, "status", "success") > 0.8


@pytest.mark.parametrize("seed", SEEDS)
def test_the_night_owl_has_an_ordinary_day_and_a_strange_night(seed: int) -> None:
    events = attack("night_owl", seed)
    night = [e for e in events if not locations([e]).isdisjoint(places.HOSTILE_LOCATIONS)]
    day = [e for e in events if not locations([e]).isdisjoint(office.location for office in places.OFFICES)]
    assert len(day) >= 10
    assert sum(e["threat_score"] < 0.5 for e in day) > 0.9 * len(day)
    assert {hour(e) for e in night} <= {2, 3}
    assert share(night, "event_type", "process_execution", "file_access", "auth_attempt") > 0.85
    assert len(night) > 3 * len(day)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_impossible_traveller_is_in_two_places_within_minutes(seed: int) -> None:
    events = [e for e in attack("impossible_travel", seed) if "geo_location" in e["metadata"]]
    hops = [
        (b["timestamp"] - a["timestamp"]) / 60_000
        for a, b in pairwise(events)
        if (a["metadata"]["geo_location"] in places.HOSTILE_LOCATIONS)
        != (b["metadata"]["geo_location"] in places.HOSTILE_LOCATIONS)
    ]
    assert len(hops) >= 2
    assert min(hops) < 60
