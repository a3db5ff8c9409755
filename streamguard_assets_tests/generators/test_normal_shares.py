"""Normal users keep to every share that their behaviour and the population promise."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cache
from typing import Any

import numpy as np
import pytest

from streamguard_assets.contracts.security import EVENT_TYPES
from streamguard_assets.generators import places
from streamguard_assets.generators.accounts import stream_of_chance
from streamguard_assets.generators.behaviour import LOCATION_UNKNOWN_SHARE, STAY_MS, Behaviour, Origin, Threat, perform
from streamguard_assets.generators.habits import ROLE_SHARES, normal_users
from streamguard_assets_tests.generators.chi_square import LEAST_P, counted, p_value

EVENTS = 40_000
WEDNESDAY = date(2026, 1, 28)
TYPE_WEIGHTS = (0.10, 0.34, 0.20, 0.10, 0.26)
ORIGINS = (
    Origin("10.10.1.1", "DE-Berlin", 0.6),
    Origin("100.64.0.1", "DE-Berlin", 0.3),
    Origin("100.64.0.2", "x", 0.1),
)
MANNERS = Behaviour(
    origins=ORIGINS,
    type_weights=TYPE_WEIGHTS,
    destinations=places.INTERNAL_HOSTS,
    threat=Threat(0.1, alarms=0.05),
    failed_auth_share=0.07,
    blocked_share=0.02,
    agents=places.AGENTS,
)


@cache
def events() -> list[dict[str, Any]]:
    times = np.arange(EVENTS, dtype=np.int64) * 1_000
    rng = stream_of_chance(4, "shares")
    return [fields for _, fields in perform(rng, MANNERS, times, 0, EVENTS * 1_000)]


@cache
def population() -> list[tuple[str, Behaviour]]:
    """2,000 users by name, with what each does on a day."""
    return [
        (account.user, account.episodes(stream_of_chance(1, "plan", account.user), WEDNESDAY)[0].behaviour)
        for account in normal_users(seed=21, count=2_000, activity=0.02)
    ]


def assert_fits(observed: Mapping[Any, int], weights: Mapping[Any, float]) -> None:
    assert p_value(observed, weights) > LEAST_P, f"{observed} do not fit {weights}"


def test_types_of_events() -> None:
    assert_fits(counted(e["event_type"] for e in events()), dict(zip(EVENT_TYPES, TYPE_WEIGHTS, strict=True)))


def test_outcomes_of_authentications() -> None:
    logins = [e for e in events() if e["event_type"] == "auth_attempt"]
    assert_fits(counted(e["status"] for e in logins), {"failed": 0.07, "pending": 0.005, "success": 0.925})


def test_outcomes_of_all_else() -> None:
    others = [e for e in events() if e["event_type"] != "auth_attempt"]
    assert_fits(counted(e["status"] for e in others), {"blocked": 0.02, "pending": 0.005, "success": 0.975})


def test_places_of_the_stays() -> None:
    times = np.arange(3_000, dtype=np.int64) * STAY_MS
    drawn = perform(stream_of_chance(9, "stays"), MANNERS, times, 0, int(times[-1]) + 1)
    assert_fits(counted(fields["source_ip"] for _, fields in drawn), {o.address: o.weight for o in ORIGINS})


def test_unknown_locations() -> None:
    known = counted("geo_location" in e["metadata"] for e in events())
    assert_fits(known, {True: 1 - LOCATION_UNKNOWN_SHARE, False: LOCATION_UNKNOWN_SHARE})


def test_destinations_are_equally_likely() -> None:
    assert_fits(counted(e["destination_ip"] for e in events()), dict.fromkeys(places.INTERNAL_HOSTS, 1.0))


@pytest.mark.parametrize(
    ("kind", "detail", "options"),
    [
        ("auth_attempt", "user_agent", places.AGENTS),
        ("file_access", "file_path", places.FILES),
        ("process_execution", "process_name", places.PROGRAMS),
        ("dns_query", "domain", places.DOMAINS),
    ],
)
def test_details_are_equally_likely(kind: str, detail: str, options: tuple[str, ...]) -> None:
    chosen = counted(e["metadata"][detail] for e in events() if e["event_type"] == kind)
    assert_fits(chosen, dict.fromkeys(options, 1.0))


def test_nine_of_ten_connections_are_encrypted() -> None:
    ports = counted(e["metadata"]["port"] for e in events() if e["event_type"] == "network_connection")
    assert_fits(ports, {443: 0.9, 80: 0.1})


def test_alarms_among_the_scores() -> None:
    alarms = counted(e["threat_score"] >= 0.7 for e in events())
    assert_fits(alarms, {True: 0.05, False: 0.95})


def test_offices_by_their_staff() -> None:
    people = [manners for user, manners in population() if not user.startswith("svc-")]
    offices = {office.location: office.staff_share for office in places.OFFICES}
    assert_fits(counted(manners.origins[0].location for manners in people), offices)


def test_the_share_of_services_is_dealt_out_exactly() -> None:
    services = sum(user.startswith("svc-") for user, _ in population())
    assert services == round(ROLE_SHARES["service"] * 2_000)


def test_a_wrong_share_is_caught() -> None:
    wrong = dict(zip(EVENT_TYPES, (0.12, 0.32, 0.20, 0.10, 0.26), strict=True))
    assert p_value(counted(e["event_type"] for e in events()), wrong) < 1e-9
