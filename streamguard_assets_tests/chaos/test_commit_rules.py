"""What one commit must be after another, case by case."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from streamguard_assets.chaos.commit_rules import broken_rules
from streamguard_assets.chaos.delta_log import LoggedBatch, LoggedCommit
from streamguard_assets.chaos.findings import Promise

BATCH = LoggedBatch(ranges={0: (10, 20)}, rows=7, rejected=1, holes={0: ((18, 20),)}, gaps={})
BEFORE = LoggedCommit(
    version=4,
    timestamp_ms=0,
    kind="append",
    epoch=2,
    owner="ana",
    sequence=4,
    topic_id="t",
    starts={0: 0, 1: 0},
    positions={0: 10, 1: 5},
    removed={},
    batch=None,
    added_rows=0,
)
NEXT = replace(BEFORE, version=5, sequence=5, positions={0: 20, 1: 5}, batch=BATCH, added_rows=7)


def promises(commit: LoggedCommit, before: LoggedCommit | None = BEFORE) -> set[Promise]:
    return {finding.promise for finding in broken_rules(before, commit)}


def test_a_commit_that_goes_on_where_the_last_one_ended_is_well() -> None:
    assert promises(NEXT) == set()


def test_the_first_commit_begins_at_the_start_of_the_table() -> None:
    first = replace(NEXT, starts={0: 10}, positions={0: 20}, sequence=1)

    assert promises(first, None) == set()
    assert promises(replace(first, starts={0: 9}), None) == {Promise.RANGES}


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        ({"batch": replace(BATCH, ranges={0: (11, 20)}, rows=6), "added_rows": 6}, Promise.RANGES),
        ({"batch": replace(BATCH, ranges={0: (9, 20)}, rows=8), "added_rows": 8}, Promise.RANGES),
        ({"positions": {0: 21, 1: 5}}, Promise.RANGES),
        ({"positions": {0: 20, 1: 6}}, Promise.RANGES),
        ({"batch": None, "added_rows": 0}, Promise.RANGES),
        ({"sequence": 6}, Promise.RANGES),
        ({"batch": replace(BATCH, rows=8), "added_rows": 8}, Promise.CONSERVATION),
        ({"batch": replace(BATCH, holes={})}, Promise.CONSERVATION),
        ({"added_rows": 6}, Promise.CONSERVATION),
        ({"epoch": 1}, Promise.EPOCH),
        ({"owner": "bob"}, Promise.EPOCH),
        ({"kind": "take_over", "batch": None, "positions": {0: 10, 1: 5}}, Promise.EPOCH),
    ],
    ids=str,
)
def test_whatever_else_it_is_breaks_a_promise(changes: dict[str, Any], broken: Promise) -> None:
    assert promises(replace(NEXT, **changes)) == {broken}


def test_a_take_over_raises_the_epoch_and_moves_nothing() -> None:
    taken = replace(NEXT, kind="take_over", epoch=3, owner="bob", positions=BEFORE.positions, batch=None)

    assert promises(taken) == set()
    assert promises(replace(taken, positions={0: 20, 1: 5})) == {Promise.RANGES}


def test_a_take_over_may_add_a_partition() -> None:
    starts, positions = {0: 0, 1: 0, 2: 0}, {0: 10, 1: 5, 2: 0}
    taken = replace(NEXT, kind="take_over", epoch=3, owner="bob", starts=starts, positions=positions, batch=None)

    assert promises(taken) == set()
