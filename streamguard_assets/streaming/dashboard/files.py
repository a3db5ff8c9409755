"""The files of a live dashboard beside its rows: the partial results of open windows, one Parquet file per commit.

They lie in the table's folder under a name with an underscore, which Delta passes over. The commit names the one that
counts; a file that no commit names is rubbish of a writer that died.
"""

from __future__ import annotations

import re
import uuid

import polars as pl

from streamguard_assets.lake.errors import LakeError
from streamguard_assets.lake.files import FileStore

FOLDER = "_state"
_NAME = re.compile(rf"{FOLDER}/(\d+)-(\d+)-[0-9a-f]+\.parquet")


class StateFiles:
    """State files below ``store``. Their names tell the epoch of the writer, since that decides who may delete them."""

    def __init__(self, store: FileStore) -> None:
        self._store = store

    def write(self, partials: pl.DataFrame, epoch: int, sequence: int) -> str:
        """Write the partial results for the commit ``sequence`` of ``epoch``; the path for its details."""
        path = f"{FOLDER}/{epoch}-{sequence}-{uuid.uuid4().hex[:12]}.parquet"
        self._store.write_parquet(partials, path)
        return path

    def read(self, path: str) -> pl.DataFrame:
        """The partial results in ``path``. ``LakeError`` when the file is gone: it cannot be done without."""
        found = self._store.read_parquet(path)
        if found is None:
            raise LakeError(
                f"{path} of a live dashboard is gone, and with it the windows that were open; restore it, or delete "
                "the table live/dashboard, which then begins anew with the live events"
            )
        return found

    def delete(self, path: str) -> None:
        """Delete a file that a commit has replaced."""
        self._store.delete(path)

    def clean(self, epoch: int, kept: str | None) -> list[str]:
        """Delete what ``epoch`` and those before it left behind, but ``kept``; the paths of what was deleted.

        Not what a higher epoch wrote: its commit may be on the way. Nobody of a lower one can commit any more, and
        who asks is the owner of ``epoch`` before its first commit, or again after a failed one.
        """
        found = {path: int(match[1]) for path in self._store.files(FOLDER) if (match := _NAME.fullmatch(path))}
        rubbish = sorted(path for path, writer in found.items() if writer <= epoch and path != kept)
        for path in rubbish:
            self._store.delete(path)
        return rubbish
