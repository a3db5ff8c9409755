"""An analysis: declared once, and everything that is done with it derived from the declaration."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import narwhals as nw
import pyarrow as pa
from narwhals.typing import IntoFrameT

from streamguard_assets.analytics.aggregation.columns import DATE, INSTANT, INTEGER, NUMBER, TEXT, Column, Key, Order
from streamguard_assets.analytics.aggregation.measures import Condition, Measure, Reader, ValueSet
from streamguard_assets.analytics.aggregation.partials import (
    PART,
    VALUE,
    grouped,
    measure_states,
    merged_rows,
    partial_rows,
)
from streamguard_assets.analytics.aggregation.preparation import encoded_events, prepared_rows
from streamguard_assets.analytics.engine_gaps import days_as_dates, microseconds_as_instants
from streamguard_assets.analytics.quotient import with_steps
from streamguard_assets.contracts.schemas import COMMENT

_CASTS = {TEXT: nw.String, INTEGER: nw.Int64, NUMBER: nw.Float64, DATE: nw.Int64, INSTANT: nw.Int64}

Spread = Callable[[nw.LazyFrame], nw.LazyFrame]


@dataclass(frozen=True)
class Analysis:
    """A table made of events by grouping them.

    Events for which ``where`` holds are grouped by ``keys``; of each group ``measures`` and ``sets`` are kept;
    ``columns`` are formulas over them. Rows are ordered by ``order``, nulls last; it
    ends with the keys, so that no two rows tie. ``spread`` may turn the partial rows of a group into those of several
    (sliding windows). ``module`` is the name of the module that declares it, whose code is part of the hash.

    The events are a frame of any kind that Narwhals knows (Polars, eager or lazy; PySpark), with at least
    ``inputs``; the answer is of the same kind. It is the same to the last bit on every engine, in any order of the
    rows, and however the events are split: ``analysis(events)`` is ``finish(partials(events))``, and
    ``finish(combine(rows of partials of parts))`` is no other. ``ValueError`` names columns that are missing.
    """

    name: str
    description: str
    where: Condition | None
    keys: tuple[Key, ...]
    measures: tuple[Measure, ...]
    sets: tuple[ValueSet, ...]
    columns: tuple[Column, ...]
    order: tuple[Order, ...]
    module: str
    spread: Spread | None = None

    @property
    def readers(self) -> tuple[Reader, ...]:
        """The parts that read events."""
        return (*self.keys, *self.measures, *self.sets)

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """The columns of events that are read."""
        where = () if self.where is None else self.where.columns
        read = (name for each in self.readers for name in each.inputs)
        return tuple(dict.fromkeys((*read, *where)))

    @cached_property
    def schema(self) -> pa.Schema:
        """The columns of a result; the description, with the unit, is the field's ``comment``."""
        return pa.schema([column.field for column in self.columns])

    @cached_property
    def partial_schema(self) -> pa.Schema:
        """The columns of a partial result (``aggregation.partials``), for a table that keeps them."""
        sets = ", ".join(each.part for each in self.sets)
        states = [*measure_states(self.measures), *(state for each in self.sets for state in each.states)]
        return pa.schema(
            [
                *(pa.field(key.name, key.type, True, {COMMENT: "key of the group"}) for key in self.keys),
                pa.field(PART, pa.string(), False, {COMMENT: f"what the row keeps: measures, or a text of: {sets}"}),
                pa.field(VALUE, pa.string(), True, {COMMENT: "the text; null in a row of measures"}),
                *(pa.field(state.name, pa.int64(), True, {COMMENT: state.description}) for state in states),
            ]
        )

    @cached_property
    def definition_hash(self) -> str:
        """16 hexadecimal characters that change when the code of the analysis does (``definition_hash``)."""
        from streamguard_assets.analytics.aggregation.definition_hash import definition_hash

        return definition_hash(self.module)

    def __call__(self, events: IntoFrameT) -> IntoFrameT:
        """The result: one row per group, the columns of ``schema``, sorted. No events give no rows."""
        return _in_kind(events, lambda rows: self.result_of(self._prepared(rows)))

    def partials(self, events: IntoFrameT) -> IntoFrameT:
        """What to keep of these events: the columns of ``partial_schema``, in no particular order."""
        return _in_kind(events, lambda rows: self.partials_of(self._prepared(rows)))

    def combine(self, partials: IntoFrameT) -> IntoFrameT:
        """The partial result of all the events whose partial results are put together in ``partials``.

        Other columns (the window that a row was kept for) are dropped.
        """
        return _in_kind(partials, lambda rows: self._stored(self._merged(rows)))

    def finish(self, partials: IntoFrameT) -> IntoFrameT:
        """The result of all the events whose partial results are put together in ``partials``; combines them."""
        return _in_kind(partials, lambda rows: self._finished(self._merged(rows)))

    def result_of(self, prepared: nw.LazyFrame) -> nw.LazyFrame:
        """The result of events that were prepared before (``aggregation.preparation``), perhaps for several."""
        return self._finished(self._partials(prepared))

    def partials_of(self, prepared: nw.LazyFrame) -> nw.LazyFrame:
        """The partial result of events that were prepared before."""
        return self._stored(self._partials(prepared))

    def check_inputs(self, columns: Collection[str]) -> None:
        """``ValueError`` naming the columns that events lack, if they lack some."""
        if missing := [name for name in self.inputs if name not in columns]:
            raise ValueError(f"events have no column {', '.join(missing)}; {self.name} needs {', '.join(self.inputs)}")

    def _prepared(self, events: nw.LazyFrame) -> nw.LazyFrame:
        self.check_inputs(events.collect_schema().names())
        conditions = () if self.where is None else (self.where,)
        return prepared_rows(encoded_events(events, self.readers, conditions), self.where, self.readers)

    def _partials(self, prepared: nw.LazyFrame) -> nw.LazyFrame:
        rows = partial_rows(prepared, self._keys, self.measures, self.sets)
        return rows if self.spread is None else self._merged(self.spread(rows))

    def _merged(self, partials: nw.LazyFrame) -> nw.LazyFrame:
        return merged_rows(partials, self._keys, self.measures, self.sets)

    def _stored(self, partials: nw.LazyFrame) -> nw.LazyFrame:
        texts = [field.name for field in self.partial_schema if field.type == TEXT]
        return partials.select(self.partial_schema.names).with_columns(nw.col(*texts).cast(nw.String))

    def _finished(self, partials: nw.LazyFrame) -> nw.LazyFrame:
        groups = grouped(partials, self._keys, self.measures, self.sets)
        groups = with_steps(groups, [measure.derived for measure in self.measures])
        rows = with_steps(groups, [column.steps for column in self.columns])
        result = rows.select(*(self._value(column).alias(column.name) for column in self.columns))
        dates, instants = self._columns_of(DATE), self._columns_of(INSTANT)
        result = days_as_dates(result, dates) if dates else result
        result = microseconds_as_instants(result, instants) if instants else result
        by, descending = zip(*self.order, strict=True)
        return result.sort(*by, descending=descending, nulls_last=True)

    def _value(self, column: Column) -> nw.Expr:
        cast = _CASTS.get(column.type)
        return column.value if cast is None else column.value.cast(cast)

    def _columns_of(self, kind: pa.DataType) -> list[str]:
        return [column.name for column in self.columns if column.type == kind]

    @property
    def _keys(self) -> list[str]:
        return [key.name for key in self.keys]


def _in_kind(given: IntoFrameT, transform: Callable[[nw.LazyFrame], nw.LazyFrame]) -> IntoFrameT:
    """``transform`` applied to a frame of any kind, and the outcome as a frame of that kind."""
    frame: Any = nw.from_native(given)
    made = transform(frame.lazy())
    return (made.collect() if isinstance(frame, nw.DataFrame) else made).to_native()
