from __future__ import annotations

import pytest

from streamguard_assets.lake.live.state import FORMER, UNOWNED, LiveBatch, LiveState

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


def test_a_new_owner_goes_on_where_the_old_one_was_and_begins_in_partitions_that_are_new() -> None:
    taken = STATE.taken_over("run 2", 3, "t", "id", {0: 0, 1: 0, 2: 40})

    assert (taken.owner, taken.epoch, taken.sequence, taken.kind) == ("run 2", 3, 8, "take_over")
    assert (taken.starts, taken.positions) == ({0: 5, 1: 0, 2: 40}, {0: 20, 1: 0, 2: 40})
    assert (taken.removed, taken.details, taken.batch) == (STATE.removed, STATE.details, None)


def test_of_a_topic_made_anew_everything_begins_and_the_former_is_told() -> None:
    taken = STATE.taken_over("run 2", 3, "t", "other-id", {0: 2})

    assert (taken.starts, taken.positions, taken.removed) == ({0: 2}, {0: 2}, {})
    former = {"topic_id": "id", "epoch": 2, "positions": {"0": 20, "1": 0}}
    assert taken.details == {"late": 3, FORMER: [former]}
    again = taken.taken_over("run 3", 4, "t", "third-id", {0: 0})
    assert [each["topic_id"] for each in again.details[FORMER]] == ["id", "other-id"]


def test_a_table_that_nobody_owned_has_no_former_topic() -> None:
    assert FORMER not in UNOWNED.taken_over("run 1", 1, "t", "id", {0: 0}).details


def test_a_commit_that_only_counts_on_says_nothing_new() -> None:
    assert STATE.followed_by("compact").is_but_numbered_anew(STATE)
    assert not STATE.followed_by("remove", removed={0: 15}).is_but_numbered_anew(STATE)
