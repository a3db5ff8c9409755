"""What one turn of care did to one table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

Progress = Callable[[int, int], None]
"""Called with (steps done, steps in all) while a table is cared for."""


def unwatched(done: int, total: int) -> None:
    """Nobody watches."""


@dataclass(frozen=True)
class CareReport:
    """Files and bytes before and after, as far as this turn changed them; what others write meanwhile is not in it.

    ``changed`` counts what the turn worked on: parts rewritten, files deleted, checkpoints written. ``left`` says
    what was left for the next turn because a writer was quicker, or for ever because care does not know how to;
    ``damaged`` what a person should look at: nothing was changed there. In a dry run the figures after are what is
    expected.
    """

    files_before: int
    bytes_before: int
    files_after: int
    bytes_after: int
    changed: int = 0
    left: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()

    def with_left(self, reason: str) -> CareReport:
        return replace(self, left=(*self.left, reason))

    def with_damaged(self, reason: str) -> CareReport:
        return replace(self, damaged=(*self.damaged, reason))

    def exchanged(self, old: tuple[int, int], new: tuple[int, int], changed: int = 1) -> CareReport:
        """With ``old`` (files, bytes) replaced by ``new``."""
        return replace(
            self,
            files_after=self.files_after - old[0] + new[0],
            bytes_after=self.bytes_after - old[1] + new[1],
            changed=self.changed + changed,
        )


def unchanged(files: int, size_bytes: int) -> CareReport:
    """The report of a table that has not been touched yet."""
    return CareReport(files, size_bytes, files, size_bytes)
