"""The one strict decoder: a record's bytes in, its verdict out. The verdict of a record depends on nothing else.

Two decoders share the work. The strict one refuses unknown fields, which makes it an exact and free detector of
them; whatever it refuses is decoded again by the keeping one, which keeps unknown fields and explains rejections.
Of a name written twice the last value counts, and every one of them must be valid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

import msgspec
import numpy as np

from streamguard_assets.contracts.columns import EXTRA, Column, groups_of
from streamguard_assets.contracts.fields import Record, as_utc
from streamguard_assets.contracts.rejections import beyond_the_calendar, explained, not_utf8, unreadable
from streamguard_assets.contracts.verdict import Rejection

DECODER_REVISION = 1
"""Part of every contract's hash: raise it when the same bytes get another verdict or another row than before."""

# What the decoder raises for bytes: malformed and invalid (MsgspecError), not UTF-8 (ValueError), too deep. The
# arithmetic is for numbers of absurd size; running out of memory says nothing of the record and goes up.
_REFUSALS = (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError)
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True)
class Decoded:
    """The verdicts of a sequence of values: ``events[i]`` came from ``positions[i]`` (int64), both ascending."""

    positions: np.ndarray
    events: list[Record]
    rejections: list[tuple[int, Rejection]]


class StrictDecoder:
    """Decodes the events of one class. ``columns`` are that class's own, so that both agree on what exists."""

    def __init__(self, event: type[Record], columns: tuple[Column, ...]) -> None:
        self._strict = msgspec.json.Decoder(event)
        self._keeping = msgspec.json.Decoder(_keeping_class(event))
        self._layout = _Layout.of(columns)
        self._timestamps = [column.name for column in columns if column.kind == "timestamp"]
        self._timestamp_forms = {f"$.{column.name}": column.forms for column in columns if column.forms}

    def decode(self, value: bytes | None) -> Record | Rejection:
        """The event, its timestamps epoch milliseconds or datetimes in UTC; or why there is none. Never raises."""
        if value is None:
            return self._examine(value)
        try:
            event = self._strict.decode(value)
        except _REFUSALS:
            event = self._examine(value)
        return event if isinstance(event, Rejection) else self._in_utc(event)

    def decode_all(self, values: Sequence[bytes | None]) -> Decoded:
        """The same verdicts for many values, faster: runs of clean records are decoded without a line of Python."""
        events: list[Record] = []
        rejections: list[tuple[int, Rejection]] = []
        ahead: Iterator[Any] = iter(values)
        while len(events) + len(rejections) < len(values):
            try:
                # extend() keeps what it was given before the refusal, so the count tells which record it was
                events.extend(map(self._strict.decode, ahead))
            except (*_REFUSALS, TypeError):  # TypeError: a tombstone, None, is no bytes
                position = len(events) + len(rejections)
                verdict = self._examine(values[position])
                if isinstance(verdict, Rejection):
                    rejections.append((position, verdict))
                else:
                    events.append(verdict)
        return self._all_in_utc(Decoded(_others(len(values), rejections), events, rejections))

    def _examine(self, value: bytes | None) -> Record | Rejection:
        """The verdict of a value that the strict decoder refused, its timestamps still in their own zones."""
        if (rejection := unreadable(value)) is not None:
            return rejection
        assert value is not None
        try:
            event = self._keeping.decode(value)
            _keep_unknown(event, value, self._layout)
        except UnicodeDecodeError:
            # the decoder does not say where the bytes are
            return not_utf8(_undecodable_path(value, self._layout))
        except _REFUSALS as error:
            return explained(error, value, self._timestamp_forms)
        return event

    def _in_utc(self, event: Record) -> Record | Rejection:
        for name in self._timestamps:
            stamp = getattr(event, name)
            if isinstance(stamp, datetime) and stamp.tzinfo is not UTC:
                try:
                    setattr(event, name, as_utc(stamp))
                except OverflowError:
                    return beyond_the_calendar(f"$.{name}")
        return event

    def _all_in_utc(self, decoded: Decoded) -> Decoded:
        """``_in_utc`` of every event, at no cost for a chunk whose timestamps are all numbers or already in UTC."""
        elsewhere: set[int] = set()
        for name in self._timestamps:
            stamps = field_reader(name)(decoded.events)
            if datetime in set(map(type, stamps)):
                elsewhere.update(i for i, s in enumerate(stamps) if type(s) is datetime and s.tzinfo is not UTC)
        beyond: dict[int, Rejection] = {}
        for index in elsewhere:
            verdict = self._in_utc(decoded.events[index])
            if isinstance(verdict, Rejection):
                beyond[index] = verdict
        if not beyond:
            return decoded
        late = [(int(decoded.positions[index]), rejection) for index, rejection in beyond.items()]
        rejections = sorted(decoded.rejections + late, key=lambda rejected: rejected[0])
        events = [event for index, event in enumerate(decoded.events) if index not in beyond]
        return Decoded(_others(len(events) + len(rejections), rejections), events, rejections)


