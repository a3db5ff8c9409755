"""The boundary ledger of a stream: one row per instant, appended in time order, never changed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import polars as pl
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, write_deltalake

from streamguard_assets.contracts.offsets import Boundary
from streamguard_assets.contracts.windows import EPOCH, Cadence, window_key
from streamguard_assets.lake.care.compaction import compact
from streamguard_assets.lake.errors import LedgerConflict
from streamguard_assets.lake.fence import Pause, commit_fenced
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.lake.schema import polars_schema
from streamguard_assets.lake.tables import TableHandle, scan_table

ASSET = "offset_ranges"
APP_ID = "streamguard/ledger"
SCHEMA = pa.schema(
    [
        ("instant", pa.timestamp("us", "UTC")),
        ("window", pa.string()),
        ("offsets", pa.string()),
        ("topic", pa.string()),
        ("topic_id", pa.string()),
        ("cadence_minutes", pa.int32()),
        ("decided_at", pa.timestamp("us", "UTC")),
        ("code_version", pa.string()),
    ]
)
"""``instant`` begins the window ``window``; ``offsets`` is a JSON object of partition to first offset."""

COMPACT_FROM_FILES = 64
"""Every decision appends a small file; a year of hours would take seconds to open."""

_OFFSETS = msgspec.json.Decoder(dict[int, int])
_DESCRIPTION = "First offset of every partition at each boundary between windows; append-only"


class Ledger:
    """The ledger at ``<lake>/<stream>/offset_ranges``; created by its first insert.

    It belongs to one topic, one topic id and one cadence for ever: ``LedgerConflict`` when what is stored says
    otherwise.
    """

    def __init__(
        self,
        location: LakeLocation,
        stream: str,
        topic: str,
        cadence: Cadence,
        code_version: str = "",
        *,
        pause: Pause = time.sleep,
    ) -> None:
        self.uri = location.table(stream, ASSET)
        self._topic = topic
        self._cadence = cadence
        self._code_version = code_version
        self._pause = pause
        self._handle = TableHandle(self.uri, location.storage_options)
        self._table_id = ""
        self._version = -1
        self._stored: dict[datetime, Boundary] = {}

    def boundaries(self) -> list[Boundary]:
        """Every boundary, in time order; none when nothing was decided yet. Reads only what is new since last time."""
        if not self._handle.exists():
            return []
        with self._handle.lock:
            return list(self._followed(self._handle.current()).values())

    def last(self) -> Boundary | None:
        """The newest boundary, or None when nothing was decided yet."""
        stored = self.boundaries()
        return stored[-1] if stored else None

    def boundary(self, instant: datetime) -> Boundary | None:
        """The boundary at ``instant``, or None when it is not decided yet."""
        return self._stored.get(instant) if self.boundaries() else None

    def insert(self, boundary: Boundary, decided_at: datetime) -> Boundary:
        """``insert_many`` of one."""
        return self.insert_many([boundary], decided_at)[0]

    def insert_many(self, boundaries: Sequence[Boundary], decided_at: datetime) -> list[Boundary]:
        """Store the boundaries that are not stored yet, in one commit, and return all of them as they stand stored.

        Where somebody else was first, theirs is returned; it may differ from the one given. ``boundaries`` are
        consecutive instants, in time order.

        Raises ``LedgerConflict``, with nothing stored, when one does not follow its predecessor: not the next
        instant of the cadence, an offset below the one before, a partition gone, another topic id.
        """
        if not boundaries:
            return []
        self._handle.create(SCHEMA, [], _DESCRIPTION)

        def act(table: DeltaTable, properties: CommitProperties) -> None:
            stored = self._followed(table)
            fresh = [boundary for boundary in boundaries if boundary.instant not in stored]
            if not fresh:
                return
            before = next(reversed(stored.values()), None)
            for boundary in fresh:
                self._check_succession(before, boundary)
                before = boundary
            write_deltalake(
                table, self._rows(fresh, decided_at).to_arrow(), mode="append", commit_properties=properties
            )

        seed = f"{self.uri}{boundaries[0].instant.isoformat()}{decided_at.isoformat()}"
        commit_fenced(self._handle, APP_ID, act, seed=seed, pause=self._pause)
        self._compact_when_scattered()
        self.boundaries()
        return [self._settled(boundary) for boundary in boundaries]

    def _settled(self, wanted: Boundary) -> Boundary:
        stored = self._stored[wanted.instant]
        if stored.topic_id != wanted.topic_id:
            raise LedgerConflict(self._other_topic(wanted, stored))
        return stored

    def _check_succession(self, before: Boundary | None, boundary: Boundary) -> None:
        at = f"{self.uri}, boundary {boundary.instant.isoformat()}"
        if self._cadence.floor(boundary.instant) != boundary.instant:
            raise LedgerConflict(f"{at}: not an instant of the cadence of {self._cadence.minutes} minutes")
        if before is None:
            return
        if (expected := self._cadence.next(before.instant)) != boundary.instant:
            raise LedgerConflict(f"{at}: the next boundary to decide is {expected.isoformat()}")
        if boundary.topic_id != before.topic_id:
            raise LedgerConflict(self._other_topic(boundary, before))
        for partition, offset in before.offsets.items():
            if (now := boundary.offsets.get(partition)) is None or now < offset:
                raise LedgerConflict(
                    f"{at}: partition {partition} would go from {offset} back to {now}; "
                    "decide it again from the boundary that is stored"
                )

    def _other_topic(self, given: Boundary, stored: Boundary) -> str:
        return (
            f"{self.uri} belongs to the topic id {stored.topic_id} of {self._topic!r}, and now it is {given.topic_id}: "
            "the topic was deleted and created again; configure a new stream for it"
        )

    def _rows(self, boundaries: Sequence[Boundary], decided_at: datetime) -> pl.DataFrame:
        columns: dict[str, Any] = {
            "instant": [b.instant for b in boundaries],
            "window": [window_key(b.instant) for b in boundaries],
            "offsets": [msgspec.json.encode(dict(sorted(b.offsets.items()))).decode() for b in boundaries],
            "topic": self._topic,
            "topic_id": [b.topic_id for b in boundaries],
            "cadence_minutes": self._cadence.minutes,
            "decided_at": decided_at,
            "code_version": self._code_version,
        }
        return pl.DataFrame(columns, schema=polars_schema(SCHEMA))

    def _followed(self, table: DeltaTable) -> dict[datetime, Boundary]:
        """Stored boundaries, in time order. Old ones never change, so only later instants are read."""
        table_id = str(table.metadata().id)
        if table_id != self._table_id or table.version() < self._version:
            self._table_id, self._version, self._stored = table_id, -1, {}
        if table.version() > self._version:
            rows = scan_table(table, self._handle.storage_options)
            if (last := next(reversed(self._stored), None)) is not None:
                rows = rows.filter(pl.col("instant") > last)
            self._take(rows.sort("instant").collect())
            self._version = table.version()
        return self._stored

    def _take(self, rows: pl.DataFrame) -> None:
        for name, mine in (("topic", self._topic), ("cadence_minutes", self._cadence.minutes)):
            for stored in rows[name].unique():
                if stored != mine:
                    raise LedgerConflict(
                        f"{self.uri} was begun with {name} {stored!r} and is now asked with {mine!r}; "
                        "it never changes under a ledger: configure another stream"
                    )
        # Through the epoch: Polars makes zoned Python datetimes one by one, ten times slower than this.
        epoch_us = rows["instant"].dt.epoch("us").to_list()
        for microseconds, offsets, topic_id in zip(epoch_us, rows["offsets"], rows["topic_id"], strict=True):
            instant = EPOCH + timedelta(microseconds=microseconds)
            if instant in self._stored:
                raise LedgerConflict(f"{self.uri} holds {instant.isoformat()} twice: somebody else wrote to it")
            self._stored[instant] = Boundary(instant, _OFFSETS.decode(offsets), topic_id)

    def _compact_when_scattered(self) -> None:
        with self._handle.lock:
            if len(self._handle.current().file_uris()) < COMPACT_FROM_FILES:
                return
        compact(self.uri, self._handle.storage_options, pause=self._pause)
