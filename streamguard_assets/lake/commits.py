"""What each commit says of its window, and the newest such word per window, folded from the table's history."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from deltalake import DeltaTable

METADATA_KEY = "streamguard"
"""Key of the custom metadata in which a commit's ``WindowCommit`` stands as JSON."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class WindowCommit:
    """What one commit says of one window.

    ``attempt`` names the run that wrote it, ``complete`` whether the window was closed, ``content_hash`` is
    ``<rows>:<16 hex>`` of its rows, ``inputs_hash`` of what it was built from. ``details`` hold what only some
    tables have (ranges, receipts, counts), as plain JSON values. ``rows`` and ``content_hash`` may be left out when
    committing: they are taken from the files. ``version`` and ``committed_at`` are known once it has landed.
    """

    window: str
    attempt: str
    complete: bool
    rows: int = 0
    content_hash: str = ""
    inputs_hash: str = ""
    code_version: str = ""
    details: dict[str, Any] = field(default_factory=dict)
    version: int | None = None
    committed_at: datetime | None = None

    def to_json(self) -> str:
        """The text kept in the log: everything but what only the log itself knows."""
        document = {name: getattr(self, name) for name in _KEPT}
        return msgspec.json.encode(document, order="sorted").decode()

    @classmethod
    def from_json(cls, text: str | bytes, version: int, timestamp_ms: int) -> WindowCommit:
        """Read back; keys of a later release are ignored. ``ValueError`` when it is not such a text."""
        try:
            kept = _DECODER.decode(text)
        except msgspec.MsgspecError as error:
            raise ValueError(f"commit {version} carries no window commit under {METADATA_KEY!r}: {error}") from error
        stamp = _EPOCH + timedelta(milliseconds=timestamp_ms)
        return cls(**{name: getattr(kept, name) for name in _KEPT}, version=version, committed_at=stamp)

    def same_content(self, other: WindowCommit) -> bool:
        """Whether both are the same attempt's word on the same rows and inputs."""
        return replace(self, version=None, committed_at=None, details={}, code_version="") == replace(
            other, version=None, committed_at=None, details={}, code_version=""
        )


class _Kept(msgspec.Struct):
    window: str
    attempt: str
    complete: bool
    rows: int
    content_hash: str
    inputs_hash: str = ""
    code_version: str = ""
    details: dict[str, Any] = {}


_KEPT = _Kept.__struct_fields__
_DECODER = msgspec.json.Decoder(_Kept)


class CommitFold:
    """The newest ``WindowCommit`` per window, and the attempts it replaced, up to one version of the table.

    Commits of other writers (compaction, vacuum, foreign tools) carry no ``METADATA_KEY`` and are passed over. A
    ``RESTORE`` by a foreign tool is passed over too: it changes rows behind the project's back, which is for the
    conservation check to find.
    """

    def __init__(self) -> None:
        self.table_id = ""
        self.version = -1
        self.newest: dict[str, WindowCommit] = {}
        self.superseded: dict[str, set[str]] = {}

    def follow(self, table: DeltaTable, read: Callable[[int, int], Iterable[WindowCommit]]) -> None:
        """Fold what was committed since the last call, up to the version that ``table`` is at.

        ``read(after, until)`` gives the window commits of the versions in ``(after, until]``, oldest first.
        """
        table_id = str(table.metadata().id)
        if self.table_id != table_id or table.version() < self.version:
            self.__init__()  # another table at this address: it was thrown away and made anew
            self.table_id = table_id
        if table.version() > self.version:
            self.take(read(self.version, table.version()))
            self.version = table.version()

    def take(self, commits: Iterable[WindowCommit]) -> None:
        """Fold ``commits``, oldest first."""
        for commit in commits:
            standing = self.newest.get(commit.window)
            if standing is not None and standing.attempt != commit.attempt:
                self.superseded.setdefault(commit.window, set()).add(standing.attempt)
            self.newest[commit.window] = commit
