"""The stream, killed over and over: at each step, at any moment, frozen, with rivals, and without its broker."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from streamguard_assets.chaos.derived import dashboard_findings, window_findings
from streamguard_assets.chaos.harness import Harness
from streamguard_assets.chaos.rounds import Blow, schedule
from streamguard_assets.chaos.victims import Program
from streamguard_assets.streaming.steps import Step
from streamguard_assets_tests.chaos.conftest import RoomFactory

pytestmark = [pytest.mark.broker, pytest.mark.fault, pytest.mark.timeout(1_200)]

MATRIX: Sequence[Blow] = (
    *[Blow.KILL_RUNNING] * 6,
    *[Blow.KILL_STARTING] * 3,
    *(Blow.FREEZE, Blow.RIVALS, Blow.KILL_BROKER, Blow.FREEZE_BROKER, Blow.KILL_BOTH),
)
LEAST_KILLS = 20


def test_after_every_kill_each_committed_event_is_there_once(make_room: RoomFactory) -> None:
    room = make_room()
    rounds = [next(blows) for blows in [schedule(seed=20, cycle=MATRIX)] for _ in range(len(MATRIX) + len(Step))]

    with Harness(room, Program(), seed=20) as harness:
        harness.run(rounds, verify_every=6)
        settled = harness.settle()

        assert settled.records > 0
        assert list(dashboard_findings(room.stream)) == []
        assert list(window_findings(room.stream)) == []
        kills = harness.account.kills
    assert harness.account.total_kills >= LEAST_KILLS
    assert {f"{Blow.KILL_AT_STEP}: {step}" for step in Step} <= set(kills)
    assert set(MATRIX) <= set(kills)
