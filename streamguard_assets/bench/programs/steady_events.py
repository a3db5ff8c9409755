"""``steady_events BOOTSTRAP_SERVERS TOPIC RATE_PER_S SECONDS``: events at a steady rate, stamped with the clock."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from itertools import cycle, islice

from streamguard_assets.bench.events import event_values
from streamguard_assets.kafka.client import KafkaConnection
from streamguard_assets.kafka.producer import produce_lines

DISTINCT_EVENTS = 20_000
"""Made once and sent round and round: making them must not cost the rate."""


def main(bootstrap_servers: str, topic: str, rate_per_s: str, seconds: str) -> None:
    connection = KafkaConnection({"bootstrap.servers": bootstrap_servers})
    values = event_values(DISTINCT_EVENTS, datetime.now(UTC))
    total = int(float(rate_per_s) * float(seconds))
    produce_lines(connection, topic, islice(cycle(values), total), rate_per_s=float(rate_per_s))


if __name__ == "__main__":
    main(*sys.argv[1:])
