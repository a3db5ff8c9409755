"""Several analyses in one pass over the events: what they read is read once, and made ready once for all that ask
for the same events."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import narwhals as nw

from streamguard_assets.analytics.aggregation.preparation import encoded_events, prepared_rows
from streamguard_assets.analytics.analyses.analysis import Analysis

if TYPE_CHECKING:
    import polars as pl

Outcome = Callable[[Analysis, nw.LazyFrame], nw.LazyFrame]


def run_analyses(events: pl.LazyFrame, analyses: Iterable[Analysis]) -> dict[str, pl.DataFrame]:
    """The result of each analysis, by its name. ``ValueError`` names columns that ``events`` lack."""
    return _collected(events, tuple(analyses), Analysis.result_of)


def run_partials(events: pl.LazyFrame, analyses: Iterable[Analysis]) -> dict[str, pl.DataFrame]:
    """The partial result of each analysis, by its name. ``ValueError`` names columns that ``events`` lack."""
    return _collected(events, tuple(analyses), Analysis.partials_of)


def _collected(events: pl.LazyFrame, chosen: tuple[Analysis, ...], outcome: Outcome) -> dict[str, pl.DataFrame]:
    import polars as pl

    if not chosen:
        return {}
    frame = nw.from_native(events)
    for each in chosen:
        each.check_inputs(frame.collect_schema().names())
    conditions = [each.where for each in chosen if each.where is not None]
    encoded = encoded_events(frame, [reader for each in chosen for reader in each.readers], conditions)
    # Collected, and not left to the optimizer: it does not see that two branches scan the same, for every scan.
    rows = encoded.collect().lazy()
    plans = {}
    for alike in _by_condition(chosen):
        prepared = prepared_rows(rows, alike[0].where, [reader for each in alike for reader in each.readers])
        plans |= {each.name: outcome(each, prepared).to_native() for each in alike}
    results = dict(zip(plans, pl.collect_all(plans.values()), strict=True))
    return {each.name: results[each.name] for each in chosen}


def _by_condition(chosen: tuple[Analysis, ...]) -> Iterable[list[Analysis]]:
    """The analyses that see the same events, together."""
    together: dict[str | None, list[Analysis]] = {}
    for each in chosen:
        together.setdefault(None if each.where is None else each.where.name, []).append(each)
    return together.values()
