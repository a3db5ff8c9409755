"""Events made ready to be grouped: only the columns that are read, with the numbers that are made of them."""

from __future__ import annotations

from collections.abc import Iterable

import narwhals as nw

from streamguard_assets.analytics.aggregation.measures import Condition, Preparation, Reader


def encoded_events(events: nw.LazyFrame, readers: Iterable[Reader], conditions: Iterable[Condition]) -> nw.LazyFrame:
    """The events with only the columns that are read.

    Texts that are grouped or counted are categories where the engine has them: grouping a million strings ten times
    is slow. Those of conditions alone stay as they are, so that a filter can be carried out while events are read.
    """
    grouped = dict.fromkeys(name for each in readers for name in each.inputs)
    read = dict.fromkeys([*grouped, *(name for each in conditions for name in each.columns)])
    selected = events.select(*read)
    if not events.implementation.is_polars():
        return selected
    texts = [name for name, kind in selected.collect_schema().items() if kind == nw.String and name in grouped]
    return selected.with_columns(nw.col(*texts).cast(nw.Categorical)) if texts else selected


def prepared_rows(encoded: nw.LazyFrame, where: Condition | None, readers: Iterable[Reader]) -> nw.LazyFrame:
    """The events for which ``where`` holds, with the columns that ``readers`` read and what they prepare of them."""
    readers = tuple(readers)
    columns = dict.fromkeys(name for each in readers for name in each.inputs)
    made: dict[str, Preparation] = {name: of for each in readers for name, of in each.prepared.items()}
    rows = encoded if where is None else encoded.filter(where.expression)
    return rows.select(*columns, **{name: of(encoded.implementation) for name, of in made.items()})
