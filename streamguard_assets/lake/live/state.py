"""What every commit of a live table says: who owns the stream, and which offsets the table answers for.

Each commit, of whatever kind, carries the whole state, so the newest entry of the log is all that anybody has to read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import msgspec

from streamguard_assets.contracts.offsets import Offsets

METADATA_KEY = "streamguard_live"
"""Key of the custom metadata in which a commit's ``LiveState`` stands as JSON."""

FORMER = "former_topics"
"""Detail of a table whose topic was made anew: the ids that it was of, and the offsets that it had come to."""

Kind = Literal["take_over", "append", "compact", "remove", "roll_back"]
Spans = Mapping[int, tuple[tuple[int, int], ...]]
"""Half-open ranges of offsets per partition."""


@dataclass(frozen=True)
class LiveBatch:
    """One micro-batch as its commit tells it: each offset of ``ranges`` is a row, a rejected record, in a hole or lost.

    ``holes`` are offsets without a record (transaction markers, aborted and compacted records), ``gaps`` records that
    Kafka deleted before they were read, by the operator's leave.
    """

    ranges: Mapping[int, tuple[int, int]]
    rows: int
    rejected: int
    holes: Spans = field(default_factory=dict)
    gaps: Spans = field(default_factory=dict)


@dataclass(frozen=True)
class LiveState:
    """The state of a live table as of one commit.

    Attributes:
        sequence: number of the commit among those of this project, ascending by one.
        epoch: number of the owner; each writer that takes the table over has a higher one.
        owner: the owner's name, as a person would look for it.
        topic: the topic, and
        topic_id: its UUID; a topic made anew under the same name has another.
        starts: the first offset that the table ever answered for, by partition.
        positions: the next offset: everything below it is a row, a rejected record, in a hole or lost by leave.
        removed: below it rows were removed, since complete windows hold them; absent where none were.
        kind: what the commit did.
        batch: the micro-batch of an ``append``.
        details: what only one table has, as plain JSON values.
        token: drawn by each take-over: epochs begin anew when a table is deleted and made again, tokens do not repeat.
    """

    sequence: int
    epoch: int
    owner: str
    topic: str
    topic_id: str
    starts: Offsets = field(default_factory=dict)
    positions: Offsets = field(default_factory=dict)
    removed: Offsets = field(default_factory=dict)
    kind: Kind = "take_over"
    batch: LiveBatch | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    token: str = ""

    @property
    def held(self) -> dict[int, tuple[int, int]]:
        """The offsets whose rows the table holds now, half-open, by partition."""
        firsts = {p: max(start, self.removed.get(p, start)) for p, start in self.starts.items()}
        return {p: (first, self.positions[p]) for p, first in firsts.items() if first < self.positions[p]}

    def followed_by(self, kind: Kind, **changes: Any) -> LiveState:
        """The state after a commit of ``kind``; what ``changes`` does not name stays as it is."""
        return replace(self, **{"sequence": self.sequence + 1, "kind": kind, "batch": None, **changes})

    def taken_over(self, owner: str, epoch: int, topic: str, topic_id: str, starts: Offsets) -> LiveState:
        """The state after ``owner`` took the table over with ``epoch``.

        Partitions that were not known begin at their ``starts``. Of a topic made anew all are: what the table answered
        for until then is told in its details.
        """
        if self.topic_id != topic_id:
            known: dict[str, Any] = {"starts": dict(starts), "positions": dict(starts), "removed": {}}
        else:
            known = {"starts": {**starts, **self.starts}, "positions": {**starts, **self.positions}}
        if self.topic_id not in ("", topic_id):
            positions = {str(partition): offset for partition, offset in self.positions.items()}
            former = {"topic_id": self.topic_id, "epoch": self.epoch, "positions": positions}
            known["details"] = {**self.details, FORMER: [*self.details.get(FORMER, ()), former]}
        return self.followed_by("take_over", owner=owner, epoch=epoch, topic=topic, topic_id=topic_id, **known)

    def is_but_numbered_anew(self, before: LiveState) -> bool:
        """Whether a commit of it would say nothing that ``before`` does not."""
        return replace(self, sequence=before.sequence, kind=before.kind, batch=before.batch) == before

    def to_json(self) -> str:
        """The text kept in the log."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> LiveState:
        """Read back; keys of a later release are ignored. ``ValueError`` when it is not such a text."""
        try:
            return msgspec.json.decode(text, type=cls)
        except msgspec.MsgspecError as error:
            raise ValueError(f"a commit carries no live state under {METADATA_KEY!r}: {error}") from error


UNOWNED = LiveState(sequence=0, epoch=0, owner="nobody", topic="", topic_id="")
"""The state of a table that was made and not taken over yet."""
