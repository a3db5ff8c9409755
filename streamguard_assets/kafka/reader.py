"""Bounded reads: every committed record of an offset range, in chunks, with a receipt of what the log showed.

A read ends by position: a record at or past the end, or the end of the log. It never counts: transaction markers,
aborted and compacted records are offsets without a record, and a read that waits for them waits for ever.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from itertools import groupby
from typing import Any, Self

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from streamguard_assets.contracts.offsets import OffsetRange, ReadReceipt
from streamguard_assets.kafka.chunks import ChunkBuffer, RawChunk
from streamguard_assets.kafka.client import KafkaConnection, LastError
from streamguard_assets.kafka.errors import OffsetOutOfRange, RetentionGap, UnknownPartition
from streamguard_assets.kafka.offsets import last_stable_offsets, log_start_offsets
from streamguard_assets.kafka.progress import PartitionProgress
from streamguard_assets.kafka.topics import topic_identity

BATCH_RECORDS = 1_000
"""Records taken from librdkafka at once; more gains nothing."""

SMALL_READ_RECORDS = 5_000
"""Below this a read is over before the first large fetch would have arrived."""

POLL_S = 0.5
"""Longest wait in one call to librdkafka, during which an interrupt of the process is not seen."""

STALL_FACTOR = 3
"""A read that has begun is given up after this many request time-outs without progress."""

MISSING = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION})
"""Codes of an assignment to something that is not there; librdkafka itself would wait for it to come."""

COMMITTED: dict[str, Any] = {
    "isolation.level": "read_committed",
    "enable.partition.eof": True,
    # any other value silently jumps over what retention deleted
    "auto.offset.reset": "error",
    # how long a missing topic is taken for one that is just being made; 30 s by default
    "topic.metadata.propagation.max.ms": 1_000,
}
# the end of a log is only told by an empty fetch, which the broker holds back for 500 ms by default
END_WAIT: dict[str, Any] = {"fetch.wait.max.ms": 10}
LARGE_FETCH: dict[str, Any] = {
    **END_WAIT,
    # the default leaves a full partition alone for 1 s: 3 to 4 times slower
    "fetch.queue.backoff.ms": 5,
    # bounds memory when the caller is slower than the broker
    "queued.max.messages.kbytes": 64 * 1024,
}


def read_range(
    connection: KafkaConnection, offset_range: OffsetRange, *, chunk_records: int = 2_000, with_keys: bool = False
) -> RangeRead:
    """Read every committed record of ``offset_range`` and nothing else, in chunks of at most ``chunk_records``.

    Raises while iterating: ``RetentionGap`` when the log no longer has an offset of the range, also when retention
    deletes it in the middle; ``OffsetOutOfRange`` when the range ends past the last stable offset; ``UnknownTopic``;
    ``KafkaUnavailable`` when nothing has arrived after one request time-out, or nothing more after three.
    """
    ways = [PartitionProgress(p, offset_range.starts[p], offset_range.ends[p]) for p in offset_range.partitions]
    return RangeRead(connection, offset_range.topic, ways, chunk_records=chunk_records, with_keys=with_keys)


class RangeRead(Iterator[RawChunk]):
    """One pass over partitions of a topic. Its consumer is closed at the end, by ``close``, or by ``with``."""

    def __init__(
        self,
        connection: KafkaConnection,
        topic: str,
        ways: Sequence[PartitionProgress],
        *,
        chunk_records: int = 2_000,
        with_keys: bool = False,
    ) -> None:
        if chunk_records < 1:
            raise ValueError(f"chunk_records must be at least 1, not {chunk_records}")
        self.topic = topic
        self._connection = connection
        self._ways = {way.partition: way for way in ways}
        self._buffers = {
            way.partition: ChunkBuffer(topic, way.partition, chunk_records, with_keys=with_keys)
            for way in ways
            if not way.is_done
        }
        self._patience = _Patience(connection)
        self._is_exhausted = False
        self._chunks = self._read()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> RawChunk:
        return next(self._chunks)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop reading; harmless when all was read."""
        self._chunks.close()

    def leave(self, partition: int) -> None:
        """Read no more of ``partition``."""
        self._ways[partition].leave()

    @property
    def receipt(self) -> ReadReceipt:
        """What was delivered, and the holes seen; ``RuntimeError`` until the last chunk is out."""
        if not self._is_exhausted:
            raise RuntimeError(f"the read of topic {self.topic!r} is not finished: its receipt would be a guess")
        return ReadReceipt(self.topic, tuple(self._ways[p].receipt() for p in sorted(self._ways)))

    def _read(self) -> Generator[RawChunk]:
        if self._buffers:
            yield from self._read_from(self._open())
        self._is_exhausted = True

    def _open(self) -> Consumer:
        return self._connection.consumer(COMMITTED, self._fetch_options(), self._patience.last_error)

    def _read_from(self, consumer: Consumer) -> Generator[RawChunk]:
        try:
            consumer.assign([TopicPartition(self.topic, p, self._ways[p].position) for p in self._buffers])
            while self._buffers:
                covered = self._covered
                for partition, run in groupby(self._next_messages(consumer), Message.partition):
                    yield from self._deliver(partition, list(run))
                yield from self._drop_finished(consumer)
                self._refuse_missing()
                self._patience.note(progressed=self._covered > covered, doing=self._doing)
        except KafkaException as error:
            raise self._patience.failure(error.args[0], self._doing) from error
        finally:
            consumer.close()

    @property
    def _doing(self) -> str:
        return f"reading topic {self.topic!r}"

    @property
    def _covered(self) -> int:
        return sum(way.position for way in self._ways.values())

    def _fetch_options(self) -> dict[str, Any]:
        spans = [self._ways[p].remaining_span for p in self._buffers]
        if sum(spans) > SMALL_READ_RECORDS:
            return LARGE_FETCH
        # about 1 KiB per record wanted: a peek into 100 partitions must not fetch 25 MB
        return {**END_WAIT, "fetch.message.max.bytes": min(max(16 * 1024, max(spans) * 1024), 256 * 1024)}

    def _next_messages(self, consumer: Consumer) -> list[Message]:
        """What has arrived; waits only when nothing has. A wait for a full batch would wait at every end of a log."""
        if messages := consumer.consume(BATCH_RECORDS, 0):
            return messages
        message = consumer.poll(self._patience.poll_s)
        return [] if message is None else [message]

    def _deliver(self, partition: int | None, run: list[Message]) -> Iterator[RawChunk]:
        if not any(map(Message.error, run)):
            yield from self._deliver_records(partition, run)
            return
        for is_event, part in groupby(run, _is_event):
            if is_event:
                for event in part:
                    self._handle_event(partition, event)
            else:
                yield from self._deliver_records(partition, list(part))

    def _deliver_records(self, partition: int | None, records: list[Message]) -> Iterator[RawChunk]:
        if partition not in self._buffers:  # left over from a partition that is done
            return
        offsets: list[int] = list(map(Message.offset, records))  # pyright: ignore[reportAssignmentType]
        count = self._ways[partition].take(offsets)
        if count < len(offsets):
            records, offsets = records[:count], offsets[:count]
        yield from self._buffers[partition].add(records, offsets)

    def _drop_finished(self, consumer: Consumer) -> Iterator[RawChunk]:
        finished = [p for p in self._buffers if self._ways[p].is_done]
        if not finished:
            return
        if len(finished) < len(self._buffers):  # else the consumer is about to be closed
            consumer.incremental_unassign([TopicPartition(self.topic, p) for p in finished])
        for partition in finished:
            yield from self._buffers.pop(partition).rest()

    def _handle_event(self, partition: int | None, event: Message) -> None:
        error = event.error()
        way = None if partition is None else self._ways.get(partition)
        if error is None or (way is not None and way.is_done):
            return
        if way is not None and error.code() == KafkaError._PARTITION_EOF:
            way.reach(_offset(event))
            self._refuse_end_before(way)
        elif way is not None and error.code() == KafkaError._AUTO_OFFSET_RESET:
            self._explain_lost_position(way, error)
        elif error.code() in MISSING:
            self._patience.last_error(error)
        elif not error.retriable():
            raise self._patience.failure(error, self._doing)

    def _refuse_missing(self) -> None:
        if self._patience.last_error.code not in MISSING:
            return
        known = topic_identity(self._connection, self.topic).partitions  # raises, with the near names
        if missing := [p for p in self._buffers if p not in known]:
            raise UnknownPartition(self.topic, missing, len(known))
        self._patience.last_error.code = None  # it was there after all: a topic just made, or a new leader

    def _refuse_end_before(self, way: PartitionProgress) -> None:
        """The log has ended; when the range has not, tell a wrong range from a new leader that is still behind."""
        if way.is_done:
            return
        last_stable = last_stable_offsets(self._connection, self.topic, [way.partition])[way.partition]
        if last_stable < way.end:
            raise OffsetOutOfRange(self.topic, way.partition, way.end, last_stable)

    def _explain_lost_position(self, way: PartitionProgress, error: KafkaError) -> None:
        partitions = [way.partition]
        log_start = log_start_offsets(self._connection, self.topic, partitions)[way.partition]
        if log_start > way.position:
            raise RetentionGap(self.topic, way.partition, way.position, min(log_start, way.end))
        last_stable = last_stable_offsets(self._connection, self.topic, partitions)[way.partition]
        if last_stable < way.end:
            raise OffsetOutOfRange(self.topic, way.partition, way.end, last_stable)
        raise self._patience.failure(error, self._doing)


class _Patience:
    """Counts silent polls, each of known length, so that a dead cluster ends the read within a known time."""

    def __init__(self, connection: KafkaConnection) -> None:
        self.last_error = LastError()
        self.poll_s = min(POLL_S, connection.request_timeout_s)
        self._connection = connection
        self._begun = False
        self._silent_polls = 0

    def note(self, *, progressed: bool, doing: str) -> None:
        """Called once per poll; ``KafkaUnavailable`` when there were too many in a row without progress."""
        self._begun = self._begun or progressed
        self._silent_polls = 0 if progressed else self._silent_polls + 1
        bound_s = self._connection.request_timeout_s * (STALL_FACTOR if self._begun else 1)
        if self._silent_polls >= math.ceil(bound_s / self.poll_s):
            raise self._connection.unavailable(doing, f"no progress for {bound_s:g} s", self.last_error)

    def failure(self, error: KafkaError, doing: str) -> Exception:
        return self._connection.failure(error, doing, self.last_error)


def _is_event(message: Message) -> bool:
    return message.error() is not None


def _offset(message: Message) -> int:
    offset = message.offset()
    assert offset is not None, "librdkafka delivers every message and every end of partition with its offset"
    return offset
