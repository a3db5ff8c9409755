"""The Delta table that a history is written to: replaced whole by one commit, or left as it was."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from operator import itemgetter

import polars as pl
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema

from streamguard_assets.contracts.transactions import TRANSACTIONS
from streamguard_assets.generators.retail.history import History, day_frames
from streamguard_assets.generators.retail.transactions import FIELDS
from streamguard_assets.lake.errors import SchemaConflict
from streamguard_assets.lake.fence import commit_fenced
from streamguard_assets.lake.staging import DataFile, FileStager, Partition, content_of_files
from streamguard_assets.lake.tables import TableHandle, open_table, scan_table

EVENT_DATE = "event_date"
APP_ID = "streamguard/seed"
DESCRIPTION = "Generated retail transactions of past days; made anew by `streamguard seed transactions`"


def seed_schema() -> pa.Schema:
    """The fields of the contract and ``event_date``, typed as in the events table; nothing of Kafka."""
    declared = TRANSACTIONS.arrow_schema()
    return pa.schema([declared.field(name).with_nullable(True) for name in (*FIELDS, EVENT_DATE)])


@dataclass
class SeedTable:
    """The table at ``uri``, partitioned by ``event_date``."""

    uri: str
    storage_options: Mapping[str, str]

    def __post_init__(self) -> None:
        self._handle = TableHandle(self.uri, self.storage_options)

    def refuse_foreign(self) -> None:
        """``SchemaConflict`` when somebody else's table is there: replacing it would lose their data."""
        if self._handle.exists():
            self._refuse_columns(self._handle.current())

    @contextmanager
    def staging(self, history: History) -> Iterator[Staging]:
        """Files of ``history`` that no commit names yet; when the block raises, they are deleted."""
        with ExitStack() as stagers, ThreadPoolExecutor(1, "seed-writer") as writer:
            # Left in the other order: the writer has ended before stagers delete what it wrote.
            yield Staging(self, history, stagers, writer)

    def commit(self, staging: Staging) -> str:
        """Put what was staged in the place of all rows, in one commit; the content hash of the rows.

        Raises ``SchemaConflict`` as ``refuse_foreign`` does, and ``CommitContention``.
        """
        self._handle.create(seed_schema(), [EVENT_DATE], DESCRIPTION)

        def overwrite(table: DeltaTable, properties: CommitProperties) -> None:
            self._refuse_columns(table)
            table.create_write_transaction(
                [file.add_action() for file in staging.files],
                "overwrite",
                Schema.from_arrow(seed_schema()),
                partition_by=[EVENT_DATE],
                commit_properties=properties,
            )

        commit_fenced(self._handle, APP_ID, overwrite, seed=APP_ID)
        return content_of_files(staging.files)

    def rows(self) -> pl.LazyFrame:
        """All rows, lazily. ``TableMissing`` when nothing was ever seeded."""
        return scan_table(open_table(self.uri, self.storage_options), self.storage_options)

    def stager(self, day: date, attempt: str) -> FileStager:
        """Stages rows of one day."""
        partition = Partition(EVENT_DATE, day.isoformat())
        return FileStager(self.uri, self.storage_options, seed_schema(), partition, attempt)

    def _refuse_columns(self, table: DeltaTable) -> None:
        columns = {field.name for field in table.schema().fields}
        if not columns.issubset(seed_schema().names) or table.metadata().partition_columns != [EVENT_DATE]:
            raise SchemaConflict(
                f"{self.uri} holds a table that was not seeded; it is not replaced, choose another place"
            )


class Staging:
    """A history on its way to the table: one day is written while the next is drawn."""

    def __init__(self, table: SeedTable, history: History, stagers: ExitStack, writer: ThreadPoolExecutor) -> None:
        self.files: list[DataFile] = []
        self._table = table
        self._history = history
        self._stagers = stagers
        self._writer = writer

    def frames(self) -> Iterator[pl.DataFrame]:
        """Each frame of the history, in order of time, on its way to its file. To be taken to the end, once."""
        attempt = uuid.uuid4().hex
        writing: Future[list[DataFile]] | None = None
        for day, frames in groupby(day_frames(self._history), key=itemgetter(0)):
            stager = self._stagers.enter_context(self._table.stager(day, attempt))
            for _, frame in frames:
                stager.add(frame)
                yield frame
            if writing is not None:  # one day at a time, or the days in memory would have no bound
                self.files += writing.result()
            writing = self._writer.submit(stager.finish)
        if writing is not None:
            self.files += writing.result()
