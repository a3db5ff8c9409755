"""The fence: of two writers that started from the same version of a table, only one commits.

Every commit of ours carries a Delta app transaction with the table's ``app_id`` and the version it last saw plus
one, and is never rebased by delta-rs, so it lands on exactly the snapshot it was computed from or not at all. The
loser looks again and decides anew; a version alone protects nothing, since delta-rs accepts any from a fresh handle.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError

from streamguard_assets.lake.errors import CommitContention
from streamguard_assets.lake.tables import TableHandle

Pause = Callable[[float], None]
Result = TypeVar("Result")

MAX_TURNS = 40
FIRST_PAUSE_S = 0.005
LONGEST_PAUSE_S = 0.5


def commit_fenced(
    handle: TableHandle,
    app_id: str,
    act: Callable[[DeltaTable, CommitProperties], Result],
    *,
    seed: str,
    metadata: Mapping[str, str] | None = None,
    pause: Pause = time.sleep,
) -> Result:
    """Run ``act`` on the newest snapshot until its commit wins, at most ``MAX_TURNS`` times.

    ``act`` commits once with the properties it is given, or finds that nothing is left to do, and returns its
    result. Between turns ``pause`` waits some milliseconds, growing, with jitter drawn from ``seed`` so that two
    writers do not stay in step. Raises ``CommitContention`` with the last failure as its cause.
    """
    jitter = random.Random(seed)
    failure: CommitFailedError | None = None
    for turn in range(MAX_TURNS):
        if turn:
            pause(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**turn) * jitter.uniform(0.2, 1.0))
        try:
            with handle.lock:
                table = handle.current()
                return act(table, fenced_properties(table, app_id, metadata or {}))
        except CommitFailedError as lost:
            failure = lost
    raise CommitContention(
        f"{handle.uri}: {MAX_TURNS} attempts to commit all lost against other writers; nothing was written, try again"
    ) from failure


def fenced_properties(table: DeltaTable, app_id: str, metadata: Mapping[str, str]) -> CommitProperties:
    """Properties of a commit that lands on the snapshot of ``table`` or not at all."""
    return CommitProperties(
        custom_metadata=dict(metadata),
        max_commit_retries=0,
        app_transactions=[Transaction(app_id, (table.transaction_version(app_id) or 0) + 1)],
    )
