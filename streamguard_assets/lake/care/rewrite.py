"""Replaces the files of parts by others with the same rows, fenced: exactly the files that were read, or nothing.

delta-rs has ``optimize``, and it is not used: two of them at once each replace the same files, and both land. Its
commit is rebased past the other's, which changes no data and therefore conflicts with nothing, whatever retries and
app transactions it is given, and every row is there twice (deltalake 1.6.6; a test holds it). A commit of ours
removes and adds named files, changes no data either, and lands on the snapshot on which they were last seen active.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable
from deltalake.transaction import AddAction, RemoveAction

from streamguard_assets.lake.care.parts import Part, active_paths
from streamguard_assets.lake.commit_index import load_index
from streamguard_assets.lake.commit_log import read_commits
from streamguard_assets.lake.commits import CommitFold
from streamguard_assets.lake.errors import ContentMismatch
from streamguard_assets.lake.fence import Pause, commit_fenced
from streamguard_assets.lake.files import FileStore
from streamguard_assets.lake.schema import WINDOW, polars_schema
from streamguard_assets.lake.staging import DataFile, FileStager, content_of_files, rows_of
from streamguard_assets.lake.tables import TableHandle

APP_ID = "streamguard/care"
CARE_KEY = "streamguardCare"
"""Key of the custom metadata in which a commit of care says, as JSON, what it was for."""

MAX_FILE_ROWS = 1_000_000
"""Rows that are held in memory at once, whatever the size that files should have."""

Order = Callable[[Iterable[pl.DataFrame]], Iterator[pl.DataFrame]]
"""Gives the rows of a part in another order."""


def as_they_come(frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """The order that rows have."""
    yield from frames


@dataclass(frozen=True)
class Rewrite:
    """A part, and the staged files that say the same."""

    part: Part
    files: tuple[DataFile, ...]

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)

    @property
    def paths(self) -> frozenset[str]:
        return frozenset(file.path for file in self.files)


class Rewriter:
    """Rewrites parts of the table at ``uri``. ``purpose`` stands in the names of its files and in its commits.

    ``provenance`` are the columns that stay out of the content hashes of its window commits, ``apart`` a column
    whose values never share a file, ``row_group_rows`` the rows that a reader can skip at once inside a file.
    """

    def __init__(
        self,
        uri: str,
        storage_options: Mapping[str, str],
        purpose: str,
        target_bytes: int,
        *,
        provenance: Collection[str] = (),
        apart: str | None = None,
        order: Order = as_they_come,
        row_group_rows: int | None = None,
        pause: Pause = time.sleep,
    ) -> None:
        self.uri = uri
        self.apart = apart
        self._options = dict(storage_options)
        self._purpose = purpose
        self._target_bytes = target_bytes
        self._provenance = provenance
        self._order = order
        self._row_group_rows = row_group_rows
        self._pause = pause
        self._handle = TableHandle(uri, self._options)
        self._store = FileStore(uri, self._options)

    def expected_files(self, part: Part) -> int:
        """Files that the rows of ``part`` would be in."""
        by_rows = -(-(part.rows or 0) // MAX_FILE_ROWS)
        return max(1, -(-part.bytes // self._target_bytes), by_rows)

    def declared(self, table: DeltaTable) -> Mapping[str, str]:
        """The content hash that each window must have at the version of ``table``, by what its commit says."""
        table_id = str(table.metadata().id)
        fold = load_index(self._store, table_id, table.version()) or CommitFold()
        fold.follow(table, lambda after, until: read_commits(self.uri, self._options, after, until))
        return {window: commit.content_hash for window, commit in fold.newest.items()}

    def stage(self, table: DeltaTable, part: Part, declared: Mapping[str, str]) -> Rewrite:
        """Write the rows of ``part``, at the version of ``table``, into new files that no commit names yet.

        Raises ``ContentMismatch`` when they are not as many as the log counts, or not what their window's commit
        declares: then files are damaged or were changed by somebody, and must not be replaced.
        """
        schema = pa.schema(table.schema().to_arrow())
        with FileStager(
            self.uri,
            self._options,
            schema,
            part.partition,
            self._purpose,
            self._file_rows(part),
            self._provenance,
            row_group_rows=self._row_group_rows,
        ) as stager:
            for frame in self._order(self._rows(part, schema)):
                stager.add(frame)
            files = stager.finish()
            self._check(part, files, declared)
        return Rewrite(part, tuple(files))

    def commit(self, rewrites: Sequence[Rewrite]) -> list[Rewrite]:
        """Put the staged files into the place of the old ones, in one commit; returns those that landed.

        A part of which a file is no longer active is left out: somebody wrote it anew meanwhile. Files that were added
        to it stay beside the new ones. Staged files that did not land are left to vacuum: if the answer to a commit
        was lost, the table may name them.

        Raises ``CommitContention`` when other writers won every turn.
        """

        def act(table: DeltaTable, properties: CommitProperties) -> list[Rewrite]:
            active = active_paths(table)
            landed = [rewrite for rewrite in rewrites if rewrite.paths <= active]
            fresh = [rewrite for rewrite in rewrites if rewrite.part.paths <= active]
            if fresh:
                actions = [action for rewrite in fresh for action in _actions(rewrite)]
                table.create_write_transaction(
                    actions,
                    "append",
                    table.schema(),
                    partition_by=table.metadata().partition_columns,
                    commit_properties=properties,
                )
            return landed + fresh

        seed = f"{self.uri}{rewrites[0].files[0].path}"
        return commit_fenced(self._handle, APP_ID, act, seed=seed, metadata=self._metadata(rewrites), pause=self._pause)

    def _rows(self, part: Part, schema: pa.Schema) -> Iterator[pl.DataFrame]:
        """The rows of the files themselves, chunk by chunk: a scan of the table would first look at all its files."""
        own = part.partition.column if part.partition else None
        dtypes = {name: dtype for name, dtype in polars_schema(schema).items() if name != own}
        rows = self._store.scan_parquet([file.path for file in part.files], dtypes)
        yield from rows.collect_batches(chunk_size=self._file_rows(part), maintain_order=True)

    def _file_rows(self, part: Part) -> int:
        if not part.rows:
            return MAX_FILE_ROWS
        return min(MAX_FILE_ROWS, max(1, -(-part.rows // self.expected_files(part))))

    def _check(self, part: Part, files: Sequence[DataFile], declared: Mapping[str, str]) -> None:
        where = f"{self.uri}, {part.label}"
        if part.rows is not None and rows_of(files) != part.rows:
            raise ContentMismatch(f"{where}: the log counts {part.rows} rows and the files hold {rows_of(files)}")
        window = part.partition.value if part.partition and part.partition.column == WINDOW else None
        wanted, content = declared.get(window or ""), content_of_files(files)
        if wanted is not None and content != wanted:
            raise ContentMismatch(
                f"{where}: the window was committed with content {wanted} and its files hold {content}; "
                "`streamguard check` tells more, and materializing the window again puts it right"
            )

    def _metadata(self, rewrites: Sequence[Rewrite]) -> dict[str, str]:
        """The machine's word, and one for people who read the history with other tools."""
        care = {"purpose": self._purpose, "parts": len(rewrites)}
        return {
            CARE_KEY: json.dumps(care, sort_keys=True),
            "writtenBy": f"streamguard-assets: {self._purpose} of {len(rewrites)} parts, the same rows",
        }


def _actions(rewrite: Rewrite) -> Iterator[AddAction | RemoveAction]:
    """Rows moved, none changed: readers that follow a table's changes must not see them again."""
    newest_ms = max(file.modified_ms for file in rewrite.part.files)
    values = {} if rewrite.part.partition is None else {rewrite.part.partition.column: rewrite.part.partition.value}
    for old in rewrite.part.files:
        yield RemoveAction(
            path=old.path, data_change=False, deletion_timestamp=_now_ms(), size=old.bytes, partition_values=values
        )
    for file in rewrite.files:
        action = file.add_action()
        action.data_change = False
        # The age of rows is what collectors of abandoned rows go by, and rewriting does not make rows younger.
        action.modification_time = newest_ms
        yield action


def _now_ms() -> int:
    """Vacuum counts the retention of the old files from here."""
    return time.time_ns() // 1_000_000
