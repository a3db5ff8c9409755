"""Waiting for what is away and may come back: a cluster, or a lake that does not take a commit."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from streamguard_assets.kafka.broker.errors import BrokerError
from streamguard_assets.kafka.errors import KafkaUnavailable
from streamguard_assets.lake.errors import CommitContention
from streamguard_assets.streaming.control import Control
from streamguard_assets.streaming.errors import STORE_FAULTS, StoreFault
from streamguard_assets.streaming.progress import Phase, Progress

Result = TypeVar("Result")

FIRST_PAUSE_S = 0.5


@dataclass(frozen=True)
class Awaited:
    """``phase`` tells that it is waited for, ``faults`` are what it raises that may be mended while we wait.

    ``reason`` is what people read of a fault; ``given_up`` makes what is raised in the end, from how long it was waited
    for, in seconds, and the last fault.
    """

    phase: Phase
    faults: tuple[type[Exception], ...]
    longest_pause_s: float
    reason: Callable[[Exception], str]
    given_up: Callable[[float, Exception], Exception]


def _named(fault: Exception) -> str:
    """With its kind: what a library or the system says of itself is often half a sentence."""
    return f"{type(fault).__name__}: {fault}"


CLUSTER = Awaited(Phase.WAITING_FOR_KAFKA, (KafkaUnavailable, BrokerError), 5.0, str, lambda _, fault: fault)
"""Short pauses: the client library finds out by itself when the cluster is back."""

LAKE = Awaited(
    Phase.WAITING_FOR_LAKE,
    (*STORE_FAULTS, CommitContention),
    30.0,
    _named,
    lambda waited_s, fault: StoreFault(waited_s, _named(fault)),
)
"""A full disk, a lost permission, a store that is away."""


def first_of(begun: Callable[[], Result], again: Callable[[], Result]) -> Callable[[], Result]:
    """An action for ``until_done`` that is under way: the first try is what was ``begun``, each later one ``again``."""
    ahead = [begun]
    return lambda: (ahead.pop() if ahead else again)()


class Patience:
    """Tries an action until it works, telling why it waits. Pauses grow, with jitter drawn from ``seed``."""

    def __init__(self, awaited: Awaited, control: Control, progress: Progress, patience_s: float, seed: str) -> None:
        self._awaited = awaited
        self._control = control
        self._progress = progress
        self._patience_s = patience_s
        self._jitter = random.Random(seed)
        self.is_waiting = False

    def until_done(self, action: Callable[[], Result]) -> Result:
        """The result of ``action``. Gives up when it failed for too long, or a stop came while it failed."""
        try:
            return self._until_done(action)
        finally:
            self.is_waiting = False

    def _until_done(self, action: Callable[[], Result]) -> Result:
        since = time.monotonic()
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                return action()
            except self._awaited.faults as fault:
                waited_s = time.monotonic() - since
                if self._control.stopping or waited_s > self._patience_s:
                    given_up = self._awaited.given_up(waited_s, fault)
                    if given_up is fault:
                        raise
                    raise given_up from fault
                reason = self._awaited.reason(fault)
            self.is_waiting = True
            self._progress.turn(self._awaited.phase, reason)
            self._control.wait(pause_s * self._jitter.uniform(0.5, 1.0))
            pause_s = min(self._awaited.longest_pause_s, 2 * pause_s)
