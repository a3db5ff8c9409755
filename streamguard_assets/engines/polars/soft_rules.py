"""Counting the soft rules of a contract over Polars frames."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import numpy as np
import polars as pl

from streamguard_assets.contracts.contract import Contract
from streamguard_assets.contracts.soft_rules import SoftRule

HASH_SEED = 0x5E5A
"""Fixed, so that the processes that share a window hash an id alike."""


def soft_rule_hits(contract: Contract, accepted: pl.DataFrame) -> dict[str, int]:
    """Rows that break each soft rule that a row can break by itself; rules without hits are in it as 0."""
    counts = _counting(contract.soft_rules)
    return accepted.select_seq(counts).row(0, named=True) if counts else {}


@cache
def _counting(rules: tuple[SoftRule, ...]) -> list[pl.Expr]:
    return [rule.hits(pl) for rule in rules if rule.broken is not None]


def id_hashes(ids: pl.Series) -> np.ndarray:
    """A 64-bit hash (uint64) of each id, equal in every process that runs the same version of Polars."""
    return ids.hash(seed=HASH_SEED).to_numpy()


def repeated_ids(hashes: Iterable[np.ndarray]) -> int:
    """Rows of a window whose id an earlier row has: rows less distinct ids.

    ``hashes`` are those of every chunk of the window. Two ids may share a hash (for ten million ids the chance that
    any two do is 3 in a million); the count would then be one too high, which a warning can bear.
    """
    everything = pl.Series(np.concatenate([np.empty(0, np.uint64), *hashes]))
    return len(everything) - everything.n_unique()
