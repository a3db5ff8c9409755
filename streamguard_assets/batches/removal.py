"""What batches leave in the lake, and taking it away. Dagster's share of a removal is with its runs and partitions."""

from __future__ import annotations

from datetime import datetime

from streamguard_assets.batches.completed import CompletedBatches
from streamguard_assets.batches.identity import is_batch_id
from streamguard_assets.batches.tables import FOLDER, folder_of
from streamguard_assets.lake.files import FileStore, FolderFacts
from streamguard_assets.windows.stream import Stream


def batches_with_files(stream: Stream) -> set[str]:
    """Every batch that has a folder in the lake, whole or not."""
    return {folder for folder in _store(stream).folders(f"{stream.name}/{FOLDER}") if is_batch_id(folder)}


def remove_tables(stream: Stream, batch_id: str, now: datetime) -> FolderFacts:
    """Delete every file of a batch, and tell how many there were. Repeating what was cut short is safe.

    The removal is entered first: a batch whose files are half gone must not be shown as whole.
    """
    CompletedBatches(stream).enter_removal(batch_id, now)
    return delete_tables(stream, batch_id)


def delete_tables(stream: Stream, batch_id: str) -> FolderFacts:
    """Delete every file of a batch that is not whole and never will be, as a cancelled one."""
    return _store(stream).delete_folder(f"{stream.name}/{folder_of(batch_id)}")


def _store(stream: Stream) -> FileStore:
    return FileStore(stream.location.uri, stream.location.storage_options)
