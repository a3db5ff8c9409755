"""Plain files under one address, local or in an object store: size, delete, folders. Knows nothing of Delta."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow.fs as pafs
from deltalake.fs import DeltaStorageHandler

from streamguard_assets.lake.location import local_path


@dataclass(frozen=True)
class FileFacts:
    """Size in bytes and time of the last change (epoch milliseconds, the store's clock)."""

    bytes: int
    modified_ms: int


class FileStore:
    """Files below ``uri``. Object stores are reached as delta-rs does, so that one set of options serves both."""

    def __init__(self, uri: str, storage_options: Mapping[str, str]) -> None:
        self._uri = uri.rstrip("/")
        self._options = dict(storage_options)
        self._folder = local_path(self._uri)

    def write_parquet(self, frame: pl.DataFrame, path: str) -> FileFacts:
        """Write ``frame`` as zstd Parquet and tell what was written."""
        if self._folder is not None:
            target = self._folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            frame.write_parquet(target, compression="zstd")
            return self._local_facts(target)
        # Polars escapes nothing in cloud paths, and neither does delta-rs: the key is the path as written.
        frame.write_parquet(f"{self._uri}/{path}", compression="zstd", storage_options=self._options)
        info = self._remote().get_file_info([path])[0]
        return FileFacts(info.size, (info.mtime_ns or 0) // 1_000_000)

    def replace_parquet(self, frame: pl.DataFrame, path: str) -> None:
        """Write ``frame`` under ``path`` so that a reader sees the old file or the new one, never a part."""
        if self._folder is None:
            frame.write_parquet(f"{self._uri}/{path}", compression="zstd", storage_options=self._options)
            return
        target = self._folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        frame.write_parquet(draft, compression="zstd")
        draft.replace(target)

    def read_parquet(self, path: str) -> pl.DataFrame | None:
        """The rows of one file, or None when there is no such file."""
        if self._folder is not None:
            target = self._folder / path
            return pl.read_parquet(target, hive_partitioning=False) if target.is_file() else None
        if self._remote().get_file_info([path])[0].type != pafs.FileType.File:
            return None
        return pl.read_parquet(f"{self._uri}/{path}", storage_options=self._options, hive_partitioning=False)

    def delete(self, path: str) -> None:
        """Delete one file; a file that is not there is no error."""
        if self._folder is not None:
            (self._folder / path).unlink(missing_ok=True)
            return
        remote = self._remote()
        if remote.get_file_info([path])[0].type == pafs.FileType.File:
            remote.delete_file(path)

    def folders(self, path: str = "") -> list[str]:
        """Names of the folders directly below ``path``, sorted; none when ``path`` is not there."""
        if self._folder is not None:
            here = self._folder / path
            return sorted(entry.name for entry in here.iterdir() if entry.is_dir()) if here.is_dir() else []
        selector = pafs.FileSelector(path, recursive=False, allow_not_found=True)
        found = self._remote().get_file_info(selector)
        return sorted(info.base_name for info in found if info.type == pafs.FileType.Directory)

    def _remote(self) -> pafs.FileSystem:
        return pafs.PyFileSystem(DeltaStorageHandler(self._uri, self._options))

    @staticmethod
    def _local_facts(target: Path) -> FileFacts:
        facts = target.stat()
        return FileFacts(facts.st_size, facts.st_mtime_ns // 1_000_000)
