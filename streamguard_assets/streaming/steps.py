"""The named steps of a micro-batch: where a process may end, and what must hold when it does."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum


class Step(StrEnum):
    """Points that the loop passes, in this order, for each micro-batch."""

    BEFORE_READ = "before_read"
    """The batch before is done with; nothing of this one has been taken."""
    AFTER_READ = "after_read"
    """Its records have their verdicts, in memory only."""
    AFTER_WRITE = "after_write"
    """Its files are written and no commit names them."""
    AFTER_QUARANTINE = "after_quarantine"
    """Rejected rows are committed, accepted ones are not: between two live tables."""
    AFTER_COMMIT = "after_commit"
    """``live/events`` is committed, and nobody has been told."""
    AFTER_DASHBOARD = "after_dashboard"
    """``live/dashboard`` has taken the rows too, if its time had come."""
    AFTER_REPORT = "after_report"
    """The progress tells of it."""


OnStep = Callable[[Step], None]


def nothing(step: Step) -> None:
    """What is done at each step when nobody asks."""
