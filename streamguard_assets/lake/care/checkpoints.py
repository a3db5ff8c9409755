"""Checkpoints: one file that says what a table holds, so that nobody reads its log from the beginning to open it.

Log entries are never deleted, by nobody: they are the record of what each window was built from. A checkpoint can
always be made again from them, so old ones only cost space: each repeats every file of the table.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from streamguard_assets.lake.care.report import CareReport, unchanged
from streamguard_assets.lake.files import FileFacts, FileStore
from streamguard_assets.lake.tables import open_table

LOG = "_delta_log"
KEPT_FOR = timedelta(hours=168)
"""A reader may have been told of a checkpoint just before a newer one was made, and open it only now."""

MILESTONE_VERSIONS = 1_000
"""One checkpoint in so many versions stays, so that an old version opens without all of the log."""

_CHECKPOINT = re.compile(rf"{LOG}/(\d{{20}})\.checkpoint\.parquet")


def checkpoint(uri: str, storage_options: Mapping[str, str], now: datetime, *, dry_run: bool = False) -> CareReport:
    """Write a checkpoint of the newest version unless it has one, and delete those that nobody opens any more.

    Writers make one every 25 commits by themselves; this covers tables whose last commits came from elsewhere, and
    what has gathered. The report counts checkpoint files. Raises ``TableMissing`` when there is no table.
    """
    store = FileStore(uri, storage_options)
    table = open_table(uri, storage_options)
    before = _checkpoints(store)
    report = unchanged(len(before), sum(facts.bytes for facts in before.values()))
    newest = table.version()
    if newest not in before:
        if not dry_run:
            table.create_checkpoint()
            before[newest] = _checkpoints(store)[newest]
        written = before[newest].bytes if newest in before else 0
        report = report.exchanged((0, 0), (1, written))
    for version in superseded(before, now):
        if not dry_run:
            store.delete(f"{LOG}/{version:020d}.checkpoint.parquet")
        report = report.exchanged((1, before[version].bytes), (0, 0))
    return report


def superseded(checkpoints: Mapping[int, FileFacts], now: datetime) -> list[int]:
    """Versions whose checkpoint is old, not the newest, and not the last of its thousand."""
    milestones = {version // MILESTONE_VERSIONS: version for version in sorted(checkpoints)}
    young_ms = (now - KEPT_FOR).timestamp() * 1000
    kept = {*milestones.values(), max(checkpoints, default=0)}
    return [
        version
        for version, facts in sorted(checkpoints.items())
        if version not in kept and facts.modified_ms < young_ms
    ]


def _checkpoints(store: FileStore) -> dict[int, FileFacts]:
    """Checkpoints in one file by version; those in several are of other tools and left alone."""
    found = ((_CHECKPOINT.fullmatch(path), facts) for path, facts in store.files(LOG).items())
    return {int(match[1]): facts for match, facts in found if match}
