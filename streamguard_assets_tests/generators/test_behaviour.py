"""Whatever the behaviour, events are well-formed; and the behaviour shows in them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamguard_assets.contracts.security import EVENT_TYPES
from streamguard_assets.generators import places
from streamguard_assets.generators.behaviour import STAY_MS, Behaviour, Origin, Threat, perform
from streamguard_assets_tests.generators.events import share

DESK = Origin("10.10.1.1", "DE-Berlin")
EVERY_TYPE = (0.2, 0.2, 0.2, 0.2, 0.2)


def behaviour(**changes: Any) -> Behaviour:
    return Behaviour(
        **{
            "origins": (DESK,),
            "type_weights": EVERY_TYPE,
            "destinations": ("10.0.1.10",),
            "threat": Threat(0.1),
            **changes,
        }
    )


def events(manners: Behaviour, count: int = 4_000, seed: int = 0) -> list[dict[str, Any]]:
    times = np.arange(count, dtype=np.int64) * 1_000
    return [fields for _, fields in perform(np.random.default_rng(seed), manners, times, 0, count * 1_000)]


@given(
    times=st.lists(st.integers(0, 10**7), max_size=60).map(sorted),
    begin=st.integers(0, 10**7),
    end=st.integers(0, 10**7),
    seed=st.integers(0, 2**32),
    stray=st.floats(0, 1),
)
def test_a_part_of_the_moments_gives_a_part_of_the_same_events(
    times: list[int], begin: int, end: int, seed: int, stray: float
) -> None:
    manners = behaviour(stray_share=stray)
    moments = np.asarray(times, dtype=np.int64)
    whole = list(perform(np.random.default_rng(seed), manners, moments, 0, 10**7 + 1))
    part = list(perform(np.random.default_rng(seed), manners, moments, begin, end))
    assert len(whole) == len(times)
    assert part == [(i, fields) for i, fields in whole if begin <= fields["timestamp"] < end]


@given(mean=st.floats(0.001, 0.999), alarms=st.floats(0, 1), seed=st.integers(0, 2**32))
def test_threat_scores_stay_between_0_and_1(mean: float, alarms: float, seed: int) -> None:
    scores = [e["threat_score"] for e in events(behaviour(threat=Threat(mean, alarms=alarms)), count=200, seed=seed)]
    assert all(0 <= score <= 1 for score in scores)


def test_alarms_raise_that_share_of_the_scores_over_the_high_risk_line() -> None:
    drawn = events(behaviour(threat=Threat(0.05, alarms=0.25)))
    assert sum(e["threat_score"] >= 0.7 for e in drawn) / len(drawn) == pytest.approx(0.25, abs=0.03)


def test_types_come_by_their_weights() -> None:
    kinds = Counter(e["event_type"] for e in events(behaviour(type_weights=(0.5, 0.3, 0.2, 0.0, 0.0))))
    assert set(kinds) == set(EVENT_TYPES[:3])
    assert kinds["auth_attempt"] / kinds.total() == pytest.approx(0.5, abs=0.03)


def test_authentications_fail_and_all_else_is_blocked() -> None:
    drawn = events(behaviour(failed_auth_share=0.4, blocked_share=0.1))
    logins = [e for e in drawn if e["event_type"] == "auth_attempt"]
    others = [e for e in drawn if e["event_type"] != "auth_attempt"]
    assert share(logins, "status", "failed") == pytest.approx(0.4, abs=0.06)
    assert share(others, "status", "blocked") == pytest.approx(0.1, abs=0.03)
    assert share(logins, "status", "blocked") == share(others, "status", "failed") == 0


def test_an_account_keeps_its_address_for_a_while() -> None:
    homes = tuple(Origin(f"100.64.0.{i}", "DE-Berlin") for i in range(50))
    by_stay: dict[int, set[str]] = {}
    for event in events(behaviour(origins=homes), count=6_000):
        by_stay.setdefault(event["timestamp"] // STAY_MS, set()).add(event["source_ip"])
    assert all(len(addresses) == 1 for addresses in by_stay.values())
    assert len(set.union(*by_stay.values())) > 1


def test_strays_come_from_addresses_of_their_own_elsewhere() -> None:
    drawn = events(behaviour(stray_share=0.2, stray_locations=("tor-exit",)), count=2_000)
    strays = [e for e in drawn if e["source_ip"] != DESK.address]
    assert len(strays) / len(drawn) == pytest.approx(0.2, abs=0.04)
    assert len({e["source_ip"] for e in strays}) > 0.99 * len(strays)
    assert {e["metadata"].get("geo_location") for e in strays} == {"tor-exit", None}


def test_some_locations_are_unknown() -> None:
    drawn = events(behaviour())
    assert 0 < sum("geo_location" not in e["metadata"] for e in drawn) < 0.03 * len(drawn)


def test_details_suit_the_type() -> None:
    for event in events(behaviour(), count=500):
        fields = set(event["metadata"]) - {"geo_location"}
        assert (
            fields
            == {
                "auth_attempt": {"user_agent", "port", "protocol"},
                "network_connection": {"user_agent", "port", "protocol", "domain", "bytes_transferred"},
                "file_access": {"file_path", "bytes_transferred"},
                "process_execution": {"process_name"},
                "dns_query": {"port", "protocol", "domain"},
            }[event["event_type"]]
        )


def test_no_address_belongs_to_anyone_on_the_public_internet() -> None:
    rng = np.random.default_rng(0)
    reserved = ("10.", "100.", "198.18.", "198.19.", "192.0.2.", "203.0.113.")
    office = [places.office_address(rng, o) for o in places.OFFICES]
    shared = [places.home_address(rng) for _ in range(500)] + places.mobile_addresses(rng, 500)
    hostile = places.hostile_addresses(rng, 500) + list(places.drop_hosts(rng, 50))
    known = [*places.INTERNAL_HOSTS, *places.EXTERNAL_HOSTS]
    assert all(address.startswith(reserved) for address in office + shared + hostile + known)
    assert all(64 <= int(address.split(".")[1]) < 128 for address in shared)
