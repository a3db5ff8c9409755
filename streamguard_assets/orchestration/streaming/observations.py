"""What a running stream tells Dagster about once a minute: observations of its live tables."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from dagster import AssetObservation, MetadataValue, OpExecutionContext
from dagster_shared.error import DagsterError

from streamguard_assets.orchestration.keys import asset_key
from streamguard_assets.orchestration.metadata import as_metadata
from streamguard_assets.streaming.live_tables import dashboard_definition
from streamguard_assets.streaming.progress import StreamSnapshot
from streamguard_assets.streaming.supervision.heartbeat import Heartbeat
from streamguard_assets.windows.stream import Stream

EVENTS, QUARANTINE, DASHBOARD = "live/events", "live/quarantine", "live/dashboard"

_LOG = logging.getLogger(__name__)


class Observer:
    """Called with each heartbeat; observes the live tables of ``stream`` every ``interval``."""

    def __init__(self, context: OpExecutionContext, stream: Stream, interval: timedelta) -> None:
        self._context = context
        self._stream = stream.name
        self._hidden = frozenset() if dashboard_definition(stream) is not None else frozenset({DASHBOARD})
        self._interval = interval
        self._next: datetime | None = None

    def __call__(self, heartbeat: Heartbeat) -> None:
        at = heartbeat.snapshot.at
        if self._next is None:
            self._next = at + self._interval  # at its first beat a stream has nothing to tell
        if at < self._next and not heartbeat.is_over:
            return
        self._next = at + self._interval
        try:
            for asset, metadata in observed(heartbeat).items():
                if asset not in self._hidden:
                    self._context.log_event(AssetObservation(asset_key(self._stream, asset), metadata=metadata))
        except Exception as fault:
            if not _is_of_storage(fault):
                raise
            # Dagster's storage may be away for a while: no reason to stop a stream that lands its events.
            _LOG.warning("the stream could not be observed: %s", fault)


def _is_of_storage(fault: Exception) -> bool:
    # Imported here: loading the code location touches no database, and this import costs a third of a second.
    from sqlalchemy.exc import SQLAlchemyError

    return isinstance(fault, DagsterError | SQLAlchemyError)


def observed(heartbeat: Heartbeat) -> dict[str, dict[str, MetadataValue]]:
    """Metadata by live asset; what is not known yet is left out."""
    now = heartbeat.snapshot
    host = {"owner": now.owner, "metrics": heartbeat.host.metrics, "code": heartbeat.host.code}
    return {
        EVENTS: _known({**_flow(now), **_times(now), "table_version": now.version, **host}),
        QUARANTINE: _known({"rejected": now.rejected}),
        DASHBOARD: _known(
            {"late_events": now.late, "state_rows": now.dashboard_rows, "state_bytes": now.dashboard_state_bytes}
        ),
    }


def _flow(now: StreamSnapshot) -> dict[str, Any]:
    return {
        "phase": now.phase.value,
        "offsets": _by_partition(now.positions),
        "end_offsets": _by_partition(now.end_offsets),
        "lag_events": now.lag_events,
        "lag_s": round(now.lag_s, 3),
        "events_per_s": round(now.events_per_s, 1),
        "events": now.events,
        "rejected": now.rejected,
        "commits": now.commits,
    }


def _times(now: StreamSnapshot) -> dict[str, Any]:
    names = ("commit_ms_p50", "commit_ms_p99", "latency_ms_p50", "latency_ms_p99")
    return {name: None if (value := getattr(now, name)) is None else round(value, 1) for name in names}


def _by_partition(offsets: Any) -> dict[str, int]:
    return {str(partition): offset for partition, offset in sorted(offsets.items())}


def _known(values: dict[str, Any]) -> dict[str, MetadataValue]:
    return {name: as_metadata(value) for name, value in values.items() if value is not None}
