"""Submission: a request is held against what the cluster has now, and becomes a batch or is refused with a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from streamguard_assets.analytics.analyses.registry import (
    FULL_REPORT,
    UnknownAnalysis,
    analysis,
    fitting_analyses,
)
from streamguard_assets.batches.errors import BatchRefused
from streamguard_assets.batches.identity import new_batch_id
from streamguard_assets.batches.request import RAW_ONLY, Batch, BatchRequest, End, Start, as_asked
from streamguard_assets.contracts.offsets import OffsetRange, Offsets
from streamguard_assets.kafka.client import KafkaConnection
from streamguard_assets.kafka.errors import UnknownTopic
from streamguard_assets.kafka.offsets import last_stable_offsets, log_start_offsets
from streamguard_assets.kafka.topics import TopicIdentity, topic_identity
from streamguard_assets.settings import Settings
from streamguard_assets.windows.graph import configured_contract


def pin(settings: Settings, connection: KafkaConnection, asked: BatchRequest, now: datetime) -> Batch:
    """The batch that ``asked`` becomes at ``now``, with a new id. Creates nothing.

    ``latest`` is the last stable offset of this moment: behind it stand open transactions, which no committed reader
    sees. Maps name the partitions that are read; words go for the partitions of the other map, or for all.

    Raises:
        BatchRefused: the text says what would be valid.
        SettingsError: no such stream.
        KafkaUnavailable: the cluster does not answer.
    """
    identity = _identity(connection, asked.topic)
    stream = owning_stream(settings, asked.topic, asked.stream)
    analyses = chosen_names(settings, stream, asked.analysis)
    partitions = _partitions(identity, asked.start, asked.end)
    log_starts = log_start_offsets(connection, asked.topic, partitions)
    ends = last_stable_offsets(connection, asked.topic, partitions)
    return Batch(
        batch_id=new_batch_id(now),
        stream=stream,
        topic=asked.topic,
        topic_id=identity.topic_id,
        asked_start=as_asked(asked.start),
        asked_end=as_asked(asked.end),
        range=pinned_range(asked, log_starts, ends),
        analysis=asked.analysis,
        analyses=analyses,
        submitted_at=now,
    )


def owning_stream(settings: Settings, topic: str, stream: str | None) -> str:
    """The stream whose contract the records of ``topic`` follow: ``stream`` if given, else the owner of the topic.

    Raises:
        BatchRefused: nobody owns the topic and no stream is given, or it is that of a stream with another contract.
        SettingsError: no such stream.
    """
    owners = {name: (s.topic, *s.batch_topics) for name, s in settings.streams.items()}
    owner = next((name for name, topics in owners.items() if topic in topics), None)
    if stream is None:
        if owner is None:
            known = "; ".join(f"{name}: {', '.join(topics)}" for name, topics in sorted(owners.items()))
            raise BatchRefused(
                f"topic {topic!r} belongs to no stream, so nobody knows what its records are; say whose contract they "
                f"follow with --stream, or add it to streams.<name>.batch_topics. Topics of streams: {known}"
            )
        return owner
    wanted = configured_contract(settings, stream)
    if owner is not None and (held := configured_contract(settings, owner)).name != wanted.name:
        raise BatchRefused(
            f"topic {topic!r} belongs to the stream {owner}, whose contract is {held.name}; as {stream}, with the "
            f"contract {wanted.name}, its records would be rejected. Leave --stream out, or say --stream {owner}"
        )
    return stream


def chosen_names(settings: Settings, stream: str, name: str) -> tuple[str, ...]:
    """The analyses that ``name`` stands for in a batch of ``stream``.

    Raises:
        BatchRefused: it is unknown, or reads columns that the contract does not have; lists those that would do.
    """
    if name == RAW_ONLY:
        return ()
    rules = configured_contract(settings, stream)
    fitting = tuple(each.name for each in fitting_analyses(rules.events_schema().names))
    valid = ", ".join([*fitting, *([FULL_REPORT] if fitting else []), RAW_ONLY])
    if name == FULL_REPORT:
        if not fitting:
            raise BatchRefused(
                f"no analysis fits the contract {rules.name}, so there is nothing to report; valid here: {valid}"
            )
        return fitting
    try:
        analysis(name)
    except UnknownAnalysis:
        raise BatchRefused(f"there is no analysis {name!r}; valid here: {valid}") from None
    if name not in fitting:
        raise BatchRefused(
            f"the analysis {name!r} reads columns that the contract {rules.name} lacks; valid here: {valid}"
        )
    return (name,)


def pinned_range(asked: BatchRequest, log_starts: Offsets, last_stable: Offsets) -> OffsetRange:
    """The offsets of ``asked`` where each partition has the offsets from ``log_starts`` to ``last_stable`` now.

    Raises:
        BatchRefused: with every partition whose offsets are not there, or end before they start.
    """
    # A log whose tail is an open transaction can begin, for a committed reader, where it ends.
    lowest = {p: min(log_starts[p], last_stable[p]) for p in last_stable}
    starts = lowest if isinstance(asked.start, str) else asked.start
    ends = last_stable if isinstance(asked.end, str) else asked.end
    wrong = [
        text
        for partition in sorted(last_stable)
        for text in _complaints(partition, starts[partition], ends[partition], lowest, last_stable)
    ]
    if wrong:
        raise BatchRefused(f"topic {asked.topic!r}: {'; '.join(wrong)}")
    return OffsetRange(asked.topic, {p: starts[p] for p in last_stable}, {p: ends[p] for p in last_stable})


def _complaints(partition: int, start: int, end: int, lowest: Offsets, last_stable: Offsets) -> Sequence[str]:
    low, high = lowest[partition], last_stable[partition]
    outside = [f"{which} {offset}" for which, offset in (("start", start), ("end", end)) if not low <= offset <= high]
    if outside:
        return [f"partition {partition} has the offsets {low} to {high}, and not {' and '.join(outside)}"]
    return [f"partition {partition} would start at {start} and end before it, at {end}"] if start > end else []


def _identity(connection: KafkaConnection, topic: str) -> TopicIdentity:
    try:
        return topic_identity(connection, topic)
    except UnknownTopic as unknown:
        near = f"; near names: {', '.join(unknown.near)}" if unknown.near else ""
        raise BatchRefused(f"there is no topic {topic!r}{near}; `streamguard kafka topics` lists all") from unknown


def _partitions(identity: TopicIdentity, start: Start, end: End) -> list[int]:
    maps = [given for given in (start, end) if isinstance(given, Mapping)]
    named = [set(given) for given in maps]
    known = set(identity.partitions)
    if unknown := sorted(set().union(*named) - known):
        raise BatchRefused(
            f"topic {identity.topic!r} has the partitions 0 to {max(known)}, and not {', '.join(map(str, unknown))}"
        )
    if len(named) == 2 and named[0] != named[1]:
        apart = ", ".join(map(str, sorted(named[0] ^ named[1])))
        raise BatchRefused(
            f"start and end must name the same partitions; only one of them names {apart}. A partition that neither "
            "names is not read"
        )
    return sorted(named[0] if named else known)
