"""Blows on the services stay below what ``streamguard up`` takes for a service that is beyond repair."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count, islice

import pytest

from streamguard_assets.chaos.rounds import SERVICE_BLOWS, Blow, Round, schedule
from streamguard_assets.chaos.services import MOST_KILLS, WITHIN_S, spared
from streamguard_assets.orchestration.service import MAX_RESTARTS, RESTARTS_WITHIN_S

ENDS_CODE_SERVER = (Blow.KILL_CODE_SERVER, Blow.REBOOT)


def clock(step_s: float) -> Callable[[], float]:
    """A clock that goes ``step_s`` further with each look."""
    times = count()
    return lambda: next(times) * step_s


def test_the_bounds_are_those_of_the_services() -> None:
    assert MOST_KILLS < MAX_RESTARTS
    assert WITHIN_S >= RESTARTS_WITHIN_S


def test_each_service_is_killed_only_so_often_in_the_time() -> None:
    blows = [blow.blow for blow in islice(spared(schedule(1, SERVICE_BLOWS, steps=()), clock(0.0)), 200)]

    assert sum(blow in ENDS_CODE_SERVER for blow in blows) == MOST_KILLS
    assert blows.count(Blow.KILL_DAEMON) == MOST_KILLS


def test_a_kill_too_many_becomes_one_of_the_run() -> None:
    rounds = [Round(number, Blow.KILL_DAEMON) for number in range(MOST_KILLS + 1)]

    assert list(spared(rounds, clock(0.0))) == [*rounds[:-1], Round(MOST_KILLS, Blow.KILL_RUN)]


def test_kills_that_are_long_past_count_no_more() -> None:
    rounds = [Round(number, Blow.KILL_DAEMON) for number in range(20)]

    assert list(spared(rounds, clock(WITHIN_S / MOST_KILLS + 1))) == rounds


@pytest.mark.parametrize("blow", sorted(set(SERVICE_BLOWS) - {Blow.KILL_DAEMON, *ENDS_CODE_SERVER}))
def test_blows_that_end_no_service_are_not_bounded(blow: Blow) -> None:
    rounds = [Round(number, blow) for number in range(5 * MOST_KILLS)]

    assert list(spared(rounds, clock(0.0))) == rounds
