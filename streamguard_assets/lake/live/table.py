"""One live table: appended to by the one owner of its stream, each commit carrying the state of the whole table.

The fence stands in the commit itself. No commit is ever rebased, so it lands on exactly the snapshot whose state its
writer has seen, and a writer that finds another epoch there has lost the stream. That a process was told to end, or
is believed to be dead, protects nothing: it may only have been asleep.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Sequence
from copy import copy
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable
from deltalake.transaction import AddAction, RemoveAction

from streamguard_assets.contracts.offsets import Offsets
from streamguard_assets.lake.errors import CommitContention, LakeError, StreamLost, TableMissing
from streamguard_assets.lake.fence import Pause, commit_fenced, fenced_properties
from streamguard_assets.lake.files import FileStore
from streamguard_assets.lake.live.active_files import LIVE_DATE, ActiveFile, active_files
from streamguard_assets.lake.live.log import delete_old_entries, state_at, states_between
from streamguard_assets.lake.live.state import METADATA_KEY, UNOWNED, LiveState
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.lake.schema import as_declared, merged, polars_schema
from streamguard_assets.lake.staging import DataFile, FileStager, Partition
from streamguard_assets.lake.tables import TableHandle, scan_table

FOLDER = "live"
APP_ID = "streamguard/live"

CONFIGURATION = {
    "delta.checkpointInterval": "25",
    "delta.enableExpiredLogCleanup": "false",  # it goes by time; see ``clean_log``
    # Replaced small files are named in every checkpoint for so long.
    "delta.deletedFileRetentionDuration": "interval 6 hours",
}

DROP_TURNS = 5

Change = Callable[[LiveState], LiveState]


@dataclass(frozen=True)
class LiveSnapshot:
    """One version of a live table, and its state."""

    version: int
    state: LiveState


@dataclass(frozen=True)
class Replacement:
    """Active files that give way to others which hold the same rows."""

    old_paths: frozenset[str]
    files: tuple[DataFile, ...]


@dataclass(frozen=True)
class Dropped:
    """What ``drop_rows`` took away: rows, files rewritten or removed, bytes by which the table became smaller."""

    rows: int = 0
    files: int = 0
    bytes: int = 0


class LiveTable:
    """The table ``<lake>/<stream>/live/<name>``, partitioned by ``live_date``, the UTC day of the commit.

    The day of the commit and not of the event: a batch then is one file, whatever its events say of their time.
    ``schema`` is that of the rows without ``live_date``; ``provenance`` columns stay out of content hashes.
    """

    def __init__(
        self,
        location: LakeLocation,
        stream: str,
        name: str,
        schema: pa.Schema,
        description: str = "",
        *,
        provenance: Collection[str] = (),
        pause: Pause = time.sleep,
    ) -> None:
        self.name = name
        self.uri = location.table(stream, f"{FOLDER}/{name}")
        fields = [field.with_nullable(True) for field in schema]
        self.schema = pa.schema([pa.field(LIVE_DATE, pa.date32()), *fields], metadata=schema.metadata)
        self.description = description
        self.provenance = frozenset({*provenance, LIVE_DATE})
        self._options = dict(location.storage_options)
        self._pause = pause
        self._handle = TableHandle(self.uri, self._options)
        self.store = FileStore(self.uri, self._options)
        self._known: LiveSnapshot | None = None
        self._known_id = ""
        self._token: str | None = None

    def exists(self) -> bool:
        return self._handle.exists()

    def snapshot(self) -> LiveSnapshot | None:
        """The newest version and its state; None when the table was never written. Cheap when asked again."""
        if not self.exists():
            return None
        with self._handle.lock:
            return self._state_of(self._handle.current())

    def version(self) -> int | None:
        """The newest version; None when the table was never written."""
        found = self.snapshot()
        return None if found is None else found.version

    def state(self, version: int | None = None) -> LiveState | None:
        """The state as of ``version`` (None: the newest); None when the table was never written."""
        if version is not None:
            return state_at(self.store, version)
        found = self.snapshot()
        return None if found is None else found.state

    def scan(self, version: int | None = None, *, empty_if_missing: bool = False) -> pl.LazyFrame:
        """The rows at ``version`` (None: the newest now), lazily, with this schema's columns.

        A column that the version did not have yet is null. ``TableMissing`` when the table was never written.
        """
        dtypes = polars_schema(self.schema)
        try:
            table = self._handle.pinned(version)
        except TableMissing:
            if not empty_if_missing:
                raise
            return pl.LazyFrame(schema=dtypes)
        return as_declared(scan_table(table, self._options), dtypes)

    def as_stored(self) -> LiveTable:
        """This table with every column that it has by now, and then those that only the code has.

        A column that a contract no longer has stays in the table and in the files written until then. Who rewrites
        files keeps it: its values are part of rows that nobody asked to change. Raises ``SchemaConflict`` when a column
        of both has another type.
        """
        whole = copy(self)
        whole.schema = pa.schema(merged(self.pinned().schema(), self.schema, self.uri).to_arrow())
        return whole

    @property
    def file_dtypes(self) -> dict[str, Any]:
        """Polars dtypes of the columns that stand in the files, by name: all but the one of the folders."""
        return {name: dtype for name, dtype in polars_schema(self.schema).items() if name != LIVE_DATE}

    def stager(self, live_date: date, attempt: str, file_rows: int = 250_000) -> FileStager:
        """Stages rows of one day; frames need no ``live_date``."""
        partition = Partition(LIVE_DATE, live_date.isoformat())
        return FileStager(self.uri, self._options, self.schema, partition, attempt, file_rows, self.provenance)

    def take_over(
        self,
        owner: str,
        topic: str,
        topic_id: str,
        starts: Offsets,
        *,
        above: int = 0,
        at: int | None = None,
        expected: int | None = None,
        clears_other_topic: bool = False,
    ) -> LiveState:
        """Become the owner: a commit with the next epoch, and one above ``above`` at least. The newest owner wins.

        With ``at`` it is that epoch or none: so an owner takes the further tables of its stream. With ``expected`` the
        standing epoch has to be that one: so an owner that looks anew does not take the stream from a newer one.

        ``starts`` say where the table begins in partitions that it does not know yet, and, for another topic id, in
        all: positions begin anew. With ``clears_other_topic`` the rows of another topic id go in the same commit; their
        offsets would be taken for those of the new topic. The table is made when it is not there.

        Raises ``CommitContention`` when other writers won every turn, ``StreamLost`` when somebody has the epoch
        ``at``, or a later one, or the standing one is not ``expected``.
        """
        self._handle.create(self.schema, [LIVE_DATE], self.description, CONFIGURATION)
        self._add_columns(f"{self.uri}{owner}")

        def act(table: DeltaTable, _: CommitProperties) -> LiveState:
            standing = self._state_of(table).state
            if (at is not None and standing.epoch >= at) or (expected is not None and standing.epoch != expected):
                raise StreamLost(self.uri, standing.owner, standing.epoch)
            epoch = max(standing.epoch, above) + 1 if at is None else at
            state = standing.taken_over(owner, epoch, topic, topic_id, starts)
            state = replace(state, token=uuid.uuid4().hex)
            is_other = clears_other_topic and standing.topic_id not in ("", topic_id)
            self._write(table, [file.removed() for file in active_files(table).values()] if is_other else [], state)
            self._token = state.token
            return state

        return commit_fenced(self._handle, APP_ID, act, seed=f"{self.uri}{owner}", pause=self._pause)

    def _add_columns(self, seed: str) -> None:
        """Give the table the columns that the code has and it has not: an append does not, whatever schema it names."""

        def act(table: DeltaTable, properties: CommitProperties) -> None:
            there = {field.name for field in table.schema().fields}
            wanted = merged(table.schema(), self.schema, self.uri).fields
            if added := [field for field in wanted if field.name not in there]:
                table.alter.add_columns(added, commit_properties=properties)

        commit_fenced(self._handle, APP_ID, act, seed=seed, pause=self._pause)

    def commit(
        self,
        epoch: int,
        files: Sequence[DataFile],
        change: Change,
        *,
        replaces: Sequence[str] = (),
        replacement: Replacement | None = None,
    ) -> LiveSnapshot:
        """Add ``files`` and take the files at the paths ``replaces`` away, in one commit with a new state.

        ``change`` makes the new state of the one that stands; it is called again when another commit (retention)
        came first. ``replacement`` rides along if its old files are all there still, and is left out if not.

        Raises:
            StreamLost: the epoch that stands is not ``epoch``.
            LakeError: a path of ``replaces`` is not in the table.
            CommitContention: other writers won every turn.
        """
        token = uuid.uuid4().hex
        seen: list[int] = []

        def act(table: DeltaTable, _: CommitProperties) -> LiveSnapshot:
            found = self._state_of(table)
            if (landed := self._landed(token, seen, found)) is not None:
                return landed
            seen.append(found.version)
            self._refuse_other_owner(found.state, epoch)
            state = change(found.state)
            state = replace(state, details={**state.details, "commit": token})
            actions: list[AddAction | RemoveAction] = [file.add_action() for file in files]
            self._write(table, actions + self._exchange(table, replaces, replacement), state)
            return self._remember(table, state)

        return commit_fenced(self._handle, APP_ID, act, seed=token, pause=self._pause)

    def drop_rows(self, doomed: pl.Expr, change: Change, *, epoch: int | None = None) -> Dropped:
        """Take the rows for which ``doomed`` is true out of the table, in one commit with a new state.

        Files that hold such rows are written anew without them. The owner may append meanwhile, if no row that it adds
        is doomed. With ``epoch`` it is the owner that asks. Nothing is committed when no row is doomed and ``change``
        changes nothing but the number of the commit.

        Raises ``StreamLost``, ``CommitContention`` as ``commit`` does.
        """
        attempt = f"drop-{uuid.uuid4().hex[:12]}"
        for _ in range(DROP_TURNS):
            # Files are read and written before the commit is tried: a stream that commits several times a second
            # would win every turn against a commit that has to be prepared anew each time.
            thinned = self._thinned(doomed, attempt)
            try:
                return self._commit_thinned(thinned, change, epoch, attempt)
            except _FileMovedError:
                continue
        raise CommitContention(f"{self.uri}: files were rewritten {DROP_TURNS} times while rows were taken out of them")

    def _thinned(self, doomed: pl.Expr, attempt: str) -> list[_Thinned]:
        stored = self.as_stored()
        dtypes = stored.file_dtypes
        found = []
        for path, file in sorted(active_files(self.pinned()).items()):
            held = self.store.scan_parquet([path], dtypes)
            count = int(held.select(doomed.fill_null(False).sum()).collect().item() or 0)
            if count:
                kept = held.filter(~doomed.fill_null(False)).collect()
                found.append(_Thinned(file, count, tuple(stored._rewritten(kept, file, attempt))))
        return found

    def _rewritten(self, rows: pl.DataFrame, file: ActiveFile, attempt: str) -> list[DataFile]:
        with self.stager(date.fromisoformat(file.live_date), attempt) as stager:
            stager.add(rows)
            return stager.finish()

    def _commit_thinned(self, thinned: Sequence[_Thinned], change: Change, epoch: int | None, attempt: str) -> Dropped:
        def act(table: DeltaTable, _: CommitProperties) -> Dropped:
            standing = self._state_of(table).state
            if epoch is not None:
                self._refuse_other_owner(standing, epoch)
            state = change(standing)
            if not thinned and state.is_but_numbered_anew(standing):
                return Dropped()
            active = active_files(table)
            if any(part.old.path not in active for part in thinned):
                raise _FileMovedError
            actions: list[AddAction | RemoveAction] = [part.old.removed() for part in thinned]
            actions += [file.add_action() for part in thinned for file in part.files]
            self._write(table, actions, state)
            freed = sum(part.old.bytes - sum(file.bytes for file in part.files) for part in thinned)
            return Dropped(sum(part.rows for part in thinned), len(thinned), freed)

        return commit_fenced(self._handle, APP_ID, act, seed=attempt, pause=self._pause)

    def clean_log(self) -> None:
        """Delete entries of the log that many newer ones follow; see ``delete_old_entries``."""
        delete_old_entries(self.store)

    def pinned(self, version: int | None = None) -> DeltaTable:
        """An object of its own that stays at ``version`` (default: the newest now)."""
        return self._handle.pinned(version)

    def _refuse_other_owner(self, standing: LiveState, epoch: int) -> None:
        """The fence. The token too, where this object took the table over: in a table made anew epochs come again."""
        if standing.epoch != epoch or (self._token is not None and standing.token != self._token):
            raise StreamLost(self.uri, standing.owner, standing.epoch)

    def _state_of(self, table: DeltaTable) -> LiveSnapshot:
        known, version, table_id = self._known, table.version(), str(table.metadata().id)
        if known is None or (known.version, self._known_id) != (version, table_id):
            state = state_at(self.store, version) if version else UNOWNED
            known = self._known = LiveSnapshot(version, state)
            self._known_id = table_id
        return known

    def _remember(self, table: DeltaTable, state: LiveState) -> LiveSnapshot:
        # Commits are never rebased, so this one is the next version after the snapshot.
        self._known = LiveSnapshot(table.version() + 1, state)
        return self._known

    def _landed(self, token: str, seen: Sequence[int], found: LiveSnapshot) -> LiveSnapshot | None:
        """The commit of an earlier turn that landed although its writer was told otherwise: an answer got lost."""
        if not seen:
            return None
        for version, state in states_between(self.store, seen[-1], found.version):
            if state.details.get("commit") == token:
                return LiveSnapshot(version, state)
        return None

    def _properties(self, table: DeltaTable, state: LiveState) -> CommitProperties:
        what = f"streamguard-assets: {state.kind} by {state.owner}"
        return fenced_properties(table, APP_ID, {METADATA_KEY: state.to_json(), "writtenBy": what})

    def _exchange(
        self, table: DeltaTable, replaces: Sequence[str], replacement: Replacement | None
    ) -> list[AddAction | RemoveAction]:
        if not replaces and replacement is None:
            return []
        active = active_files(table)
        if missing := [path for path in replaces if path not in active]:
            raise LakeError(f"{self.uri}: {missing[0]} was to be replaced, and is no file of the table")
        actions: list[AddAction | RemoveAction] = [active[path].removed() for path in replaces]
        if replacement is not None and replacement.old_paths <= active.keys():
            for path in sorted(replacement.old_paths):
                actions.append(active[path].removed(data_change=False))
            for file in replacement.files:
                action = file.add_action()
                action.data_change = False
                actions.append(action)
        return actions

    def _write(self, table: DeltaTable, actions: list[AddAction | RemoveAction], state: LiveState) -> None:
        table.create_write_transaction(
            actions,
            "append",
            # Delta takes the schema given here as the table's new one, so it must hold every old column.
            merged(table.schema(), self.schema, self.uri),
            partition_by=[LIVE_DATE],
            commit_properties=self._properties(table, state),
        )


class _FileMovedError(Exception):
    """A file that was to be replaced has been replaced by somebody else."""


@dataclass(frozen=True)
class _Thinned:
    """A file, the count of its rows that go, and the files that hold the others."""

    old: ActiveFile
    rows: int
    files: tuple[DataFile, ...]


def utc_day(moment: datetime) -> date:
    """The ``live_date`` of a commit at ``moment``."""
    return moment.astimezone(UTC).date()