def _others(count: int, rejections: Sequence[tuple[int, Rejection]]) -> np.ndarray:
    """The positions below ``count`` that were not rejected."""
    everything = np.arange(count)
    return np.delete(everything, [position for position, _ in rejections]) if rejections else everything


@cache
def field_reader(name: str) -> Callable[[Sequence[Any]], list[Any]]:
    """``[row.name for row in rows]`` for one name, compiled.

    With the name in its code the interpreter reads a slot in 15 ns; ``attrgetter`` and ``astuple`` take 2 to 3 times
    that, which over the columns of an event is a third of the whole parser.
    """
    if not name.isidentifier():
        raise ValueError(f"{name!r} is not the name of a field")
    return eval(f"lambda rows: [row.{name} for row in rows]", {"__builtins__": {}})


@dataclass(frozen=True)
class _Layout:
    """The member names that an object may have, and the layouts of the groups among them."""

    names: frozenset[str]
    groups: tuple[tuple[str, _Layout], ...]

    @classmethod
    def of(cls, columns: Sequence[Column]) -> _Layout:
        named = [column for column in columns if column.name != EXTRA]
        groups = tuple((column.name, cls.of(column.fields)) for column in named if column.kind == "group")
        return cls(frozenset(column.name for column in named), groups)


def _keeping_class(record: type[Record]) -> type[Record]:
    """A subclass that skips unknown fields and has room for them in ``extra``, in every group too.

    A producer's own member named ``extra`` lands there during decoding, as raw text that nothing can refuse, and is
    overwritten: it is an unknown field like any other.
    """
    required = {field.name for field in msgspec.structs.fields(record) if field.required}
    fields: list[Any] = [(EXTRA, msgspec.Raw, None)]
    for name, group in groups_of(record).items():
        keeping = _keeping_class(group)
        fields.append((name, keeping) if name in required else (name, keeping | None, None))
    name = f"{record.__name__}WithExtra"
    keeping = msgspec.defstruct(name, fields, bases=(record,), gc=False, kw_only=True, forbid_unknown_fields=False)
    assert issubclass(keeping, Record)
    return keeping


def _keep_unknown(record: Any, text: bytes | msgspec.Raw, layout: _Layout) -> None:
    """Fill ``extra`` of a record and of its groups from its JSON; ``UnicodeDecodeError`` if that is not UTF-8.

    The raw text is kept, not a parsed value: ``1e400`` and integers of a hundred digits stay what they are. The
    decoder does not look inside what it skips, so this is where bad bytes of unknown fields show.
    """
    members = _MEMBERS.decode(text)
    if layout.names.issuperset(members):
        record.extra = None
    else:
        unknown = {name: raw for name, raw in members.items() if name not in layout.names}
        record.extra = msgspec.json.encode(unknown).decode()
    for name, group_layout in layout.groups:
        group = getattr(record, name)
        if group is not None:
            _keep_unknown(group, members[name], group_layout)


def _undecodable_path(text: bytes | msgspec.Raw, layout: _Layout, above: str = "$") -> str:
    """The JSON path of the first member that is not UTF-8; that of the object itself when it is a name."""
    try:
        members = _MEMBERS.decode(text)
    except _REFUSALS:
        return above
    groups = dict(layout.groups)
    for name, raw in members.items():
        try:
            bytes(raw).decode()
        except UnicodeDecodeError:
            path = f"{above}.{name}"
            return _undecodable_path(raw, groups[name], path) if name in groups else path
    return above
