"""The harness is worth something only if it finds what is wrong, and nothing where all is right."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from streamguard_assets.chaos.findings import Promise, PromiseBroken
from streamguard_assets.chaos.harness import Harness
from streamguard_assets.chaos.rounds import Blow, Round
from streamguard_assets.chaos.victims import Program
from streamguard_assets.streaming.steps import Step
from streamguard_assets_tests.chaos.conftest import RoomFactory

pytestmark = [pytest.mark.broker, pytest.mark.fault, pytest.mark.timeout(900)]

ALONE = Round(9, Blow.KILL_RUNNING)
FROZEN = Round(1, Blow.FREEZE)


def killed_at(step: Step) -> Round:
    return Round(1, Blow.KILL_AT_STEP, step, passes=2)


def dealt(make_room: RoomFactory, sink: str, rounds: Sequence[Round]) -> set[Promise]:
    """The promises that ``sink`` breaks under the blows of ``rounds``."""
    program = Program("streamguard_assets.chaos.faulty_sinks", (sink,))
    with Harness(make_room(), program, seed=1) as harness:
        try:
            harness.run(rounds)
            harness.settle()
        except PromiseBroken as broken:
            return {finding.promise for finding in broken.findings}
    return set()


def test_a_right_sink_passes(make_room: RoomFactory) -> None:
    blows = [killed_at(step) for step in (Step.AFTER_WRITE, Step.AFTER_QUARANTINE, Step.AFTER_COMMIT)]

    assert dealt(make_room, "right", [*blows, FROZEN]) == set()


def test_offsets_that_are_committed_before_the_rows_lose_them(make_room: RoomFactory) -> None:
    found = dealt(make_room, "offsets_first", [killed_at(Step.AFTER_WRITE), ALONE])

    assert {Promise.LOST, Promise.RANGES} <= found


def test_rows_that_are_committed_before_their_offsets_are_doubled(make_room: RoomFactory) -> None:
    found = dealt(make_room, "rows_first", [killed_at(Step.AFTER_COMMIT), ALONE])

    assert {Promise.DOUBLED, Promise.RANGES} <= found


def test_a_sink_without_a_fence_writes_on_beside_its_heir(make_room: RoomFactory) -> None:
    assert Promise.EPOCH in dealt(make_room, "fenceless", [FROZEN])


def test_a_sink_that_reads_uncommitted_records_holds_aborted_ones(make_room: RoomFactory) -> None:
    # Without a blow: settling reads the whole topic, and aborted transactions were waited for before. After a first
    # commit at a random moment the records of an open transaction could be all that there is to find.
    assert Promise.ABORTED in dealt(make_room, "uncommitted", [])
