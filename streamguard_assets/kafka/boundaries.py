"""Deciding boundaries: one offset per partition at an instant, in time order, never below the one before.

``boundary(T)`` is, per partition, the first record that a committed reader sees at or after the boundary before it,
stamped at or after T and not in the future; where there is none, the last stable offset. Storing a decision, so that
it is made only once, is the ledger's part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from streamguard_assets.contracts.offsets import Boundary, Offsets
from streamguard_assets.contracts.windows import EPOCH, Cadence
from streamguard_assets.kafka.client import KafkaConnection
from streamguard_assets.kafka.errors import BoundaryOrderError, TopicRecreated
from streamguard_assets.kafka.offsets import MILLISECOND, log_start_offsets
from streamguard_assets.kafka.stable_prefix import StablePrefix
from streamguard_assets.kafka.topics import TopicIdentity, topic_identity

ASKED_AT_ONCE = 32
"""Instants whose lookups are under way together; a span shorter than this is not bisected."""


def decide_boundary(
    connection: KafkaConnection,
    topic: str,
    instant: datetime,
    previous: Boundary | None,
    decided_at: datetime,
    skew: timedelta,
) -> Boundary:
    """The boundary at ``instant``, as the topic stands now; see ``decide_boundaries``."""
    (boundary,) = decide_boundaries(connection, topic, [instant], previous, decided_at, skew)
    return boundary


def decide_boundaries(
    connection: KafkaConnection,
    topic: str,
    instants: Sequence[datetime],
    previous: Boundary | None,
    decided_at: datetime,
    skew: timedelta,
) -> Iterator[Boundary]:
    """The boundaries at ascending ``instants`` that follow ``previous`` (None: there is none yet), one by one.

    All of them are decided on the topic as it stands at the first step, so the result is the same as deciding each
    alone on that log. A stretch in which nothing was written costs no request per instant: where the far end equals
    the near end, so does everything between. Records stamped after ``decided_at + skew`` are passed over.

    Raises ``BoundaryOrderError`` at once when instants are not ascending, not after ``previous``, or not over yet;
    then ``TopicRecreated``, ``UnknownTopic``, ``OffsetOutOfRange`` (a log that lost its tail), ``KafkaUnavailable``;
    ``RetentionGap`` when retention deletes a record between its lookup and the look at it: deciding again is safe.
    """
    instants = list(instants)
    _refuse_disorder(instants, previous, decided_at)
    return _decide(connection, topic, instants, previous, decided_at + skew)


def log_start_boundary(connection: KafkaConnection, topic: str, instant: datetime) -> Boundary:
    """The first boundary of a stream without a ``start``: everything that the log still has comes after it."""
    identity = topic_identity(connection, topic)
    return Boundary(instant, log_start_offsets(connection, topic, identity.partitions), identity.topic_id)


def oldest_record_hour(
    connection: KafkaConnection, topic: str, decided_at: datetime, skew: timedelta
) -> datetime | None:
    """The hour of the oldest record: the earliest stamp among the first records of the partitions.

    None for a topic without records. Records stamped after ``decided_at + skew`` or not at all are passed over.
    """
    identity = topic_identity(connection, topic)
    prefix = StablePrefix(connection, topic, identity.partitions, [EPOCH], below={}, limit=decided_at + skew)
    (records,) = prefix.records_at([0])
    if not records:
        return None
    return Cadence(60).floor(EPOCH + min(r.timestamp_ms for r in records.values()) * MILLISECOND)


def _refuse_disorder(instants: Sequence[datetime], previous: Boundary | None, decided_at: datetime) -> None:
    for earlier, later in pairwise([previous.instant, *instants] if previous else instants):
        if later <= earlier:
            raise BoundaryOrderError(f"boundaries are decided in time order: {later} does not come after {earlier}")
    if instants and instants[-1] > decided_at:
        raise BoundaryOrderError(f"the boundary at {instants[-1]} cannot be decided at {decided_at}, before its time")


def _decide(
    connection: KafkaConnection, topic: str, instants: Sequence[datetime], previous: Boundary | None, limit: datetime
) -> Iterator[Boundary]:
    if not instants:
        return
    identity = _same_topic(connection, topic, previous)
    below = previous.offsets if previous else {}
    prefix = StablePrefix(connection, topic, identity.partitions, instants, below=below, limit=limit)
    (last,) = prefix.offsets_at([len(instants) - 1])
    for instant, offsets in zip(instants, _between(prefix, range(len(instants)), prefix.floors, last), strict=True):
        yield Boundary(instant, offsets, identity.topic_id)


def _same_topic(connection: KafkaConnection, topic: str, previous: Boundary | None) -> TopicIdentity:
    identity = topic_identity(connection, topic)
    if previous is not None and previous.topic_id != identity.topic_id:
        raise TopicRecreated(topic, previous.topic_id, identity.topic_id)
    return identity


def _between(prefix: StablePrefix, indices: range, lower: Offsets, upper: Offsets) -> Iterator[Offsets]:
    """Offsets of the instants ``indices``, which all lie between ``lower`` and ``upper``."""
    if lower == upper:
        yield from (upper for _ in indices)
    elif len(indices) <= ASKED_AT_ONCE:
        for offsets in prefix.offsets_at(indices):
            yield _at_most(offsets, upper)
    else:
        middle = len(indices) // 2
        (asked,) = prefix.offsets_at([indices[middle]])
        at_middle = _at_most(asked, upper)
        yield from _between(prefix, indices[:middle], lower, at_middle)
        yield at_middle
        yield from _between(prefix, indices[middle + 1 :], at_middle, upper)


def _at_most(offsets: Offsets, upper: Offsets) -> Offsets:
    """Retention may delete records between two requests; the earlier answer for a later instant still bounds."""
    capped = {p: min(offset, upper[p]) for p, offset in offsets.items()}
    return upper if capped == upper else capped
