"""The score above which a user counts as anomalous. It is chosen apart from the fit.

One rule everywhere: anomalous is what scores *above* the threshold, never what equals it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Threshold:
    """``score`` between 0 and 1, and the ``rule`` in words that gave it."""

    score: float
    rule: str


def contamination_threshold(scores: np.ndarray, contamination: float) -> Threshold:
    """The score that the given share of users lies above.

    With n scores, at most k = ceil(n × contamination) are anomalous: the threshold is the (k + 1)-th highest score.
    If scores tie there, the tied ones are all normal, so fewer than k are anomalous, and none if all are equal.
    One score alone is its own threshold, and normal. Raises ``ValueError`` for no scores, or a contamination
    outside 0 to 0.5 (both excluded).
    """
    if not 0 < contamination < 0.5:
        raise ValueError(f"contamination must be above 0 and below 0.5, not {contamination}")
    if len(scores) == 0:
        raise ValueError("a threshold cannot be chosen from no scores")
    # 0.1 × 30 is 3.0000000000000004 in floats, and would make four of thirty anomalous.
    most_anomalous = math.ceil(round(len(scores) * contamination, 9))
    descending = np.sort(scores)[::-1]
    chosen = float(descending[min(most_anomalous, len(scores) - 1)])
    return Threshold(chosen, f"contamination {contamination:g}: at most {most_anomalous} of {len(scores)} above")


def fixed_threshold(score: float) -> Threshold:
    """A threshold set by a person. ``ValueError`` outside 0 to 1, where no score could lie."""
    if not 0 <= score <= 1:
        raise ValueError(f"a threshold is a score between 0 and 1, not {score}")
    return Threshold(score, f"fixed at {score:g}")
