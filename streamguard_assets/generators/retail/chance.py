"""Drawing from tables of weights with nothing but uniform numbers and exact arithmetic.

No logarithm, no exponential: their last bit differs between machines, and the same seed must give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from streamguard_assets.generators.retail.distributions import Span


def choose(weights: Iterable[float], luck: np.ndarray) -> np.ndarray:
    """Indices into ``weights``, chosen by uniform numbers in [0, 1); weights need not sum to 1. int64."""
    ends = np.cumsum(np.fromiter(weights, dtype=np.float64))
    # A sum that ends a bit below the total must not let a number pass beyond the last weight.
    return np.minimum(np.searchsorted(ends, luck * ends[-1], side="right"), len(ends) - 1)


def choose_from_spans(spans: Sequence[Span], luck: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Whole numbers: ``luck`` chooses the span by its weight, ``place`` the number in it. int64."""
    chosen = choose((span.weight for span in spans), luck)
    lowest = np.array([span.lowest for span in spans])[chosen]
    size = np.array([span.highest - span.lowest + 1 for span in spans])[chosen]
    return lowest + (place * size).astype(np.int64)


def apportion(count: int, weights: Sequence[float], least: int = 0) -> list[int]:
    """``count`` things divided by ``weights`` (largest remainders), after each share was given ``least``.

    >>> apportion(10, [0.5, 0.3, 0.2])
    [5, 3, 2]
    >>> apportion(10, [0.98, 0.01, 0.01], least=1)
    [8, 1, 1]

    Raises:
        ValueError: there is not enough for ``least`` each.
    """
    spare = count - least * len(weights)
    if spare < 0:
        raise ValueError(f"{count} cannot be divided into {len(weights)} shares of at least {least}")
    total = sum(weights)
    quotas = [spare * weight / total for weight in weights]
    shares = [int(quota) for quota in quotas]
    by_remainder = sorted(range(len(weights)), key=lambda i: shares[i] - quotas[i])
    for i in by_remainder[: spare - sum(shares)]:
        shares[i] += 1
    return [least + share for share in shares]


def dealt(rng: np.random.Generator, shares: Sequence[int]) -> np.ndarray:
    """Each index as often as its share says, in random order: a pool whose proportions hold exactly."""
    return rng.permutation(np.repeat(np.arange(len(shares)), shares))
