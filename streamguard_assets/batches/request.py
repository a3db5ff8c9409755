"""What a person asks for, and what becomes of it at submission: a batch with every offset pinned."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from streamguard_assets.batches.errors import BatchRefused
from streamguard_assets.contracts.offsets import OffsetRange

RAW_ONLY = "none"
"""The analysis of a batch that keeps its raw rows and computes nothing."""

_SHOWN_CHARACTERS = 80

Start = Literal["earliest"] | Mapping[int, int]
End = Literal["latest"] | Mapping[int, int]


@dataclass(frozen=True)
class BatchRequest:
    """A wish: ``start`` and ``end`` are a word for every partition, or an offset per partition (``end`` excluded).

    ``analysis`` is the name of one, ``full_report`` for all, or ``none``. ``stream`` says whose contract the records
    follow; None: the stream that the topic belongs to.
    """

    topic: str
    start: Start = "earliest"
    end: End = "latest"
    analysis: str = RAW_ONLY
    stream: str | None = None


@dataclass(frozen=True)
class Batch:
    """A request with everything pinned: what it reads is decided, whenever it comes to run.

    ``asked_start`` and ``asked_end`` are the words of the request. ``topic_id`` is Kafka's own id of the topic.
    ``analyses`` are those that ``analysis`` stands for.
    """

    batch_id: str
    stream: str
    topic: str
    topic_id: str
    asked_start: str
    asked_end: str
    range: OffsetRange
    analysis: str
    analyses: tuple[str, ...]
    submitted_at: datetime

    def to_json(self) -> dict[str, Any]:
        """The form kept in the tags of its runs and in the lake."""
        return {
            "batch_id": self.batch_id,
            "stream": self.stream,
            "topic": self.topic,
            "topic_id": self.topic_id,
            "asked_start": self.asked_start,
            "asked_end": self.asked_end,
            "offsets": self.range.to_json()["offsets"],
            "analysis": self.analysis,
            "analyses": list(self.analyses),
            "submitted_at": self.submitted_at.isoformat(),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Batch:
        return cls(
            batch_id=document["batch_id"],
            stream=document["stream"],
            topic=document["topic"],
            topic_id=document["topic_id"],
            asked_start=document["asked_start"],
            asked_end=document["asked_end"],
            range=OffsetRange.from_json(document),
            analysis=document["analysis"],
            analyses=tuple(document["analyses"]),
            submitted_at=datetime.fromisoformat(document["submitted_at"]),
        )


def parse_start(text: str) -> Start:
    """``earliest``, or offsets like ``{"0": 100}``. ``BatchRefused`` when it is neither.

    >>> parse_start('{"0": 100, "1": 5}')
    {0: 100, 1: 5}
    """
    return "earliest" if text == "earliest" else _offsets(text, "earliest", "start")


def parse_end(text: str) -> End:
    """``latest``, or offsets like ``{"0": 200}``, themselves not read. ``BatchRefused`` when it is neither."""
    return "latest" if text == "latest" else _offsets(text, "latest", "end")


def as_asked(asked: Start | End) -> str:
    """The words of a request again.

    >>> as_asked({0: 100})
    '{"0":100}'
    """
    if isinstance(asked, str):
        return asked
    return json.dumps({str(partition): asked[partition] for partition in sorted(asked)}, separators=(",", ":"))


def _offsets(text: str, word: str, which: str) -> dict[int, int]:
    try:
        # As pairs: in a dictionary the last of two offsets for one partition would win in silence.
        given = json.loads(text, object_pairs_hook=list)
    except (ValueError, RecursionError):
        given = None
    if not text.lstrip().startswith("{") or not given:
        shown = repr(text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…")
        raise BatchRefused(f'{which} {shown} is neither {word} nor offsets by partition, like {{"0": 100, "1": 250}}')
    offsets: dict[int, int] = {}
    for partition, offset in given:
        # bool is an int in Python, and true is no offset
        if not partition.isdecimal() or type(offset) is not int or offset < 0:
            raise BatchRefused(
                f'{which}: "{partition}": {json.dumps(offset)} is no partition with an offset; write whole numbers '
                f'of 0 or more, like {{"0": 100}}, or {word}'
            )
        if int(partition) in offsets:
            raise BatchRefused(f"{which}: partition {int(partition)} is named twice")
        offsets[int(partition)] = offset
    return offsets
