"""A schedule is drawn from its seed, and leaves nothing out."""

from __future__ import annotations

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from streamguard_assets.chaos.rounds import CYCLE, LONGEST_DELAY_S, MOST_PASSES, schedule
from streamguard_assets.streaming.steps import Step

CYCLE_ROUNDS = len(CYCLE) + len(Step)


@given(st.integers(0, 2**32))
def test_the_same_seed_deals_the_same_blows(seed: int) -> None:
    assert list(islice(schedule(seed), 50)) == list(islice(schedule(seed), 50))


def test_another_seed_deals_others() -> None:
    assert list(islice(schedule(1), 50)) != list(islice(schedule(2), 50))


@given(st.integers(0, 2**32))
def test_each_cycle_holds_every_step_and_every_blow(seed: int) -> None:
    rounds = list(islice(schedule(seed), 3 * CYCLE_ROUNDS))

    for first in range(0, len(rounds), CYCLE_ROUNDS):
        cycle = rounds[first : first + CYCLE_ROUNDS]
        assert sorted(r.step for r in cycle if r.step) == sorted(Step)
        assert sorted(r.blow for r in cycle if not r.step) == sorted(CYCLE)


@given(st.integers(0, 2**32))
def test_passes_and_delays_are_bounded(seed: int) -> None:
    for blow in islice(schedule(seed), 60):
        assert 1 <= blow.passes <= MOST_PASSES
        assert 0 <= blow.delay_s <= LONGEST_DELAY_S
