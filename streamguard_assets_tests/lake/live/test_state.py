from __future__ import annotations

import pytest

from streamguard_assets.lake.live.state import LiveBatch, LiveState

STATE = LiveState(
    sequence=7,
    epoch=2,
    owner="run 1 on host",
    topic="t",
    topic_id="id",
    starts={0: 5, 1: 0},
    positions={0: 20, 1: 0},
    removed={0: 9},
    kind="append",
    batch=LiveBatch({0: (10, 20)}, rows=7, rejected=1, holes={0: ((12, 14),)}, gaps={0: ((10, 11),)}),
    details={"late": 3},
)


def test_a_state_is_read_back_from_its_text() -> None:
    assert LiveState.from_json(STATE.to_json()) == STATE


def test_a_table_holds_what_lies_between_its_start_or_its_removal_and_its_position() -> None:
    assert STATE.held == {0: (9, 20)}


def test_the_next_state_keeps_what_a_commit_does_not_change() -> None:
    following = STATE.followed_by("remove", removed={0: 15})

    assert (following.sequence, following.kind, following.batch) == (8, "remove", None)
    assert (following.positions, following.removed, following.details) == (STATE.positions, {0: 15}, {"late": 3})


def test_a_text_that_is_no_state_is_refused() -> None:
    with pytest.raises(ValueError, match="carries no live state"):
        LiveState.from_json('{"epoch": "many"}')
