"""The files that hold each window at one version: what a verdict on the window rests on beside the window's commit."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl
from deltalake import DeltaTable

from streamguard_assets.lake.errors import TableMissing
from streamguard_assets.lake.schema import WINDOW
from streamguard_assets.lake.tables import open_table

_FILE = ("path", "size_bytes", "modification_time")
_PLAIN_READER_VERSION = 1
"""Of a table that such a reader understands, a row is there exactly when it is in a file that the log names."""


@dataclass(frozen=True)
class PinnedFiles:
    """One version of a table that is partitioned by window, and a digest of the files of each window that has any.

    ``version`` is None when nobody has written the table yet.
    """

    version: int | None
    digests: Mapping[str, str]


def pin_files(uri: str, storage_options: Mapping[str, str], version: int | None = None) -> PinnedFiles:
    """The files of every window of the table at ``version`` (None: the newest now), with one look at its log."""
    try:
        table = open_table(uri, storage_options, version)
    except TableMissing:
        return PinnedFiles(None, {})
    return PinnedFiles(table.version(), file_digests(table))


def file_digests(table: DeltaTable) -> dict[str, str]:
    """A digest of the files that ``table`` names at its version, per window that has any.

    A commit of any tool that touches rows of a window changes the digest of that window, also one that only writes
    the same rows into other files. It is read from the log alone: a file changed behind the log's back is not seen.
    """
    actions = pl.DataFrame(table.get_add_actions(flatten=True))
    if not actions.height:
        return {}
    # Deletion vectors and column mapping, of later reader versions, change rows of files that stay as they are, and
    # delta-rs does not list them: of such a table every version counts as a change.
    seen = table.version() if table.protocol().min_reader_version > _PLAIN_READER_VERSION else None
    window = f"partition.{WINDOW}"
    files = actions.select(window, *_FILE).drop_nulls(window).sort(window, "path")
    found: dict[str, hashlib.blake2b] = {}
    for key, *file in files.iter_rows():
        found.setdefault(key, hashlib.blake2b(repr(seen).encode(), digest_size=12)).update(repr(file).encode())
    return {key: digest.hexdigest() for key, digest in found.items()}
