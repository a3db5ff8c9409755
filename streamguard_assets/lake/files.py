"""Plain files under one address, local or in an object store: size, delete, folders. Knows nothing of Delta."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.fs as pafs
from deltalake.fs import DeltaStorageHandler

from streamguard_assets.lake.location import local_path


@dataclass(frozen=True)
class FileFacts:
    """Size in bytes and time of the last change (epoch milliseconds, the store's clock)."""

    bytes: int
    modified_ms: int


@dataclass(frozen=True)
class FolderFacts:
    """How many files a folder holds, and their bytes."""

    files: int
    bytes: int


class FileStore:
    """Files below ``uri``. Object stores are reached as delta-rs does, so that one set of options serves both."""

    def __init__(self, uri: str, storage_options: Mapping[str, str]) -> None:
        self._uri = uri.rstrip("/")
        self._options = dict(storage_options)
        self._folder = local_path(self._uri)

    def write_parquet(self, frame: pl.DataFrame, path: str, row_group_rows: int | None = None) -> FileFacts:
        """Write ``frame`` as zstd Parquet, in row groups of ``row_group_rows``, and tell what was written."""
        if self._folder is not None:
            target = self._folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            frame.write_parquet(target, compression="zstd", row_group_size=row_group_rows)
            return self._local_facts(target)
        # Polars escapes nothing in cloud paths, and neither does delta-rs: the key is the path as written.
        address = f"{self._uri}/{path}"
        frame.write_parquet(address, compression="zstd", row_group_size=row_group_rows, storage_options=self._options)
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

    def scan_parquet(self, paths: Sequence[str], schema: Mapping[str, Any]) -> pl.LazyFrame:
        """The rows of ``paths``, in that order, with exactly the columns of ``schema`` (Polars dtypes).

        Columns, and fields of structs, that a file does not have yet are null. A file with a column too many, or of
        another type, is an error of Polars when it is read.
        """
        return pl.scan_parquet(
            [str(self._folder / path) if self._folder is not None else f"{self._uri}/{path}" for path in paths],
            schema=dict(schema),
            missing_columns="insert",
            cast_options=pl.ScanCastOptions(missing_struct_fields="insert"),
            hive_partitioning=False,
            glob=False,
            storage_options=None if self._folder is not None else self._options,
        )

    def replace_bytes(self, content: bytes, path: str) -> None:
        """Write ``content`` under ``path`` so that a reader sees the old file or the new one, never a part."""
        if self._folder is None:
            with self._remote().open_output_stream(path) as stream:
                stream.write(content)
            return
        target = self._folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        try:
            with draft.open("wb") as stream:
                stream.write(content)
                stream.flush()
                # A rename may reach the disk before the bytes: after a power cut the file would be there, and empty.
                os.fsync(stream.fileno())
            draft.replace(target)
        except OSError:
            draft.unlink(missing_ok=True)  # on a full disk each attempt would leave one more
            raise

    def read_bytes(self, path: str) -> bytes | None:
        """The content of one file, or None when there is no such file."""
        if self._folder is not None:
            try:
                return (self._folder / path).read_bytes()
            except FileNotFoundError:
                return None
        remote = self._remote()
        if remote.get_file_info([path])[0].type != pafs.FileType.File:
            return None
        with remote.open_input_stream(path) as stream:
            return stream.read()

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

    def files(self, path: str = "") -> dict[str, FileFacts]:
        """Every file below ``path``, at any depth, by its path below the address; none when ``path`` is not there."""
        if self._folder is not None:
            return dict(self._local_files(self._folder / path))
        selector = pafs.FileSelector(path, recursive=True, allow_not_found=True)
        return {
            info.path: FileFacts(info.size, (info.mtime_ns or 0) // 1_000_000)
            for info in self._remote().get_file_info(selector)
            if info.type == pafs.FileType.File
        }

    def _local_files(self, here: Path) -> Iterator[tuple[str, FileFacts]]:
        assert self._folder is not None
        for folder, _, names in os.walk(here):
            for name in names:
                target = Path(folder) / name
                # Drafts are renamed and old files deleted while others look at the folder.
                with suppress(FileNotFoundError):
                    yield target.relative_to(self._folder).as_posix(), self._local_facts(target)

    def delete_folder(self, path: str) -> FolderFacts:
        """Delete everything below ``path`` and tell what it was; nothing, when there is no such folder."""
        found = self.files(path)
        if self._folder is not None and (self._folder / path).is_dir():
            shutil.rmtree(self._folder / path)
        elif self._folder is None:
            for file in found:
                self.delete(file)
        return FolderFacts(len(found), sum(facts.bytes for facts in found.values()))

    def _remote(self) -> pafs.FileSystem:
        return pafs.PyFileSystem(DeltaStorageHandler(self._uri, self._options))

    @staticmethod
    def _local_facts(target: Path) -> FileFacts:
        facts = target.stat()
        return FileFacts(facts.st_size, facts.st_mtime_ns // 1_000_000)
