"""Deletes the files that a live table no longer needs, without a commit: each of its commits is its stream's."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote

from streamguard_assets.lake.care.report import CareReport, unchanged
from streamguard_assets.lake.files import FileStore
from streamguard_assets.lake.live.log import delete_old_entries
from streamguard_assets.lake.tables import open_table


def delete_unneeded(
    uri: str, storage_options: Mapping[str, str], retention_hours: int, *, dry_run: bool = False
) -> CareReport:
    """Delete files of a live table that no version of the last ``retention_hours`` names, and older staged ones.

    delta-rs tells which they are; deleting them through it would leave two entries in the log, each of which takes a
    turn from a stream that commits every second and says nothing of its state. Files and folders whose names begin with
    an underscore or a dot stay, as in every vacuum. Of the log goes what ``delete_old_entries`` says: not for windows,
    whose history is kept. Safe beside writers and other deleters: what is staged for a commit to come is younger, and a
    file that is gone already is no error.

    Raises ``TableMissing`` when there is no table.
    """
    table = open_table(uri, storage_options)
    doomed = table.vacuum(retention_hours=retention_hours, dry_run=True, enforce_retention_duration=False, full=True)
    store = FileStore(uri, storage_options)
    sizes = {path: facts.bytes for path, facts in store.files().items() if not path.startswith("_")}
    report = unchanged(len(sizes), sum(sizes.values()))
    paths = [path if path in sizes else unquote(path) for path in doomed]
    gone = [path for path in paths if path in sizes]
    if not dry_run:
        for path in gone:
            store.delete(path)
        delete_old_entries(store)
    return report.exchanged((len(gone), sum(sizes[path] for path in gone)), (0, 0), changed=len(gone))
