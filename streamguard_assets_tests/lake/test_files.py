"""Plain files: what a reader finds while one is replaced, and after that has failed."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from streamguard_assets.lake.files import FileStore

PATH = "below/file.json"


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    store = FileStore(str(tmp_path), {})
    store.replace_bytes(b"old", PATH)
    return store


def test_what_replaces_a_file_is_on_the_disk_before_it_takes_its_name(
    store: FileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[int, bytes | None]] = []
    sync = os.fsync

    def fsync(descriptor: int) -> None:
        sync(descriptor)
        synced.append((os.fstat(descriptor).st_size, store.read_bytes(PATH)))

    monkeypatch.setattr(os, "fsync", fsync)
    store.replace_bytes(b"the new one", PATH)
    assert synced == [(len(b"the new one"), b"old")]
    assert store.read_bytes(PATH) == b"the new one"
    assert list(store.files()) == [PATH]


def test_a_disk_that_takes_nothing_keeps_the_old_file_and_no_draft(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        store.replace_bytes(b"the new one", PATH)
    assert store.read_bytes(PATH) == b"old"
    assert list(store.files()) == [PATH]
