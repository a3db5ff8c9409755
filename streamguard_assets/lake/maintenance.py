"""Care of tables: collecting files that no version within the retention needs."""

from __future__ import annotations

from collections.abc import Mapping

from streamguard_assets.lake.tables import open_table

RETENTION_HOURS = 168
"""How long replaced rows stay readable by version, and how long a staged file may wait for its commit."""


def vacuum(
    uri: str, storage_options: Mapping[str, str], retention_hours: int = RETENTION_HOURS, *, dry_run: bool = False
) -> list[str]:
    """Delete files older than the retention that the newest version does not name; returns their paths.

    These are rows replaced long ago and files whose commit never came. A retention below the default is refused by
    delta-rs: it could take the files of a commit that is on its way.
    """
    return open_table(uri, storage_options).vacuum(retention_hours=retention_hours, dry_run=dry_run, full=True)
