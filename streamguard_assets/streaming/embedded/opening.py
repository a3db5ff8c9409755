"""The beginning of a session: whose topic it is, where to read on, and what the operator wants done about surprises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from streamguard_assets.contracts.offsets import Offsets
from streamguard_assets.kafka.errors import OffsetOutOfRange, RetentionGap
from streamguard_assets.kafka.watch import TopicFacts
from streamguard_assets.lake.live.state import LiveState
from streamguard_assets.streaming.embedded.landing import LiveLanding, Tenure
from streamguard_assets.streaming.embedded.recreated import set_aside
from streamguard_assets.streaming.errors import LiveTopicRecreated, PartitionAdded
from streamguard_assets.streaming.live_tables import live_events
from streamguard_assets.streaming.starting import starting_offsets
from streamguard_assets.streaming.steps import OnStep
from streamguard_assets.windows.stream import Stream


@dataclass(frozen=True)
class Opening:
    """A stream that is ours: its tables, and the offsets that Kafka no longer has and that are to be passed over."""

    landing: LiveLanding
    gaps: Mapping[int, tuple[int, int]]


def open_stream_tables(stream: Stream, owner: str, facts: TopicFacts, on_step: OnStep, tenure: Tenure) -> Opening:
    """Take the live tables over, after everything that a person has to decide was looked at.

    ``tenure`` is kept by the process over all its openings: it takes the stream from others only once.

    Raises ``LiveTopicRecreated``, ``PartitionAdded``, ``RetentionGap`` when the settings say so; ``OffsetOutOfRange``
    when the log has lost its tail; ``StreamLost`` when a newer owner has it; ``CommitContention`` when other writers
    won every turn.
    """
    standing = live_events(stream).state()
    starts = _starts(stream, standing, facts)
    _refuse_gaps(stream, standing, facts)
    if standing is not None and standing.topic_id not in ("", facts.topic_id):
        set_aside(stream)
    landing = LiveLanding.take_over(stream, owner, facts.topic_id, starts, on_step, tenure)
    positions = landing.positions
    for partition, position in positions.items():
        if position > facts.end_offsets.get(partition, position):
            raise OffsetOutOfRange(stream.topic, partition, position, facts.end_offsets[partition])
    return Opening(landing, _gaps(positions, facts))


def _starts(stream: Stream, standing: LiveState | None, facts: TopicFacts) -> Offsets:
    if standing is None or not standing.topic_id:
        return starting_offsets(stream, facts)
    settings = stream.settings.streaming
    if standing.topic_id != facts.topic_id:
        if settings.on_topic_recreated == "fail":
            raise LiveTopicRecreated(stream.topic, standing.topic_id, facts.topic_id)
        return facts.log_starts
    added = sorted(set(facts.log_starts) - set(standing.positions))
    if added and settings.on_partition_added == "fail":
        raise PartitionAdded(stream.topic, added)
    return facts.log_starts


def _refuse_gaps(stream: Stream, standing: LiveState | None, facts: TopicFacts) -> None:
    """Before the take-over: a stream that may not go on must not end the one that runs."""
    if stream.settings.streaming.on_retention_gap == "skip" or standing is None or standing.topic_id != facts.topic_id:
        return
    for partition, (start, end) in _gaps(standing.positions, facts).items():
        raise RetentionGap(stream.topic, partition, start, end)


def _gaps(positions: Offsets, facts: TopicFacts) -> dict[int, tuple[int, int]]:
    return {
        partition: (position, facts.log_starts[partition])
        for partition, position in positions.items()
        if position < facts.log_starts.get(partition, 0)
    }
