"""A broker that dies under a read or a write: a clear error within a known time, and the same records afterwards."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

from streamguard_assets.contracts.offsets import OffsetRange
from streamguard_assets.kafka.broker.lifecycle import start_broker, stop_broker
from streamguard_assets.kafka.client import KafkaConnection
from streamguard_assets.kafka.errors import DeliveryFailed, KafkaUnavailable
from streamguard_assets.kafka.offsets import last_stable_offsets
from streamguard_assets.kafka.producer import produce_lines
from streamguard_assets.kafka.reader import STALL_FACTOR, read_range
from streamguard_assets.kafka.topics import TopicLayout, create_topic
from streamguard_assets.settings import Settings
from streamguard_assets_tests.conftest import SettingsFactory

pytestmark = [pytest.mark.broker, pytest.mark.fault]

TIMEOUT_S = 1.0


@pytest.fixture
def own(brokerless_settings: SettingsFactory) -> Iterator[Settings]:
    """The settings of a broker of this test's own, stopped at its end."""
    settings = brokerless_settings()
    yield settings
    stop_broker(settings, grace_s=0)


def connect(settings: Settings) -> tuple[KafkaConnection, int]:
    """A broker on the state folder of ``settings``, and its process."""
    info = start_broker(settings, owner_pid=os.getpid(), grace_s=0)
    # small queues, so that a read cannot finish out of what was fetched before the kill
    options = {"bootstrap.servers": info.bootstrap_servers, "queued.max.messages.kbytes": 64}
    return KafkaConnection({**options, "fetch.message.max.bytes": 16_384}, int(TIMEOUT_S * 1_000)), info.pid


def test_a_read_ends_with_an_error_and_can_be_repeated(own: Settings) -> None:
    connection, pid = connect(own)
    create_topic(connection, "events", TopicLayout(2, 1, -1))
    produce_lines(connection, "events", [b"x" * 1_000] * 6_000)
    wanted = OffsetRange("events", {0: 0, 1: 0}, last_stable_offsets(connection, "events"))
    assert wanted.span == 6_000
    read = read_range(connection, wanted, chunk_records=50)
    first = next(read)
    os.kill(pid, signal.SIGKILL)
    began = time.monotonic()
    with pytest.raises(KafkaUnavailable, match="reading topic 'events'") as caught:
        list(read)
    assert time.monotonic() - began < TIMEOUT_S * STALL_FACTOR + 5
    assert connection.bootstrap_servers in str(caught.value)

    again, _ = connect(own)
    repeated = read_range(again, wanted, chunk_records=50)
    chunks = list(repeated)
    assert repeated.receipt.delivered == wanted.span
    assert first.offsets == next(c for c in chunks if c.partition == first.partition).offsets


def test_a_write_ends_with_an_error_that_names_its_line(own: Settings) -> None:
    connection, pid = connect(own)
    create_topic(connection, "events", TopicLayout(1, 1, -1))

    def lines() -> Iterator[bytes]:
        for number in range(1_000_000):
            if number == 2_000:
                os.kill(pid, signal.SIGKILL)
            yield b"x"

    began = time.monotonic()
    with pytest.raises(DeliveryFailed, match="line"):
        produce_lines(connection, "events", lines(), rate_per_s=50_000)
    assert time.monotonic() - began < 20
