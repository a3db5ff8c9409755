"""Vacuum: deletes files that no version within the retention needs."""

from __future__ import annotations

from collections.abc import Mapping

from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError

from streamguard_assets.lake.care.report import CareReport, unchanged
from streamguard_assets.lake.errors import RetentionTooShort
from streamguard_assets.lake.files import FileFacts, FileStore
from streamguard_assets.lake.tables import open_table

RETENTION_HOURS = 168
"""How long replaced rows stay readable by version, and how long a staged file may wait for its commit."""


def vacuum(
    uri: str, storage_options: Mapping[str, str], retention_hours: int = RETENTION_HOURS, *, dry_run: bool = False
) -> CareReport:
    """Delete files older than the retention that the newest version does not name.

    These are rows replaced long ago and files whose commit never came. Younger ones stay: a reader may be pinned to
    an older version, and a run may be about to commit what it staged. The report counts the files on the store.

    Raises ``RetentionTooShort`` below 168 hours or below what the table itself asks for, ``TableMissing`` when there
    is no table.
    """
    if retention_hours < RETENTION_HOURS:
        raise RetentionTooShort(
            f"{uri}: a retention of {retention_hours} hours could take files from readers and from commits on their "
            f"way; keep at least {RETENTION_HOURS}"
        )
    table = open_table(uri, storage_options)
    doomed = _deleted(table, retention_hours, dry_run=True)
    sizes = {path: facts.bytes for path, facts in _data_files(uri, storage_options).items()}
    report = unchanged(len(sizes), sum(sizes.values()))
    if not doomed:
        return report
    if not dry_run:
        try:
            doomed = _deleted(table, retention_hours, dry_run=False)
        except CommitFailedError as busy:
            return report.with_left(f"left for the next turn, other writers were busy: {busy}")
    old = (len(doomed), sum(sizes.get(path, 0) for path in doomed))
    return report.exchanged(old, (0, 0), changed=len(doomed))


def _deleted(table: DeltaTable, retention_hours: int, *, dry_run: bool) -> list[str]:
    try:
        return table.vacuum(retention_hours=retention_hours, dry_run=dry_run, full=True)
    except CommitFailedError:
        raise
    except DeltaError as error:
        if "Invalid retention period" not in str(error):
            raise
        raise RetentionTooShort(f"{table.table_uri}: {error}; set lake_care.vacuum_retention_hours higher") from error


def _data_files(uri: str, storage_options: Mapping[str, str]) -> dict[str, FileFacts]:
    """Files of rows on the store, needed or not; those of the log and of the commit index are not among them."""
    files = FileStore(uri, storage_options).files()
    return {path: facts for path, facts in files.items() if not path.startswith("_")}
