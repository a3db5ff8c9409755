"""What a commit says of the files that it names: filled in from them, and written into the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from streamguard_assets.lake.commits import METADATA_KEY, WindowCommit
from streamguard_assets.lake.staging import DataFile, content_of_files, rows_of


def filled(commit: WindowCommit, files: Sequence[DataFile]) -> WindowCommit:
    """``commit`` with rows and content hash of ``files``; ``ValueError`` when it says other ones already."""
    rows, content = rows_of(files), content_of_files(files)
    if commit.content_hash and (commit.rows, commit.content_hash) != (rows, content):
        raise ValueError(
            f"window {commit.window}: the commit says {commit.rows} rows with content {commit.content_hash}, "
            f"and its files hold {content}"
        )
    return replace(commit, rows=rows, content_hash=content, version=None, committed_at=None)


def log_metadata(commit: WindowCommit) -> dict[str, str]:
    """The machine's word, and one for people who read the history with other tools."""
    state = "complete" if commit.complete else "open"
    writer = f"streamguard-assets {commit.code_version}".strip()
    return {METADATA_KEY: commit.to_json(), "writtenBy": f"{writer}: {commit.window}, {commit.rows} rows, {state}"}
