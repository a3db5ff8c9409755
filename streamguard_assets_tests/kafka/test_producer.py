"""Producing lines: every line once, stamped and keyed as asked, at the asked rate; failures name their line."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from streamguard_assets.contracts.offsets import OffsetRange
from streamguard_assets.kafka.chunks import RawChunk
from streamguard_assets.kafka.client import KafkaConnection
from streamguard_assets.kafka.errors import DeliveryFailed, KafkaUnavailable, UnknownTopic
from streamguard_assets.kafka.offsets import last_stable_offsets, log_start_offsets
from streamguard_assets.kafka.producer import produce_lines
from streamguard_assets.kafka.reader import read_range
from streamguard_assets_tests.waiting import wait_until

pytestmark = [pytest.mark.broker]


def records(connection: KafkaConnection, topic: str) -> list[RawChunk]:
    whole = OffsetRange(topic, log_start_offsets(connection, topic), last_stable_offsets(connection, topic))
    return list(read_range(connection, whole, with_keys=True))


def test_every_line_becomes_one_record(connection: KafkaConnection, fresh_topic) -> None:
    topic = fresh_topic(partitions=3)
    told: list[int] = []
    lines = [b"%d\n" % n for n in range(2_500)]
    report = produce_lines(connection, topic, [*lines, b"\r\n", b"  \n"], progress=told.append)
    values = sorted(int(v or b"-1") for chunk in records(connection, topic) for v in chunk.values)
    assert values == list(range(2_500))
    assert (report.sent, report.produced, report.blank, report.unstamped) == (2_500, 2_500, 2, 0)
    assert report.last_offsets == {p: end - 1 for p, end in last_stable_offsets(connection, topic).items() if end}
    assert told == [1_000, 2_000, 2_500]


def test_only_the_end_of_the_line_is_cut_off(connection: KafkaConnection, fresh_topic) -> None:
    topic = fresh_topic(partitions=1)
    produce_lines(connection, topic, [b" a \r\n", b"\x00\xff", b"b\t\n"])
    assert records(connection, topic)[0].values == [b" a ", b"\x00\xff", b"b\t"]


def test_event_time_stamps_and_keys(connection: KafkaConnection, fresh_topic) -> None:
    topic = fresh_topic(partitions=1)
    before_ms = int(time.time() * 1000)

    def stamp_of(line: bytes) -> int | None:
        return int(line) if line.isdigit() else None

    lines = [b"2000", b"1000", b"no time"]
    report = produce_lines(
        connection, topic, lines, timestamps="event", timestamp_of=stamp_of, key_of=lambda line: line[:1]
    )
    (chunk,) = records(connection, topic)
    assert chunk.timestamps_ms[:2] == [2_000, 1_000]
    assert chunk.timestamps_ms[2] >= before_ms
    assert chunk.keys == [b"2", b"1", b"n"]
    assert (report.unstamped, report.earliest_ms, report.latest_ms) == (1, 1_000, 2_000)
    assert report.last_offsets == {0: 2}


def test_now_ignores_event_time(connection: KafkaConnection, fresh_topic) -> None:
    topic = fresh_topic(partitions=1)
    produce_lines(connection, topic, [b"1000"], timestamps="now", timestamp_of=int)
    assert records(connection, topic)[0].timestamps_ms[0] > 1_000_000_000_000


def test_a_rate_is_kept(connection: KafkaConnection, fresh_topic) -> None:
    began, spent = time.monotonic(), time.process_time()
    produce_lines(connection, fresh_topic(), [b"x"] * 100, rate_per_s=200)
    took = time.monotonic() - began
    assert took >= 0.49
    assert time.process_time() - spent < took  # waited, not spun


def test_the_line_that_was_refused_is_named(connection: KafkaConnection, fresh_topic) -> None:
    """Alone in its batch here: the broker refuses a batch whole, and does not say for which of its records."""
    topic = fresh_topic(partitions=1)
    in_2100 = 4_102_444_800_000

    def lines() -> Iterator[bytes]:
        yield b"1000"
        yield b""
        assert wait_until(lambda: last_stable_offsets(connection, topic) == {0: 1})
        yield b"%d" % in_2100

    with pytest.raises(DeliveryFailed, match=f"line 3 .*{topic}") as caught:
        produce_lines(connection, topic, lines(), timestamps="event", timestamp_of=int)
    assert caught.value.line_number == 3


def test_a_line_too_large_for_its_topic_is_named(connection: KafkaConnection, fresh_topic) -> None:
    topic = fresh_topic(partitions=1, config={"max.message.bytes": "5000"})
    with pytest.raises(DeliveryFailed, match="line 3 "):
        produce_lines(connection, topic, [b"x", b"", b"y" * 5_001, b"x"])


def test_a_topic_of_small_batches_takes_many_lines(connection: KafkaConnection, fresh_topic) -> None:
    topic = fresh_topic(partitions=1, config={"max.message.bytes": "2000"})
    lines = [b"%0500d" % n for n in range(1_000)]
    assert produce_lines(connection, topic, lines).produced == 1_000


def test_a_line_of_one_megabyte_is_taken(connection: KafkaConnection, fresh_topic) -> None:
    assert produce_lines(connection, fresh_topic(), [b"y" * 1_048_000]).produced == 1


def test_an_unknown_topic_is_told_and_not_made(connection: KafkaConnection, fresh_topic) -> None:
    topic = fresh_topic()
    with pytest.raises(UnknownTopic, match=topic):
        produce_lines(connection, topic + "x", [b"x"])


def test_a_missing_cluster_is_told_in_time() -> None:
    began = time.monotonic()
    with pytest.raises(KafkaUnavailable):
        produce_lines(KafkaConnection({"bootstrap.servers": "127.0.0.1:1"}, 500), "any", [b"x"])
    assert time.monotonic() - began < 3


def test_an_interrupt_of_the_lines_comes_through(connection: KafkaConnection, fresh_topic) -> None:
    def lines() -> Iterator[bytes]:
        yield b"x"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        produce_lines(connection, fresh_topic(), lines())


@pytest.mark.parametrize(
    ("options", "message"), [({"timestamps": "event"}, "timestamp_of"), ({"rate_per_s": 0}, "rate_per_s")]
)
def test_impossible_options_are_refused(connection: KafkaConnection, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        produce_lines(connection, "any", [], **options)
