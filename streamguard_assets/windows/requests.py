"""What a plan asks for: one run over contiguous windows, and the keys by which it is recognised afterwards.

A *fingerprint* names one content that is wanted for one window: what it would be built from. It is the same at every
attempt, so attempts can be counted. A *run key* also holds the end offsets and the attempt: Dagster
drops a request whose run key it has seen, so a key without the attempt would block every retry, and one without
offsets would drop the work of records that arrived later. The day is in it because attempts are counted over a bounded
time: once the oldest are forgotten the count begins again, and must not meet the keys of the first time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

from streamguard_assets.contracts.offsets import OffsetRange
from streamguard_assets.windows.view import Attempts

FINGERPRINTS_TAG = "streamguard/fingerprints"
"""Run tag that holds the fingerprints of a request; attempts are counted from the tags of finished runs."""

_FINGERPRINT_BYTES = 8


@dataclass(frozen=True)
class Request:
    """One run: contiguous ``windows`` (ascending) × ``assets`` (in build order).

    ``attempt`` counts from 0; ``reasons`` say in words why, for run tags and logs.
    """

    windows: tuple[str, ...]
    assets: tuple[str, ...]
    attempt: int
    fingerprints: tuple[str, ...]
    run_key: str
    reasons: tuple[str, ...]

    @property
    def fingerprints_tag(self) -> str:
        """The value of ``FINGERPRINTS_TAG``."""
        return ",".join(self.fingerprints)


@dataclass(frozen=True)
class FinishedRun:
    """A run that has ended, however it ended: a run that succeeds without bringing what it was asked for must run
    out of attempts like one that fails."""

    fingerprints_tag: str
    finished_at: datetime
    reason: str = ""


def count_attempts(runs: Iterable[FinishedRun]) -> dict[str, Attempts]:
    """Attempts by fingerprint, in any order of ``runs``; the reason is that of the newest run which gave one."""
    counted: dict[str, Attempts] = {}
    for run in sorted(runs, key=lambda r: r.finished_at):
        for print_ in filter(None, run.fingerprints_tag.split(",")):
            before = counted.get(print_)
            count, reason = (before.count, before.reason) if before else (0, "")
            counted[print_] = Attempts(count + 1, run.finished_at, run.reason or reason)
    return counted


def fingerprint(*parts: object) -> str:
    """A short stable name of the content that ``parts`` describe."""
    return blake2b(json.dumps(parts).encode(), digest_size=_FINGERPRINT_BYTES).hexdigest()


def run_key(
    stream: str,
    windows: tuple[str, ...],
    assets: tuple[str, ...],
    fingerprints: tuple[str, ...],
    ranges: Mapping[str, OffsetRange],
    attempt: int,
    now: datetime,
) -> str:
    """The key of one attempt at one request.

    ``ranges`` are the offset ranges of the windows whose events it reads, as they stood when it was planned at ``now``.
    """
    ends = {window: sorted(held.ends.items()) for window, held in ranges.items()}
    digest = fingerprint(assets, fingerprints, sorted(ends.items()))
    return f"{stream}/{windows[0]}/{windows[-1]}/{digest}/{now:%Y%m%d}/{attempt}"
