"""Whether counts fit the shares that were promised. Seeds are fixed, so a verdict never changes by itself."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

from scipy.stats import chisquare

LEAST_P = 0.001
"""A fair sample is less likely than this one time in a thousand; it would take another seed, once."""


def p_value(observed: Mapping[Any, int], weights: Mapping[Any, float]) -> float:
    """How likely counts at least as far from ``weights`` are. Every value that was observed must have a weight."""
    assert set(observed) <= set(weights), f"never promised: {set(observed) - set(weights)}"
    total, weight = sum(observed.values()), sum(weights.values())
    expected = {value: total * share / weight for value, share in weights.items()}
    assert min(expected.values()) >= 5, "too few rows for this test"
    return float(chisquare([observed.get(value, 0) for value in weights], list(expected.values())).pvalue)


def counted(values: Iterable[Hashable]) -> dict[Hashable, int]:
    counts: dict[Hashable, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return counts
