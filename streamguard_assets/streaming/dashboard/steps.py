"""The arithmetic of a live dashboard: from what it kept and some new events to what it keeps next. Knows no table.

A *step* takes rows of ``live/events`` in the order in which they were committed. The watermark that decides about
lateness is the one before the step, for all of its rows, as Spark has it per micro-batch; afterwards it is the latest
event time seen in any step less the delay. So the rows of a dashboard depend on where its steps were cut, which its
commits record, and on nothing else: with the same events and the same cuts they come out the same.

Kept are partial results per window, though each event is in five. Per minute they were no fewer where the same users
come back each minute, and to make the windows of them anew in each step cost more than all the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, TypeVar

import narwhals as nw
import polars as pl

from streamguard_assets.analytics.analyses.analysis import Analysis
from streamguard_assets.analytics.instants import SECOND_US, epoch_us
from streamguard_assets.analytics.sliding_windows import (
    END_US,
    START_NAME,
    WATERMARK_DELAY,
    WINDOW_END,
    WINDOW_START,
    event_time_column,
    has_ended,
    is_late,
)
from streamguard_assets.lake.schema import polars_schema

FrameT = TypeVar("FrameT", pl.DataFrame, pl.LazyFrame)
Engine = Literal["in-memory", "streaming"]
KAFKA_TIMESTAMP = "kafka_timestamp"
DELAY_US = WATERMARK_DELAY // timedelta(microseconds=1)


@dataclass(frozen=True)
class DashboardState:
    """What is kept between two steps.

    Attributes:
        partials: partial results of the open windows, columns ``Analysis.partial_schema``.
        rows: the finished rows of the same windows, in the order of the definition.
        watermark_us: microseconds since 1970 up to which windows are closed; None before the first event.
        late: events so far that were late for at least one of their windows.
        ahead: events so far that were left out because they are stamped in the future.
    """

    partials: pl.DataFrame
    rows: pl.DataFrame
    watermark_us: int | None = None
    late: int = 0
    ahead: int = 0


@dataclass(frozen=True)
class StepResult:
    """What a step gives: the state after it, which has the rows of open windows, and those of windows it closed."""

    state: DashboardState
    closed_rows: pl.DataFrame
    events: int
    late: int
    ahead: int


def empty_state(definition: Analysis, watermark_us: int | None = None) -> DashboardState:
    """The state of a dashboard that has counted nothing yet."""
    partials, rows = (
        pl.DataFrame(schema=polars_schema(each)) for each in (definition.partial_schema, definition.schema)
    )
    return DashboardState(partials, rows, watermark_us)


def kept_state(
    definition: Analysis, partials: pl.DataFrame, watermark_us: int | None, late: int, ahead: int
) -> DashboardState:
    """The state that was kept as ``partials``."""
    return DashboardState(partials, definition.finish(partials), watermark_us, late, ahead)


def in_order(definition: Analysis, rows: pl.DataFrame) -> pl.DataFrame:
    """Finished rows in the order of the definition."""
    by, descending = zip(*definition.order, strict=True)
    return rows.sort(*by, descending=descending, nulls_last=True)


def columns_read(definition: Analysis) -> Sequence[str]:
    """The columns of events that a step needs."""
    return tuple(dict.fromkeys((*definition.inputs, KAFKA_TIMESTAMP)))


def last_end_us(partials: pl.DataFrame) -> int | None:
    """The end of the last window that partial results are of, microseconds since 1970; None where there is none."""
    return nw.from_native(partials).select(END_US.max()).item()


def take_step(
    definition: Analysis, before: DashboardState, rows: pl.LazyFrame, skew_s: float, engine: Engine = "in-memory"
) -> StepResult:
    """Count ``rows`` (at least ``columns_read``) on top of ``before``.

    ``engine`` is that of Polars: rows in memory are counted soonest where they are, and more rows than fit there, from
    files, by ``streaming``. The result is the same.

    An event is *ahead* if its own time lies more than ``skew_s`` past the timestamp of its Kafka record: one broken
    clock must not close every window. It is not counted and does not move the watermark. A record without a timestamp
    is taken at its word: if a whole topic has none, its windows must close all the same, or the state would grow for
    ever.

    An event that the definition counts is *late*, once, if at least the first of its windows had ended by the
    watermark of ``before``; it is counted in those of its windows that had not. Events that the definition leaves out
    move the watermark, too, and are never late.
    """
    facts, partials = _looked_at(definition, before, rows, round(skew_s * SECOND_US), engine)
    events, ahead, late, latest_us = facts.row(0)
    watermark_us = _later(before.watermark_us, None if latest_us is None else latest_us - DELAY_US)
    combined, rows_after = _combined(definition, before, partials)
    is_closed = _is_closed(rows_after, watermark_us)
    after = DashboardState(
        _not_ended(combined, watermark_us),
        rows_after.filter(~is_closed),
        watermark_us,
        before.late + late,
        before.ahead + ahead,
    )
    return StepResult(after, rows_after.filter(is_closed), events, late, ahead)


def _looked_at(
    definition: Analysis, before: DashboardState, rows: pl.LazyFrame, skew_us: int, engine: Engine
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """One row of (events, ahead, late, latest event time in µs), and the partial results of what may be counted."""
    frame = nw.from_native(rows.select(columns_read(definition)))
    at_us = epoch_us(event_time_column(definition), frame.implementation)
    is_ahead = (at_us > epoch_us(KAFKA_TIMESTAMP, frame.implementation) + skew_us).fill_null(False)
    counts = nw.lit(True) if definition.where is None else definition.where.expression
    late = nw.lit(False) if before.watermark_us is None else is_late(at_us, before.watermark_us)
    facts = frame.select(
        events=nw.len().cast(nw.Int64),
        ahead=is_ahead.cast(nw.Int64).sum(),
        late=(late & counts & ~is_ahead).cast(nw.Int64).sum(),
        latest=nw.when(~is_ahead).then(at_us).max(),
    )
    partials = _not_ended(definition.partials(frame.filter(~is_ahead).to_native()), before.watermark_us)
    made = pl.collect_all([facts.to_native(), partials], engine=engine)
    return made[0], made[1]


def _combined(
    definition: Analysis, before: DashboardState, partials: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """``before`` and new ``partials`` as one partial result, and its finished rows.

    Only windows that get something are merged and finished. Those are the last few, and the others hold most of what is
    kept.
    """
    starts_us = partials[START_NAME].unique()
    is_kept = ~before.partials[START_NAME].is_in(starts_us.implode())
    merged = definition.combine(pl.concat([before.partials.filter(~is_kept), partials]))
    rows_kept = before.rows.filter(~_us(before.rows[WINDOW_START.name]).is_in(starts_us.implode()))
    rows = in_order(definition, pl.concat([rows_kept, definition.finish(merged)]))
    return pl.concat([before.partials.filter(is_kept), merged]), rows


def _not_ended(partials: FrameT, watermark_us: int | None) -> FrameT:
    """Without the rows of windows that have ended."""
    return partials if watermark_us is None else nw.from_native(partials).filter(~has_ended(watermark_us)).to_native()


def _is_closed(finished: pl.DataFrame, watermark_us: int | None) -> pl.Series:
    ends_us = _us(finished[WINDOW_END.name])
    return ends_us <= watermark_us if watermark_us is not None else ends_us < ends_us


def _us(instants: pl.Series) -> pl.Series:
    return instants.dt.epoch("us")


def _later(one: int | None, other: int | None) -> int | None:
    return max((each for each in (one, other) if each is not None), default=None)
