"""The state of live rows tells of each offset which version of the contract judged it."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from streamguard_assets.lake.live.state import LiveState
from streamguard_assets.streaming.judging import CONTRACTS, judged_by, judged_otherwise

FRESH = LiveState(1, 1, "a", "t", "id", {0: 5}, {0: 5})

STEPS = st.lists(
    st.tuples(
        st.sampled_from("abc"), st.dictionaries(st.integers(0, 2), st.integers(1, 5), max_size=3), st.integers(0, 4)
    ),
    max_size=8,
)


@given(STEPS)
def test_every_offset_that_is_held_is_told_to_be_judged_by_its_contract_and_no_other(
    steps: list[tuple[str, dict[int, int], int]],
) -> None:
    state, by = FRESH, dict[tuple[int, int], str]()
    for contract, batch, gone in steps:
        details = judged_by(state, contract)
        positions = {**state.positions}
        for partition, count in batch.items():
            begin = positions.get(partition, 0)
            by |= {(partition, offset): contract for offset in range(begin, begin + count)}
            positions[partition] = begin + count
        removed = {p: min(state.removed.get(p, 0) + gone, end) for p, end in positions.items()}
        starts = {**dict.fromkeys(positions, 0), **state.starts}
        state = state.followed_by("append", positions=positions, details=details, starts=starts, removed=removed)
        state = LiveState.from_json(state.to_json())
    held = {(p, offset) for p, (first, end) in state.held.items() for offset in range(first, end)}
    for contract in "abc":
        spans = judged_otherwise(state, contract)
        told = [(p, offset) for p, parts in spans.items() for begin, end in parts for offset in range(begin, end)]
        assert sorted(told) == sorted(place for place in held if by[place] != contract)


def test_what_no_longer_holds_rows_is_forgotten() -> None:
    state = FRESH
    for number in range(50):
        positions = {0: state.positions[0] + 10}
        removed = {0: max(5, positions[0] - 15)}
        state = state.followed_by(
            "append", positions=positions, removed=removed, details=judged_by(state, f"version {number}")
        )
    assert len(judged_by(state, "version 49")[CONTRACTS]) == 2


def test_a_state_that_does_not_tell_has_nothing_that_was_judged_otherwise() -> None:
    assert judged_otherwise(replace(FRESH, positions={0: 9}), "a") == {}


def test_versions_that_judged_an_older_topic_do_not_count() -> None:
    details = judged_by(FRESH, "old")
    anew = replace(FRESH, topic_id="another", positions={0: 9}, starts={0: 0}, details=details)
    assert judged_otherwise(anew, "new") == {}
    assert [entry["contract"] for entry in judged_by(anew, "new")[CONTRACTS]] == ["new"]


def test_other_details_stay() -> None:
    state = replace(FRESH, details={"watermark": 3})
    assert judged_by(state, "a")["watermark"] == 3
