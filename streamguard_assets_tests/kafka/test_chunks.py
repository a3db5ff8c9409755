"""The buffer between Kafka's messages and chunks of one size."""

from __future__ import annotations

import pytest
from confluent_kafka import Message

from streamguard_assets.kafka.chunks import ChunkBuffer, RawChunk


def message(offset: int) -> Message:
    return Message(topic="t", partition=3, offset=offset, key=b"k", value=b"%d" % offset, timestamp=(1, 1_000 + offset))


def fill(buffer: ChunkBuffer, offsets: range) -> list[RawChunk]:
    return list(buffer.add([message(o) for o in offsets], list(offsets)))


@pytest.mark.parametrize("with_keys", [True, False])
def test_chunks_are_full_but_for_the_last(with_keys: bool) -> None:
    buffer = ChunkBuffer("t", 3, 4, with_keys=with_keys)
    chunks = fill(buffer, range(3)) + fill(buffer, range(3, 10)) + list(buffer.rest()) + list(buffer.rest())
    assert [chunk.offsets for chunk in chunks] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    for chunk in chunks:
        assert (chunk.topic, chunk.partition) == ("t", 3)
        assert chunk.values == [b"%d" % o for o in chunk.offsets]
        assert chunk.timestamps_ms == [1_000 + o for o in chunk.offsets]
        assert chunk.keys == ([b"k"] * len(chunk) if with_keys else None)


def test_a_chunk_can_be_cut_from_the_front() -> None:
    (chunk,) = fill(ChunkBuffer("t", 3, 4, with_keys=True), range(4))
    rest = chunk.since(3)
    assert (rest.offsets, rest.timestamps_ms, rest.keys, rest.values) == ([3], [1_003], [b"k"], [b"3"])
