"""How a running stream is told to stop, to pause and to go on, from any thread."""

from __future__ import annotations

import threading


class Control:
    """The wish of whoever runs the stream. A stop is for good; the first reason counts."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._reason: str | None = None
        self._paused = False

    def stop(self, reason: str) -> None:
        """Finish the micro-batch in hand, commit it, and leave."""
        with self._changed:
            if self._reason is None:
                self._reason = reason
            self._changed.notify_all()

    def pause(self) -> None:
        """Read nothing more until ``resume``; what was read is committed."""
        self._set_paused(True)

    def resume(self) -> None:
        """Read on after a pause."""
        self._set_paused(False)

    @property
    def stopping(self) -> bool:
        return self._reason is not None

    @property
    def reason(self) -> str:
        """Why it is to stop; empty while it is not."""
        return self._reason or ""

    @property
    def paused(self) -> bool:
        return self._paused

    def wait(self, timeout_s: float) -> bool:
        """Wait until it is to stop, at most so long; True when it is. A wait of the loop must never outlast a stop."""
        with self._changed:
            return self._changed.wait_for(lambda: self.stopping, timeout_s)

    def wait_while_paused(self, timeout_s: float) -> bool:
        """Wait until it is to go on or to stop, at most so long; True when it still has to wait."""
        with self._changed:
            return not self._changed.wait_for(lambda: self.stopping or not self._paused, timeout_s)

    def _set_paused(self, paused: bool) -> None:
        with self._changed:
            self._paused = paused
            self._changed.notify_all()
