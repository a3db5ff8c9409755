"""The events of the demo: the last hours of each stream at once, and then new ones when their time has come."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from streamguard_assets.generators.event import GeneratedEvent
from streamguard_assets.generators.retail.arrivals import STEADY, Arrivals
from streamguard_assets.generators.retail.distributions import PoolSizes
from streamguard_assets.generators.retail.live import Shop, transactions
from streamguard_assets.generators.security import generate_security_day, trickle
from streamguard_assets.kafka.offsets import epoch_ms
from streamguard_assets.windows.production import send_lines
from streamguard_assets.windows.stream import Stream

TRANSACTIONS_PER_S = 1.0
SHOP = Shop(PoolSizes(customers=600, products=120, stores=12))
"""Small enough that within hours customers come back and products sell more than once."""


@dataclass(frozen=True)
class DemoStream:
    """One stream of the demo: ``hours`` of the past to begin with, what they hold, and what comes after.

    ``past`` is given seed, begin and end, ``live`` seed and begin; the same seed continues the same company and shop.
    """

    name: str
    hours: int
    past: Callable[[int, datetime, datetime], list[GeneratedEvent]]
    live: Callable[[int, datetime], Iterator[GeneratedEvent]]


def _security_day(seed: int, begin: datetime, until: datetime) -> list[GeneratedEvent]:
    return generate_security_day(seed, begin, (until - begin) / timedelta(hours=1)).events


def _sales(seed: int, begin: datetime, until: datetime) -> list[GeneratedEvent]:
    until_ms = epoch_ms(until)
    return list(takewhile(lambda event: event.timestamp_ms < until_ms, _live_sales(seed, begin)))


def _live_sales(seed: int, begin: datetime) -> Iterator[GeneratedEvent]:
    # The instant is part of the seed: events after another begin are other transactions, with ids of their own.
    begin_ms = epoch_ms(begin)
    return transactions(seed + begin_ms, Arrivals(begin_ms, TRANSACTIONS_PER_S, STEADY).times_ms, SHOP)


SECURITY = DemoStream("security", 26, _security_day, trickle)
"""A day of lookback for the newest closed window, wherever in its hour the demo starts."""

RETAIL = DemoStream("transactions", 6, _sales, _live_sales)


class Trickle:
    """Live events of a stream from a thread of its own, each sent when its time has come."""

    def __init__(self, stream: Stream, events: Iterator[GeneratedEvent]) -> None:
        self._stream = stream
        self._events = events
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"trickle-{stream.name}")

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        send_lines(self._stream, (event.value for event in self._due()), by_event_time=True)

    def _due(self) -> Iterator[GeneratedEvent]:
        for event in self._events:
            if self._stop.wait(max(0.0, event.timestamp_ms / 1000 - time.time())):
                return
            yield event
