"""Raw records as they leave Kafka: columns of one partition, and the buffer that cuts them to size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from confluent_kafka import Message


@dataclass(frozen=True, slots=True)
class RawChunk:
    """Consecutive records of one partition, offsets ascending; all lists have the same length.

    ``timestamps_ms`` holds -1 where the record has none; ``keys`` is None when keys were not asked for; a value of
    None is a tombstone.
    """

    topic: str
    partition: int
    offsets: list[int]
    timestamps_ms: list[int]
    keys: list[bytes | None] | None
    values: list[bytes | None]

    def __len__(self) -> int:
        return len(self.offsets)

    def since(self, index: int) -> RawChunk:
        """The same chunk without its first ``index`` records."""
        return RawChunk(
            self.topic,
            self.partition,
            self.offsets[index:],
            self.timestamps_ms[index:],
            None if self.keys is None else self.keys[index:],
            self.values[index:],
        )


class ChunkBuffer:
    """Collects records of one partition and hands them out ``chunk_records`` at a time."""

    __slots__ = ("_chunk_records", "_keys", "_offsets", "_partition", "_timestamps_ms", "_topic", "_values")

    def __init__(self, topic: str, partition: int, chunk_records: int, *, with_keys: bool) -> None:
        self._topic = topic
        self._partition = partition
        self._chunk_records = chunk_records
        self._offsets: list[int] = []
        self._timestamps_ms: list[int] = []
        self._keys: list[bytes | None] | None = [] if with_keys else None
        self._values: list[bytes | None] = []

    def add(self, messages: Sequence[Message], offsets: list[int]) -> Iterator[RawChunk]:
        """Append records and yield the chunks that are full. ``map`` over C methods is the fast way to columns."""
        self._offsets += offsets
        self._timestamps_ms += [stamp for _, stamp in map(Message.timestamp, messages)]
        self._values += map(Message.value, messages)
        if self._keys is not None:
            self._keys += map(Message.key, messages)
        while len(self._offsets) >= self._chunk_records:
            yield self._cut(self._chunk_records)

    def rest(self) -> Iterator[RawChunk]:
        """The last chunk, when there is one."""
        if self._offsets:
            yield self._cut(len(self._offsets))

    def _cut(self, count: int) -> RawChunk:
        chunk = RawChunk(
            self._topic,
            self._partition,
            self._offsets[:count],
            self._timestamps_ms[:count],
            None if self._keys is None else self._keys[:count],
            self._values[:count],
        )
        del self._offsets[:count], self._timestamps_ms[:count], self._values[:count]
        if self._keys is not None:
            del self._keys[:count]
        return chunk
