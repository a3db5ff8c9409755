"""Waiting for a lake that does not take a commit: a full disk, a lost permission, a store that is away."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from deltalake.exceptions import DeltaError
from polars.exceptions import PolarsError

from streamguard_assets.lake.errors import CommitContention
from streamguard_assets.streaming.control import Control
from streamguard_assets.streaming.errors import StoreFault
from streamguard_assets.streaming.progress import Phase, Progress

Result = TypeVar("Result")

FAULTS = (OSError, DeltaError, PolarsError, CommitContention)
"""What a store raises that may be mended while we wait."""

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0


class StorePatience:
    """Tries an action until it works, telling why it waits. Pauses grow, with jitter drawn from ``seed``."""

    def __init__(self, control: Control, progress: Progress, patience_s: float, seed: str) -> None:
        self._control = control
        self._progress = progress
        self._patience_s = patience_s
        self._jitter = random.Random(seed)
        self.is_waiting = False

    def until_done(self, action: Callable[[], Result]) -> Result:
        """The result of ``action``. ``StoreFault`` when it failed for too long, or a stop came while it failed."""
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
            except FAULTS as fault:
                waited_s = time.monotonic() - since
                reason = f"{type(fault).__name__}: {fault}"
                if self._control.stopping or waited_s > self._patience_s:
                    raise StoreFault(waited_s, reason) from fault
            self.is_waiting = True
            self._progress.turn(Phase.WAITING_FOR_LAKE, reason)
            self._control.wait(pause_s * self._jitter.uniform(0.5, 1.0))
            pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)
