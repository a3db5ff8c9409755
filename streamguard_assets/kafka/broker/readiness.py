"""When a broker that was started counts as running: it serves the metadata of its own cluster."""

from __future__ import annotations

import time

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streamguard_assets.processes.identity import ProcessIdentity

_TURN_S = 0.5


class NotReadyError(Exception):
    """The broker ended, or did not serve metadata in time."""


def wait_until_ready(bootstrap_servers: str, cluster_id: str, process: ProcessIdentity, timeout_s: float) -> None:
    """Return once the broker answers as a member of ``cluster_id``; ``NotReadyError`` says why it does not.

    The cluster is compared because another program may have got the port first, another Kafka even.
    """
    admin = AdminClient(
        {
            "bootstrap.servers": bootstrap_servers,
            # Refused connections are what this waits through: try again soon, and do not print each one.
            "reconnect.backoff.ms": "20",
            "reconnect.backoff.max.ms": "100",
            "log_level": "0",
        }
    )
    deadline = time.monotonic() + timeout_s
    while (left_s := deadline - time.monotonic()) > 0:
        if not process.is_alive():
            raise NotReadyError("it ended during its start")
        try:
            metadata = admin.list_topics(timeout=min(_TURN_S, left_s))
        except KafkaException:  # not there yet; list_topics has waited for the whole turn
            continue
        if metadata.cluster_id == cluster_id and metadata.brokers:
            return
        if metadata.cluster_id != cluster_id:
            raise NotReadyError(f"another Kafka (cluster {metadata.cluster_id}) answers at {bootstrap_servers}")
    raise NotReadyError(f"it did not serve metadata within {timeout_s:g} s")
