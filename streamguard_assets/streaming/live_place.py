"""Where live rows land: the two tables that are written from Kafka, from no more than their parts.

A module of its own, and a small one: each worker process loads it before it does anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from streamguard_assets.contracts.contract import Contract
from streamguard_assets.lake.live.table import LiveTable
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.lake.quarantine import ATTEMPT
from streamguard_assets.lake.quarantine import SCHEMA as QUARANTINE_SCHEMA
from streamguard_assets.lake.schema import WINDOW
from streamguard_assets.windows.reading import Stager

EVENTS = "events"
QUARANTINE = "quarantine"


@dataclass(frozen=True)
class LivePlace:
    """Where the records of a slice land: the live tables of a stream, on the day of the commit. Sent to workers."""

    location: LakeLocation
    stream: str
    live_date: date

    @property
    def name(self) -> str:
        return f"live rows of {self.stream}"

    def rows(self, rules: Contract, attempt: str, file_rows: int) -> Stager:
        return events_table(self.location, self.stream, rules).stager(self.live_date, attempt, file_rows)

    def rejects(self, attempt: str, file_rows: int) -> Stager:
        return quarantine_table(self.location, self.stream).stager(self.live_date, attempt, file_rows)


def events_table(location: LakeLocation, stream: str, rules: Contract) -> LiveTable:
    """Accepted events of ``stream`` as they arrive."""
    return LiveTable(
        location,
        stream,
        EVENTS,
        _without(rules.events_schema(), WINDOW),
        f"Events of {stream} as the stream wrote them, until complete windows hold them",
        provenance=rules.provenance_columns,
    )


def quarantine_table(location: LakeLocation, stream: str) -> LiveTable:
    """Rejected records of ``stream`` as they arrive."""
    return LiveTable(
        location,
        stream,
        QUARANTINE,
        _without(QUARANTINE_SCHEMA, WINDOW, ATTEMPT),
        f"Records of {stream} that the stream rejected, with their raw bytes",
    )


def _without(schema: pa.Schema, *names: str) -> pa.Schema:
    return pa.schema([field for field in schema if field.name not in names], metadata=schema.metadata)
