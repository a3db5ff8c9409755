"""The verdicts of the reconciliation: one row per window, replaced when it is compared again."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum

import polars as pl
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, write_deltalake

from streamguard_assets.contracts.schemas import COMMENT, WINDOW_FIELD
from streamguard_assets.lake.fence import Pause, commit_fenced
from streamguard_assets.lake.live.table import FOLDER
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.lake.schema import WINDOW, polars_schema
from streamguard_assets.lake.tables import TableHandle, scan_table

ASSET = f"{FOLDER}/reconciled"
APP_ID = "streamguard/reconciled"


class Verdict(StrEnum):
    """What a comparison of live rows with their window came to."""

    SAME = "same"
    """The same offsets, each once, with the same content: the live rows may go."""
    DIFFERENT = "different"
    """They differ; a person has to look."""
    MORE = "more"
    """Where the window had to be built without what Kafka had deleted, live rows are all there is: they stay."""


SCHEMA = pa.schema(
    [
        WINDOW_FIELD,
        pa.field("content", pa.string(), metadata={COMMENT: "content hash of the window's events"}),
        pa.field("live_version", pa.int64(), metadata={COMMENT: "version of live/events that was compared"}),
        pa.field("rows", pa.int64(), metadata={COMMENT: "live rows that were compared"}),
        pa.field("rejected", pa.int64(), metadata={COMMENT: "rejected live records that were compared"}),
        pa.field("rejudged", pa.int64(), metadata={COMMENT: "live records of another contract: offsets compared only"}),
        pa.field("verdict", pa.string(), metadata={COMMENT: "same, different, or more: live rows know more"}),
        pa.field("finding", pa.string(), metadata={COMMENT: "what differs; null when nothing does"}),
        pa.field("compared_at", pa.timestamp("us", "UTC")),
        pa.field(
            "basis",
            pa.string(),
            metadata={COMMENT: "digest of all that the verdict rests on; compared anew when it changes"},
        ),
    ]
)
_DESCRIPTION = "Whether live rows and complete windows say the same, per window; live rows go only when they do"


@dataclass(frozen=True)
class WindowVerdict:
    """The verdict on one window; the fields are the columns of the table.

    ``basis`` names what was compared: the window's commit and its files, accepted and rejected, the offsets that both
    held, those of them that somebody had acknowledged as lost, and how many commits of other tools the live tables had.
    The verdict stands while all of these are the same.
    """

    window: str
    content: str
    live_version: int
    rows: int
    rejected: int
    rejudged: int
    verdict: Verdict
    finding: str | None
    compared_at: datetime
    basis: str


class VerdictTable:
    """The table ``<lake>/<stream>/live/reconciled``; created by the first verdicts, small, replaced by each commit."""

    def __init__(self, location: LakeLocation, stream: str, *, pause: Pause = time.sleep) -> None:
        self.uri = location.table(stream, ASSET)
        self._pause = pause
        self._handle = TableHandle(self.uri, location.storage_options)

    def verdicts(self) -> dict[str, WindowVerdict]:
        """The newest verdict per window."""
        if not self._handle.exists():
            return {}
        with self._handle.lock:
            return self._read(self._handle.current())

    def store(self, fresh: Sequence[WindowVerdict]) -> None:
        """Put ``fresh`` into the place of older verdicts on the same windows, in one commit; none: no commit.

        Two that store at once both land, one after the other; of the same window the newest comparison stays.
        """
        if not fresh:
            return
        self._handle.create(SCHEMA, [], _DESCRIPTION)

        def act(table: DeltaTable, properties: CommitProperties) -> None:
            rows = _frame(_newest(self._read(table), fresh))
            write_deltalake(table, rows.to_arrow(), mode="overwrite", commit_properties=properties)

        commit_fenced(self._handle, APP_ID, act, seed=f"{self.uri}{fresh[0]}", pause=self._pause)

    def _read(self, table: DeltaTable) -> dict[str, WindowVerdict]:
        rows = scan_table(table, self._handle.storage_options).select(SCHEMA.names).collect().sort(WINDOW)
        found = (WindowVerdict(**{**row, "verdict": Verdict(row["verdict"])}) for row in rows.iter_rows(named=True))
        return {verdict.window: verdict for verdict in found}


def _newest(stored: Mapping[str, WindowVerdict], fresh: Sequence[WindowVerdict]) -> list[WindowVerdict]:
    merged = dict(stored)
    for verdict in fresh:
        standing = merged.get(verdict.window)
        if standing is None or standing.compared_at <= verdict.compared_at:
            merged[verdict.window] = verdict
    return [merged[window] for window in sorted(merged)]


def _frame(verdicts: Sequence[WindowVerdict]) -> pl.DataFrame:
    return pl.DataFrame([asdict(verdict) for verdict in verdicts], schema=polars_schema(SCHEMA))
