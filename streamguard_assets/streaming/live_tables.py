"""The live tables of a stream: their names and columns, from the contract and the dashboard that they follow."""

from __future__ import annotations

import pyarrow as pa

from streamguard_assets.analytics.analyses.analysis import Analysis
from streamguard_assets.analytics.dashboards import fitting_dashboard
from streamguard_assets.contracts.contract import Contract
from streamguard_assets.lake.live.table import LiveTable
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.lake.quarantine import ATTEMPT
from streamguard_assets.lake.quarantine import SCHEMA as QUARANTINE_SCHEMA
from streamguard_assets.lake.schema import WINDOW
from streamguard_assets.windows.stream import Stream

EVENTS = "events"
QUARANTINE = "quarantine"
ALERTS = "alerts"
DASHBOARD = "dashboard"


def live_events(stream: Stream) -> LiveTable:
    """Accepted events of ``stream`` as they arrive; its commits carry the offsets that the stream has come to."""
    return events_table(stream.location, stream.name, stream.contract)


def events_table(location: LakeLocation, stream: str, rules: Contract) -> LiveTable:
    """The same from its parts, for processes that are handed no more."""
    return LiveTable(
        location,
        stream,
        EVENTS,
        _without(rules.events_schema(), WINDOW),
        f"Events of {stream} as the stream wrote them, until complete windows hold them",
        provenance=rules.provenance_columns,
    )


def live_quarantine(stream: Stream) -> LiveTable:
    """Rejected records of ``stream`` as they arrive; those below the positions of ``live/events`` count."""
    return quarantine_table(stream.location, stream.name)


def quarantine_table(location: LakeLocation, stream: str) -> LiveTable:
    """The same from its parts."""
    return LiveTable(
        location,
        stream,
        QUARANTINE,
        _without(QUARANTINE_SCHEMA, WINDOW, ATTEMPT),
        f"Records of {stream} that the stream rejected, with their raw bytes",
    )


def dashboard_definition(stream: Stream) -> Analysis | None:
    """The dashboard that fits the contract of ``stream``; None where there is none."""
    return fitting_dashboard(stream.contract.events_schema().names)


def live_dashboard(stream: Stream) -> LiveTable | None:
    """The dashboard of ``stream``: sliding windows of its events; None where no dashboard fits its contract."""
    definition = dashboard_definition(stream)
    if definition is None:
        return None
    return LiveTable(stream.location, stream.name, DASHBOARD, definition.schema, definition.description)


def _without(schema: pa.Schema, *names: str) -> pa.Schema:
    return pa.schema([field for field in schema if field.name not in names], metadata=schema.metadata)
