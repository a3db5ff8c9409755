"""One process that should run, and is started again when it ends by itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from streamguard_assets.processes.owned import OwnedProcess, ProcessError

MAX_RESTARTS = 6
RESTARTS_WITHIN_S = 600.0
"""A service that ends more often than so has a reason that another start does not mend."""
FIRST_WAIT_S = 1.0


class Service:
    """``launch`` starts the process; ``process`` is the newest. ``ProcessError`` when the first start fails.

    ``is_broken`` tells of a process that is there and cannot do its work any more; it is ended and started again.
    """

    def __init__(
        self,
        name: str,
        launch: Callable[[], OwnedProcess],
        is_broken: Callable[[OwnedProcess], bool] = lambda process: False,
    ) -> None:
        self.name = name
        self._launch = launch
        self._is_broken = is_broken
        self.process = launch()
        self._ends: deque[float] = deque()
        self._due_s: float | None = None

    def look_after(self, now_s: float) -> Iterator[str]:
        """Start the process again if it has ended and its wait is over; yields what a person should be told.

        The wait is doubled with each end of the last minutes. It does not wait for the process to be ready: those who
        need it look for it by themselves, and its next end is seen as this one.

        Raises:
            ProcessError: it ended too often; names its log.
        """
        if self._due_s is None:
            yield from self._note_end(now_s)
        if self._due_s is not None and now_s >= self._due_s:
            self._due_s = None
            # What its guard could not end, if the guard was killed too: a run of the old one beside the new one's.
            self.process.stop()
            self.process = self._launch()
            yield f"{self.name} is started again"

    def stop(self) -> None:
        """End the process for good."""
        self.process.stop()

    def _note_end(self, now_s: float) -> Iterator[str]:
        if (code := self.process.poll()) is not None:
            ended = f"{self.name} ended by itself with code {code}"
        elif self._is_broken(self.process):
            ended = f"{self.name} lost a process that it cannot do without"
        else:
            return
        self._ends.append(now_s)
        while self._ends[0] < now_s - RESTARTS_WITHIN_S:
            self._ends.popleft()
        ended = f"{ended}; see {self.process.log_file}"
        if len(self._ends) > MAX_RESTARTS:
            raise ProcessError(f"{ended} ({len(self._ends)} times within {RESTARTS_WITHIN_S / 60:g} minutes)")
        wait_s = FIRST_WAIT_S * 2 ** (len(self._ends) - 1)
        self._due_s = now_s + wait_s
        yield f"{ended}; it is started again in {wait_s:g} s"
