"""Drawing by weights, and dividing by them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamguard_assets.generators.retail.chance import apportion, choose, choose_from_spans, dealt
from streamguard_assets.generators.retail.distributions import Span

weights = st.lists(st.floats(0.001, 1000), min_size=1, max_size=20)


@given(weights, st.lists(st.floats(0, 1, exclude_max=True)))
def test_every_number_below_one_chooses_a_weight(options: list[float], luck: list[float]) -> None:
    chosen = choose(options, np.array(luck, dtype=np.float64))
    assert set(chosen.tolist()) <= set(range(len(options)))


def test_a_weight_is_chosen_by_the_stretch_that_it_covers() -> None:
    luck = np.array([0.0, 0.4999, 0.5, 0.7499, 0.75, 0.9999])
    assert choose([2.0, 1.0, 1.0], luck).tolist() == [0, 0, 1, 1, 2, 2]


def test_a_weight_of_nothing_is_never_chosen() -> None:
    assert set(choose([0.0, 1.0, 0.0, 1.0, 0.0], np.linspace(0, 1, 1000, endpoint=False)).tolist()) == {1, 3}


def test_a_span_holds_both_of_its_ends() -> None:
    place = np.linspace(0, 1, 300, endpoint=False)
    drawn = choose_from_spans((Span(1.0, 3, 5),), np.zeros(300), place)
    assert np.bincount(drawn).tolist() == [0, 0, 0, 100, 100, 100]


@given(st.integers(0, 100_000), weights, st.integers(0, 3))
def test_shares_are_whole_complete_and_within_one_of_their_quota(count: int, options: list[float], least: int) -> None:
    spare = count - least * len(options)
    if spare < 0:
        with pytest.raises(ValueError, match=f"{count} cannot be divided"):
            apportion(count, options, least)
        return
    shares = apportion(count, options, least)
    assert sum(shares) == count
    for share, weight in zip(shares, options, strict=True):
        assert abs(share - least - spare * weight / sum(options)) < 1 + 1e-6


@given(st.lists(st.integers(0, 50), min_size=1, max_size=8), st.integers(0, 2**32))
def test_what_is_dealt_keeps_its_proportions_exactly(shares: list[int], seed: int) -> None:
    cards = dealt(np.random.default_rng(seed), shares)
    assert np.bincount(cards, minlength=len(shares)).tolist() == shares
