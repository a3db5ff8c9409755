"""Which blow is dealt in which round: drawn from a seed, so that a run can be repeated."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from streamguard_assets.streaming.steps import Step

LONGEST_DELAY_S = 1.5
"""Random moments lie within so long after the stream's first commit; a micro-batch is done several times in it."""
MOST_PASSES = 4


class Blow(StrEnum):
    """What is done to the stream, or around it."""

    KILL_AT_STEP = "stream killed at a step"
    KILL_STARTING = "stream killed while it starts"
    KILL_RUNNING = "stream killed at a random moment"
    KILL_BROKER = "broker killed"
    KILL_BOTH = "broker and stream killed"
    FREEZE = "stream frozen, and another started"
    FREEZE_BROKER = "broker frozen"
    RIVALS = "two streams started at once"
    KILL_DAEMON = "Dagster daemon killed"
    KILL_CODE_SERVER = "code server killed"
    KILL_RUN = "run of the stream killed"
    REBOOT = "code server and run killed together"
    FREEZE_DAEMON = "Dagster daemon frozen"
    FREEZE_CODE_SERVER = "code server frozen"
    FREEZE_RUN = "run of the stream frozen for good"


SERVICE_BLOWS = (
    Blow.KILL_DAEMON,
    Blow.KILL_CODE_SERVER,
    Blow.KILL_RUN,
    Blow.REBOOT,
    Blow.FREEZE_DAEMON,
    Blow.FREEZE_CODE_SERVER,
    Blow.FREEZE_RUN,
)
"""Those that need the Dagster services."""

CYCLE: tuple[Blow, ...] = (
    *[Blow.KILL_RUNNING] * 6,
    *[Blow.KILL_STARTING] * 3,
    Blow.FREEZE,
    Blow.RIVALS,
    Blow.KILL_BROKER,
    Blow.FREEZE_BROKER,
    Blow.KILL_BOTH,
)
"""The blows of one cycle beside a kill at each step. A broker needs seconds to come back, a stream about one."""


@dataclass(frozen=True)
class Round:
    """One blow. ``step`` and ``passes`` are of a kill at a step; ``delay_s`` is how long to wait before it falls."""

    number: int
    blow: Blow
    step: Step | None = None
    passes: int = 1
    delay_s: float = 0.0

    def __str__(self) -> str:
        where = f" ({self.step}, pass {self.passes})" if self.step is not None else ""
        return f"round {self.number}: {self.blow}{where}"


def schedule(seed: int, cycle: Sequence[Blow] = CYCLE, steps: Sequence[Step] = tuple(Step)) -> Iterator[Round]:
    """Rounds without end: cycles that each hold every step once and every blow of ``cycle``, in a drawn order."""
    chance, number = random.Random(seed), 0
    while True:
        drawn: list[tuple[Blow, Step | None]] = [(Blow.KILL_AT_STEP, step) for step in steps]
        drawn += [(blow, None) for blow in cycle]
        chance.shuffle(drawn)
        for blow, step in drawn:
            number += 1
            passes = chance.randint(1, MOST_PASSES)
            yield Round(number, blow, step, passes if step else 1, chance.uniform(0, LONGEST_DELAY_S))
