"""A live dashboard computed once more, from the events and from where its commits say that its steps were cut.

The proof that a dashboard went through kills and restarts without losing or doubling an event: the rows that come out
are those of its table.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from streamguard_assets.analytics.analyses.analysis import Analysis
from streamguard_assets.analytics.sliding_windows import WINDOW_END
from streamguard_assets.lake.errors import LakeError
from streamguard_assets.lake.live.log import states_between
from streamguard_assets.lake.live.state import LiveState
from streamguard_assets.lake.live.table import LIVE_DATE, LiveTable
from streamguard_assets.streaming.coverage import within
from streamguard_assets.streaming.dashboard.record import DashboardRecord, StepRecord, as_spans
from streamguard_assets.streaming.dashboard.steps import empty_state, in_order, take_step


@dataclass(frozen=True)
class DashboardHistory:
    """The steps of a dashboard since it began to count, and its table as of the last of them.

    ``began_at_us``: windows that ended by then were told by another definition; None when there was none.
    ``late`` and ``ahead`` are the totals that the last commit tells.
    """

    version: int
    steps: tuple[StepRecord, ...]
    began_at_us: int | None
    late: int
    ahead: int


@dataclass(frozen=True)
class Recomputed:
    """Finished rows of all windows, in the order of the definition, and the counts of what was late and ahead."""

    rows: pl.DataFrame
    late: int
    ahead: int


def dashboard_history(table: LiveTable) -> DashboardHistory | None:
    """The history up to the newest version; None when the table was never written or nothing was counted.

    Raises ``LakeError`` when entries of the log are gone, which are kept for a time only.
    """
    version = table.version()
    if version is None:
        return None
    steps: list[StepRecord] = []
    newest: DashboardRecord | None = None
    last: LiveState | None = None
    for at, state in states_between(table.store, -1, version):
        if state.sequence != (1 if last is None else last.sequence + 1):
            raise LakeError(f"{table.uri}: entries of the log before version {at} are gone; the steps are not known")
        last = state
        record = DashboardRecord.from_details(state.details)
        if state.kind != "append" or record is None:
            continue
        newest = record
        steps = [] if record.step is None else [*steps, record.step]
    if newest is None:
        return None
    return DashboardHistory(version, tuple(steps), newest.began_at_us, newest.late, newest.ahead)


def recomputed(definition: Analysis, history: DashboardHistory, events: pl.LazyFrame, skew_s: float) -> Recomputed:
    """What the table must hold of windows that ended after ``history.began_at_us``, and its counts.

    ``events`` hold every row of the offsets of ``history``, with their places in Kafka. Raises ``LakeError`` when a
    step was judged by another watermark than the steps before it give.
    """
    state, closed = empty_state(definition, history.began_at_us), []
    for step in history.steps:
        if step.watermark_before_us != state.watermark_us:
            raise LakeError(
                f"the step over {dict(step.ranges)} was judged by the watermark {step.watermark_before_us}, and the "
                f"steps before it give {state.watermark_us}"
            )
        result = take_step(definition, state, events.filter(within(as_spans(step.ranges))), skew_s)
        state = result.state
        closed.append(result.closed_rows)
    return Recomputed(in_order(definition, pl.concat([*closed, state.rows])), state.late, state.ahead)


def told_rows(definition: Analysis, table: LiveTable, history: DashboardHistory) -> pl.DataFrame:
    """The rows that the table holds of the same windows, in the same order."""
    rows = table.scan(history.version).drop(LIVE_DATE).collect()
    if history.began_at_us is not None:
        rows = rows.filter(pl.col(WINDOW_END.name).dt.epoch("us") > history.began_at_us)
    return in_order(definition, rows.select(definition.schema.names))
