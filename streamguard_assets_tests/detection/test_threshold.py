"""Who is anomalous: at most the asked share, never somebody who ties with the normal ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamguard_assets.detection.threshold import contamination_threshold, fixed_threshold


def anomalous(scores: list[float], contamination: float) -> int:
    return int((np.asarray(scores) > contamination_threshold(np.asarray(scores), contamination).score).sum())


@pytest.mark.parametrize(
    ("users", "expected"), [(1, 0), (2, 1), (10, 1), (11, 2), (14, 2), (15, 2), (30, 3), (500, 50)], ids=str
)
def test_a_tenth_is_rounded_up(users: int, expected: int) -> None:
    assert anomalous([n / users for n in range(users)], 0.1) == expected


def test_those_who_tie_at_the_border_are_all_normal() -> None:
    scores = [0.9] + [0.6] * 5 + [0.4] * 14

    assert anomalous(scores, 0.2) == 1


def test_nobody_is_anomalous_among_equals() -> None:
    assert anomalous([0.5] * 20, 0.1) == 0


@given(st.lists(st.floats(0, 1), min_size=2, max_size=40, unique=True), st.floats(0.01, 0.49))
def test_scores_without_ties_give_exactly_the_share(scores: list[float], contamination: float) -> None:
    assert anomalous(scores, contamination) == math.ceil(round(len(scores) * contamination, 9))


@given(st.lists(st.sampled_from([0.3, 0.5, 0.7]), min_size=1, max_size=40), st.floats(0.01, 0.49))
def test_no_scores_give_more_than_the_share(scores: list[float], contamination: float) -> None:
    assert anomalous(scores, contamination) <= math.ceil(round(len(scores) * contamination, 9))


def test_the_rule_is_told_in_words() -> None:
    chosen = contamination_threshold(np.linspace(0, 1, 14), 0.1)

    assert chosen.rule == "contamination 0.1: at most 2 of 14 above"
    assert fixed_threshold(0.65).rule == "fixed at 0.65"


@pytest.mark.parametrize("contamination", [0.0, 0.5, -0.1, 1.0])
def test_a_share_that_makes_no_sense_is_refused(contamination: float) -> None:
    with pytest.raises(ValueError, match="contamination must be"):
        contamination_threshold(np.ones(3), contamination)


def test_no_scores_have_no_threshold() -> None:
    with pytest.raises(ValueError, match="from no scores"):
        contamination_threshold(np.empty(0), 0.1)


@pytest.mark.parametrize("score", [-0.01, 1.01])
def test_a_fixed_threshold_is_a_score(score: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        fixed_threshold(score)
