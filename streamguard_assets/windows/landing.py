"""Where the records of a window land: its partition of ``events``, and of ``quarantine``."""

from __future__ import annotations

from dataclasses import dataclass

from streamguard_assets.contracts.contract import Contract
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.lake.quarantine import Quarantine, QuarantineStager
from streamguard_assets.lake.staging import FileStager
from streamguard_assets.lake.window_table import WindowTable


@dataclass(frozen=True)
class WindowLanding:
    """The tables of one window of a stream."""

    location: LakeLocation
    stream: str
    window: str

    @property
    def name(self) -> str:
        return self.window

    def rows(self, rules: Contract, attempt: str, file_rows: int) -> FileStager:
        schema, provenance = rules.events_schema(), rules.provenance_columns
        table = WindowTable(self.location, self.stream, "events", schema, provenance=provenance, file_rows=file_rows)
        return table.stager(self.window, attempt)

    def rejects(self, attempt: str, file_rows: int) -> QuarantineStager:
        return Quarantine(self.location, self.stream).stager(self.window, attempt, file_rows)
