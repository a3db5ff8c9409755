"""The live tables of a stream: their names and columns, from the contract and the dashboard that they follow."""

from __future__ import annotations

from streamguard_assets.analytics.analyses.analysis import Analysis
from streamguard_assets.analytics.dashboards import fitting_dashboard
from streamguard_assets.lake.live.table import LiveTable
from streamguard_assets.streaming.live_place import events_table, quarantine_table
from streamguard_assets.windows.stream import Stream

DASHBOARD = "dashboard"


def live_events(stream: Stream) -> LiveTable:
    """Accepted events of ``stream`` as they arrive; its commits carry the offsets that the stream has come to."""
    return events_table(stream.location, stream.name, stream.contract)


def live_quarantine(stream: Stream) -> LiveTable:
    """Rejected records of ``stream`` as they arrive; those below the positions of ``live/events`` count."""
    return quarantine_table(stream.location, stream.name)


def dashboard_definition(stream: Stream) -> Analysis | None:
    """The dashboard that fits the contract of ``stream``; None where there is none."""
    return fitting_dashboard(stream.contract.events_schema().names)


def live_dashboard(stream: Stream) -> LiveTable | None:
    """The dashboard of ``stream``: sliding windows of its events; None where no dashboard fits its contract."""
    definition = dashboard_definition(stream)
    if definition is None:
        return None
    return LiveTable(stream.location, stream.name, DASHBOARD, definition.schema, definition.description)
