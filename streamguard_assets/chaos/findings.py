"""What a verification may find: each is a promise of the stream that was broken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

SHOWN = 5
"""Examples that a finding names: a thousand lost events have the same cause."""


class Promise(StrEnum):
    """What is promised, by the word under which a break of it is reported."""

    LOST = "lost"
    """Every committed record is in its table."""
    DOUBLED = "doubled"
    """It is there once."""
    ABORTED = "aborted"
    """No record of an aborted transaction is there."""
    FOREIGN = "foreign"
    """Nothing is there that is not a committed record of the topic."""
    RANGES = "ranges"
    """Each commit begins where the one before ended."""
    CONSERVATION = "conservation"
    """Each offset of a commit is a row, a rejected record, or in a hole."""
    EPOCH = "epoch"
    """Once a stream has a new owner, the old one commits nothing."""
    FENCE = "fence"
    """Of two writers one leaves, naming the other."""
    PROGRESS = "progress"
    """The stream goes on after each blow."""
    STOP = "stop"
    """Asked to stop, it finishes its micro-batch and ends well."""
    KAFKA = "kafka"
    """What Kafka acknowledged or aborted is so in the log; else nothing else can be judged."""
    DASHBOARD = "dashboard"
    """The dashboard is what its definition gives for the events."""
    WINDOWS = "windows"
    """Live rows and the windows over the same offsets are the same."""


@dataclass(frozen=True)
class Finding:
    """One broken promise; ``text`` says what, where and how much."""

    promise: Promise
    text: str

    def __str__(self) -> str:
        return f"{self.promise}: {self.text}"


class PromiseBroken(Exception):  # noqa: N818 - the name says what happened
    """Raised where waiting on makes no sense any more."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("\n".join(map(str, self.findings)))


def counted(promise: Promise, what: str, places: list[tuple[object, ...]]) -> Iterator[Finding]:
    """A finding of how many ``places`` there are, with the first of them; none when there is none."""
    if places:
        shown = ", ".join("-".join(map(str, place)) for place in places[:SHOWN])
        yield Finding(promise, f"{len(places):,} {what}: {shown}{', …' if len(places) > SHOWN else ''}")
