"""The log of a live table: the state that its entries carry, and how many of them are kept."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from streamguard_assets.lake.errors import LakeError
from streamguard_assets.lake.files import FileStore
from streamguard_assets.lake.live.state import METADATA_KEY, LiveState

LOG = "_delta_log"
KEPT_ENTRIES = 800
"""Entries that stay: a quarter of an hour of seconds, for readers that have pinned a version."""

_VERSIONED = re.compile(rf"{LOG}/(\d{{20}})\.")

MAX_FOREIGN_ENTRIES = 1_000
"""How far back the state is looked for behind entries of other tools."""


class _Info(msgspec.Struct):
    commitInfo: dict[str, msgspec.Raw] | None = None  # noqa: N815  (Delta's own name)


_LINE = msgspec.json.Decoder(_Info)


def state_at(store: FileStore, version: int) -> LiveState:
    """The state as of ``version``: that of the newest entry up to it that carries one.

    Raises ``LakeError`` when none of the last entries does: then the table was made or emptied by another tool.
    """
    oldest = max(0, version - MAX_FOREIGN_ENTRIES)
    for candidate in range(version, oldest - 1, -1):
        state = state_in(store, candidate)
        if state is not None:
            return state
    raise LakeError(
        f"no commit of versions {oldest} to {version} says which offsets the table holds; it was written by another "
        "tool, or its log was cleaned by one"
    )


def states_between(store: FileStore, after: int, until: int) -> Iterator[tuple[int, LiveState]]:
    """Version and state of each entry in ``(after, until]`` that carries one, oldest first."""
    for version in range(after + 1, until + 1):
        state = state_in(store, version)
        if state is not None:
            yield version, state


def state_in(store: FileStore, version: int) -> LiveState | None:
    """The state that the entry of ``version`` carries; None when it carries none, or the entry is gone."""
    entry = store.read_bytes(f"{LOG}/{version:020d}.json")
    for line in entry.splitlines() if entry else ():
        if b'"commitInfo"' not in line:
            continue
        info = _LINE.decode(line).commitInfo or {}
        if METADATA_KEY in info:
            return LiveState.from_json(msgspec.json.decode(info[METADATA_KEY], type=str))
    return None


def delete_old_entries(store: FileStore) -> None:
    """Delete entries and checkpoints that ``KEPT_ENTRIES`` newer ones follow and that a checkpoint stands for.

    Every look at a log lists its folder: at 40,000 entries, half a day of seconds, a commit took thirty times as long.
    Windows keep their history for ever; these rows are only live. Counted and not timed, as delta-rs would: what makes
    commits slow is how many there are. Safe beside readers: one that opens the table begins with the newest checkpoint,
    one that follows it opens it anew.
    """
    entries = {path: int(found[1]) for path in store.files(LOG) if (found := _VERSIONED.match(path))}
    newest = max((version for path, version in entries.items() if "checkpoint" in path), default=0)
    for path, version in sorted(entries.items()):
        if version < newest - KEPT_ENTRIES:
            store.delete(path)
