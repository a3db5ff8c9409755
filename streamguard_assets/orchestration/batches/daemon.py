"""Whether somebody takes runs out of the instance's queue."""

from __future__ import annotations

from datetime import datetime

from dagster import DagsterInstance

HEARTBEAT_S = 30
"""The daemon's own interval; it writes a heartbeat at its start too."""
LATENESS_S = 10
_QUEUE_DAEMON = "QUEUED_RUN_COORDINATOR"


def queue_is_served(instance: DagsterInstance, now: datetime) -> bool:
    """Whether a daemon that launches queued runs gave a sign of life within its interval."""
    status = instance.get_daemon_heartbeats().get(_QUEUE_DAEMON)
    return status is not None and now.timestamp() - status.timestamp <= HEARTBEAT_S + LATENESS_S
