"""Partial results: what is kept of some events so that results over any union of events can be made of it.

One long table per analysis. Its columns are the keys, ``part``, ``value``, and one Int64 column per state. A group
has one row of part ``measures``, with the states of its measures, and one row per text of each of its value sets,
with the text in ``value``; all other columns are null. Partial results of any events, put one below the other and
aggregated by (keys, part, value), are the partial result of all these events: sums add, minima and maxima compare,
sets unite. That is all that makes a result from partial results equal to one from the events.
"""

from __future__ import annotations

from collections.abc import Sequence

import narwhals as nw

from streamguard_assets.analytics.aggregation.measures import Distinct, Latest, Measure, Merge, State, ValueSet
from streamguard_assets.analytics.engine_gaps import with_lists

PART, VALUE = "part", "value"
MEASURES = "measures"


def partial_rows(
    rows: nw.LazyFrame, keys: Sequence[str], measures: Sequence[Measure], sets: Sequence[ValueSet]
) -> nw.LazyFrame:
    """The partial result of prepared events, texts as ``rows`` has them (categories or strings)."""
    counted = _aggregated(rows, keys, measure_states(measures))
    parts = [counted.with_columns(nw.lit(MEASURES).alias(PART))]
    for each in sets:
        texts = rows.filter(~nw.col(each.column).is_null()).with_columns(nw.col(each.column).alias(VALUE))
        parts.append(_aggregated(texts, [*keys, VALUE], each.states).with_columns(nw.lit(each.part).alias(PART)))
    return nw.concat(parts, how="diagonal")


def merged_rows(
    partials: nw.LazyFrame, keys: Sequence[str], measures: Sequence[Measure], sets: Sequence[ValueSet]
) -> nw.LazyFrame:
    """Rows of several partial results as the one partial result of all their events."""
    states = [*measure_states(measures), *(state for each in sets for state in each.states)]
    made = partials.group_by(*keys, PART, VALUE).agg(*map(_merged, states))
    sums = [state.name for state in states if state.merge is Merge.SUM]
    # A row of texts has no sums; merging made them 0.
    return made.with_columns(*(nw.when(nw.col(PART) == MEASURES).then(nw.col(name)).alias(name) for name in sums))


def grouped(
    partials: nw.LazyFrame, keys: Sequence[str], measures: Sequence[Measure], sets: Sequence[ValueSet]
) -> nw.LazyFrame:
    """One row per group: keys, the states of the measures, ``<column>_distinct``, ``_list`` and ``_latest``.

    ``partials`` must have no two rows of the same group, part and value.
    """
    listed = {f"{each.column}_list": _texts(each) for each in sets if isinstance(each, Distinct) and each.listed}
    latest = [each for each in sets if isinstance(each, Latest)]
    rows = partials.with_columns(*(_last_seen(each, keys) for each in latest)) if latest else partials
    rows = with_lists(rows, keys, listed) if listed else rows
    return rows.group_by(*keys).agg(
        *map(_merged, measure_states(measures)),
        *(_rows_of(each) for each in sets if isinstance(each, Distinct)),
        *(nw.col(name).any_value(ignore_nulls=True) for name in listed),
        *(_latest_text(each) for each in latest),
    )


def measure_states(measures: Sequence[Measure]) -> list[State]:
    """The columns that the measures keep."""
    return [state for measure in measures for state in measure.states]


def _aggregated(rows: nw.LazyFrame, by: Sequence[str], states: Sequence[State]) -> nw.LazyFrame:
    if not states:
        return rows.select(*by).unique()
    made = rows.select(*by, *(state.of.alias(state.name) for state in states))
    return made.group_by(*by).agg(*map(_merged, states))


def _merged(state: State) -> nw.Expr:
    column = nw.col(state.name)
    match state.merge:
        case Merge.SUM:
            # The sum of no numbers is null in one engine and 0 in another.
            return column.sum().fill_null(0)
        case Merge.MIN:
            return column.min()
        case Merge.MAX:
            return column.max()


def _in_part(each: ValueSet) -> nw.Expr:
    # A row that with_lists adds has no part.
    return (nw.col(PART) == each.part).fill_null(False)


def _rows_of(each: Distinct) -> nw.Expr:
    return _in_part(each).cast(nw.Int64).sum().alias(f"{each.column}_distinct")


def _texts(each: Distinct) -> nw.Expr:
    return nw.when(_in_part(each)).then(nw.col(VALUE))


def _last_seen(each: Latest, keys: Sequence[str]) -> nw.Expr:
    return nw.col(each.seen.name).max().over(*keys).alias(f"{each.column}_last_us")


def _latest_text(each: Latest) -> nw.Expr:
    is_last = _in_part(each) & (nw.col(each.seen.name) == nw.col(f"{each.column}_last_us"))
    return nw.when(is_last).then(nw.col(VALUE).cast(nw.String)).max().alias(f"{each.column}_latest")
