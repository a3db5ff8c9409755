"""Which offsets complete windows hold, and which only live rows do: said once, for all who merge or compare them."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import polars as pl

from streamguard_assets.contracts.offsets import OffsetRange
from streamguard_assets.contracts.windows import window_key
from streamguard_assets.lake.commits import WindowCommit
from streamguard_assets.lake.errors import LakeError
from streamguard_assets.lake.live.state import Spans
from streamguard_assets.lake.live.table import LiveSnapshot, LiveTable
from streamguard_assets.windows.gaps import built_gaps, built_range
from streamguard_assets.windows.offset_runs import as_runs, coverage, join
from streamguard_assets.windows.stream import Stream

PARTITION = "kafka_partition"
OFFSET = "kafka_offset"


class TopicsDiffer(LakeError):  # noqa: N818  (it says what is so, as the lake's errors do)
    """Live rows and windows are of two topics of the same name, and nobody said that they may stand side by side."""


@dataclass(frozen=True)
class CompleteWindow:
    """A complete window of ``events``.

    Attributes:
        commit: its newest commit.
        range: the offsets that it stands for.
        gaps: offsets of the range that Kafka had deleted when the window was built, by somebody's leave.
    """

    commit: WindowCommit
    range: OffsetRange
    gaps: Spans

    @property
    def key(self) -> str:
        return self.commit.window

    @property
    def spans(self) -> Spans:
        """The offsets of which the window holds every event."""
        whole = {p: ((self.range.starts[p], self.range.ends[p]),) for p in self.range.partitions}
        return without(whole, self.gaps) if self.gaps else whole


@dataclass(frozen=True)
class PinnedWindows:
    """The complete windows of one version of ``events``, by key, and the id of the topic that they are of.

    ``apart`` are complete windows that the ledger does not know: their offsets are those of another life of the
    topic, from before the ledger was made anew.
    """

    version: int | None
    topic_id: str | None
    windows: Mapping[str, CompleteWindow]
    apart: tuple[str, ...]

    @property
    def spans(self) -> Spans:
        """The offsets of which windows hold every event, by partition."""
        return union(window.spans for window in self.windows.values())


def pin_live(table: LiveTable) -> LiveSnapshot | None:
    """The newest version of a live table; None when no stream ever owned it."""
    found = table.snapshot()
    return found if found is not None and found.state.epoch else None


def pin_windows(stream: Stream) -> PinnedWindows:
    """The complete windows as of now. They only grow: a complete window is never replaced by less."""
    found = stream.table("events").snapshot()
    # After the commits: a boundary is decided before its window is built, so no window here is unknown to it.
    boundaries = stream.ledger.boundaries()
    known = {window_key(boundary.instant) for boundary in boundaries[:-1]}
    commits = [commit for _, commit in sorted(found.commits.items()) if commit.complete] if found else []
    return PinnedWindows(
        version=None if found is None else found.version,
        topic_id=boundaries[-1].topic_id if boundaries else None,
        windows={commit.window: _complete(commit) for commit in commits if commit.window in known},
        apart=tuple(commit.window for commit in commits if commit.window not in known),
    )


def are_apart(stream: Stream, live: LiveSnapshot | None, windows: PinnedWindows) -> bool:
    """Whether live rows and windows are of two topics, by leave of the operator: no window covers a live row then.

    Equal offsets of two topics are other events, so they are never merged or compared. They stand side by side when
    ``streaming.on_topic_recreated`` is ``skip``, and no live row has gone since windows held it.

    Raises:
        TopicsDiffer: they are of two topics, and that is not so.
    """
    if live is None or windows.topic_id is None or live.state.topic_id == windows.topic_id:
        return False
    if stream.settings.streaming.on_topic_recreated == "skip" and not live.state.removed:
        return True
    raise TopicsDiffer(
        f"the live rows of {stream.name!r} are of topic id {live.state.topic_id}, its windows of {windows.topic_id}: "
        f"topic {stream.topic!r} was recreated, and equal offsets are other events. {_what_to_do(stream, live)}"
    )


def _what_to_do(stream: Stream, live: LiveSnapshot) -> str:
    if live.state.removed:
        return (
            f"Older live rows are in windows that the ledger no longer knows. Run the stream with "
            f"streaming.on_topic_recreated set to 'skip' so that it goes over to the topic of the windows, and read "
            f"{stream.name}.events and {stream.name}.live_events apart until then"
        )
    return (
        "Set streaming.on_topic_recreated to 'skip' to keep the windows of the one and the live rows of the other side "
        "by side, each event once. New windows need a stream of another name, configured for the same topic"
    )


def held_spans(live: LiveSnapshot | None) -> Spans:
    """The offsets whose rows the live table holds at that version."""
    return {} if live is None else {p: (span,) for p, span in live.state.held.items()}


def without(spans: Spans, taken: Spans) -> Spans:
    """The parts of ``spans`` that lie outside ``taken``; partitions of which nothing is left are absent."""
    left = {
        p: _pairs(join([coverage(start, end, as_runs(taken.get(p, ()))).missing for start, end in parts]))
        for p, parts in spans.items()
    }
    return {p: parts for p, parts in left.items() if parts}


def common(spans: Spans, others: Spans) -> Spans:
    """The parts of ``spans`` that also lie in ``others``."""
    return without(spans, without(spans, others))


def union(parts: Iterable[Spans]) -> Spans:
    """All of the disjoint ``parts``, with touching spans made one."""
    gathered: dict[int, list[tuple[int, int]]] = {}
    for part in parts:
        for partition, spans in part.items():
            gathered.setdefault(partition, []).extend(spans)
    return {partition: _pairs(join([as_runs(spans)])) for partition, spans in sorted(gathered.items())}


def size(spans: Spans) -> int:
    """How many offsets ``spans`` hold."""
    return sum(end - start for parts in spans.values() for start, end in parts)


def within(spans: Spans) -> pl.Expr:
    """Whether a row's place in Kafka lies in ``spans``."""
    offset = pl.col(OFFSET)
    by_partition = [
        (pl.col(PARTITION) == partition) & _any([(offset >= start) & (offset < end) for start, end in parts])
        for partition, parts in spans.items()
    ]
    return _any(by_partition)


def _any(conditions: Sequence[pl.Expr]) -> pl.Expr:
    return reduce(operator.or_, conditions) if conditions else pl.lit(False)


def _complete(commit: WindowCommit) -> CompleteWindow:
    gaps = {p: tuple(lost) for p, lost in built_gaps(commit).items()}
    return CompleteWindow(commit, built_range(commit), gaps)


def _pairs(runs: Iterable[Sequence[int]]) -> tuple[tuple[int, int], ...]:
    return tuple((int(start), int(end)) for start, end in runs)
