"""``producing BOOTSTRAP_SERVERS TOPIC JOURNAL …``: numbered events until SIGTERM, through any loss of the broker.

Two producers of different kinds write to every partition: an idempotent one, and a transactional one that aborts some
of its transactions after their records have reached the log. Some records of both are malformed.
"""

from __future__ import annotations

import argparse
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from streamguard_assets.chaos.journal import Fate, JournalWriter
from streamguard_assets.chaos.numbered_events import IDEMPOTENT, TRANSACTIONAL, NumberedEvent
from streamguard_assets.processes.parent import die_with_parent

BAD_SHARE = 0.03
ABORTED_SHARE = 0.3
MOST_RECORDS_PER_TRANSACTION = 20
TURN_S = 0.01
DELIVERY_TIMEOUT_MS = 300_000
"""Longer than any broker of a harness is away: an idempotent record is then never given up."""
CALL_TIMEOUT_S = 5.0
"""Of one call of the transactional interface; after it the call is repeated, or the producer replaced."""
COMMON: dict[str, Any] = {
    "allow.auto.create.topics": False,
    "reconnect.backoff.max.ms": 500,
    "linger.ms": 5,
    "log_level": 0,  # a broker that is killed on purpose is no news
}

Record = tuple[str, int, int]
"""Event id, partition, offset."""


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parse(arguments)
    die_with_parent(options.parent)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with JournalWriter(options.journal) as journal:
        writers = [
            IdempotentWriter(options.servers, options.topic, options.partitions, journal),
            TransactionalWriter(options.servers, options.topic, options.partitions, journal),
        ]
        threads = [
            threading.Thread(target=writer.write_until, args=(stop, options.rate, random.Random(options.seed + i)))
            for i, writer in enumerate(writers)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


class IdempotentWriter:
    """Records that Kafka takes once, whatever is repeated on the way."""

    def __init__(self, servers: str, topic: str, partitions: int, journal: JournalWriter) -> None:
        self._topic, self._partitions, self._journal = topic, partitions, journal
        self._producer = Producer(
            {
                **COMMON,
                "bootstrap.servers": servers,
                "enable.idempotence": True,
                "message.timeout.ms": DELIVERY_TIMEOUT_MS,
            }
        )

    def write_until(self, stop: threading.Event, rate_per_s: float, chance: random.Random) -> None:
        """Two thirds of ``rate_per_s``; at the end every record is waited for."""
        numbers = count()
        for due in _paced(stop, rate_per_s * 2 / 3):
            for _ in range(due):
                event = NumberedEvent(IDEMPOTENT, next(numbers), chance.random() >= BAD_SHARE)
                _produce(self._producer, self._topic, event, self._partitions, partial(self._told, event.event_id))
            self._producer.poll(0)
        self._producer.flush(DELIVERY_TIMEOUT_MS / 1_000)

    def _told(self, event_id: str, error: KafkaError | None, message: Message) -> None:
        if error is None:  # else its fate is unknown, and the log is the judge
            self._journal.note(Fate.COMMITTED, [_place(event_id, message)])


class TransactionalWriter:
    """Transactions, of which some are aborted when all their records are in the log."""

    def __init__(self, servers: str, topic: str, partitions: int, journal: JournalWriter) -> None:
        self._options = {**COMMON, "bootstrap.servers": servers, "transactional.id": f"chaos-{topic}"}
        self._topic, self._partitions, self._journal = topic, partitions, journal

    def write_until(self, stop: threading.Event, rate_per_s: float, chance: random.Random) -> None:
        """A third of ``rate_per_s``. A producer that met an error which it cannot get over is replaced."""
        numbers = count()
        while not stop.is_set():
            with suppress(KafkaException):  # the broker is away: what was open is for the log to judge
                producer = Producer(self._options)
                _insisting(stop, producer.init_transactions)
                self._write_with(producer, numbers, stop, rate_per_s / 3, chance)

    def _write_with(
        self,
        producer: Producer,
        numbers: Iterator[int],
        stop: threading.Event,
        rate_per_s: float,
        chance: random.Random,
    ) -> None:
        debt = 0
        for due in _paced(stop, rate_per_s):
            debt += due
            size = chance.randint(1, MOST_RECORDS_PER_TRANSACTION)
            if debt >= size:
                debt -= size
                self._transaction(producer, [next(numbers) for _ in range(size)], stop, chance)

    def _transaction(
        self, producer: Producer, numbers: Sequence[int], stop: threading.Event, chance: random.Random
    ) -> None:
        taken: list[Record] = []

        def told(event_id: str, error: KafkaError | None, message: Message) -> None:
            if error is None:
                taken.append(_place(event_id, message))

        producer.begin_transaction()
        for number in numbers:
            event = NumberedEvent(TRANSACTIONAL, number, chance.random() >= BAD_SHARE)
            _produce(producer, self._topic, event, self._partitions, partial(told, event.event_id))
        if chance.random() < ABORTED_SHARE:
            producer.flush(CALL_TIMEOUT_S)  # an abort drops what is still queued: it must be in the log first
            _insisting(stop, producer.abort_transaction)
            self._journal.note(Fate.ABORTED, taken)
        else:
            _insisting(stop, producer.commit_transaction)
            self._journal.note(Fate.COMMITTED, taken)


def _insisting(stop: threading.Event, call: Callable[[float], object]) -> None:
    """Repeat a call of the transactional interface while it may be repeated and nobody stops us."""
    while True:
        try:
            call(CALL_TIMEOUT_S)
            return
        except KafkaException as error:
            if not error.args[0].retriable() or stop.is_set():
                raise


def _paced(stop: threading.Event, rate_per_s: float) -> Iterator[int]:
    """How many records are due, again and again until ``stop``."""
    began, sent = time.monotonic(), 0
    while not stop.wait(TURN_S):
        due = int((time.monotonic() - began) * rate_per_s) - sent
        sent += due
        yield due


def _produce(
    producer: Producer,
    topic: str,
    event: NumberedEvent,
    partitions: int,
    told: Callable[[KafkaError | None, Message], None],
) -> None:
    moment_ms = time.time_ns() // 1_000_000
    while True:
        try:
            producer.produce(
                topic,
                event.value(moment_ms),
                key=event.key,
                partition=event.number % partitions,
                timestamp=moment_ms,
                on_delivery=told,
            )
            return
        except BufferError:  # the broker has been away for long
            producer.poll(0.1)


def _place(event_id: str, message: Message) -> Record:
    partition, offset = message.partition(), message.offset()
    assert partition is not None
    assert offset is not None, "Kafka names the place of a record that it took"
    return event_id, partition, offset


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="producing", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("servers")
    parser.add_argument("topic")
    parser.add_argument("journal", type=Path)
    parser.add_argument("--partitions", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True, help="events per second of both producers")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--parent", type=int, required=True, help="the process with which this one ends")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
