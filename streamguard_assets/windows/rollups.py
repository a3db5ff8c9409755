"""Analyses of whole days and of all history, put together from what is kept of windows and of days.

Level-triggered: what a day should be made of is compared with what it was made of, so a window that is built again
brings its day and the history up to date, and nothing else. No events are read again but those of windows whose
partial is not there (an analysis was added or changed). The result is that of one scan over all events.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

import polars as pl

from streamguard_assets.analytics.analyses.analysis import Analysis
from streamguard_assets.analytics.analyses.registry import analysis
from streamguard_assets.contracts.schemas import WINDOW_FIELD
from streamguard_assets.contracts.windows import Cadence, window_key, window_start
from streamguard_assets.lake.catalog import PARTIALS
from streamguard_assets.lake.commits import WindowCommit
from streamguard_assets.lake.snapshot_table import SnapshotTable
from streamguard_assets.lake.window_table import WindowTable
from streamguard_assets.windows.graph import analyses_of
from streamguard_assets.windows.keeper import missing_windows
from streamguard_assets.windows.partials import keep_partials, partial_inputs, read_partials
from streamguard_assets.windows.requests import fingerprint
from streamguard_assets.windows.stream import CODE_VERSION, Stream

DAY = Cadence(24 * 60)
HISTORY = "all"
"""What stands for a window in the commits of all history."""

_IN_A_DAY = timedelta(microseconds=1)


def daily_rollup(name: str) -> str:
    """The asset of an analysis by day: ``rollups/revenue_by_category_daily``."""
    return f"rollups/{name}_daily"


def history_rollup(name: str) -> str:
    """The asset of an analysis over all history: ``rollups/revenue_by_category_all``."""
    return f"rollups/{name}_all"


@dataclass(frozen=True)
class DueRollups:
    """What is not up to date: names of analyses by day, ascending, and those of all history.

    All history waits for the days: it is put together from them. ``fingerprint`` names the content that is wanted;
    it stays the same at every attempt.
    """

    days: Mapping[str, tuple[str, ...]]
    history: tuple[str, ...]
    fingerprint: str

    def __bool__(self) -> bool:
        return bool(self.days or self.history)


def due_rollups(stream: Stream) -> DueRollups:
    """What should be built now, from the commits of the lake alone."""
    state = RollupState(stream)
    names = analyses_of(stream.graph)
    days = {
        day: late
        for day in state.days
        if (late := tuple(name for name in names if not state.day_is_built(analysis(name), day)))
    }
    history = tuple(name for name in names if state.days and not state.history_is_built(analysis(name)))
    wanted = [[name, state.history_inputs(analysis(name))] for name in history]
    return DueRollups(days, history, fingerprint(wanted, days))


def build_days(
    stream: Stream, names: Sequence[str], days: Iterable[str], attempt: str
) -> dict[str, dict[str, WindowCommit]]:
    """Bring ``days`` of the analyses ``names`` up to date; by day and name the commits of those that hold events."""
    state, analyses = RollupState(stream), [analysis(name) for name in names]
    built: dict[str, dict[str, WindowCommit]] = {}
    for day in days:
        if day in state.windows_by_day:
            for window in state.windows_by_day[day]:
                keep_partials(stream, analyses, window, state.events[window], attempt)
            built[day] = {of.name: _build_day(stream, state, of, day, attempt) for of in analyses}
    return built


def build_history(stream: Stream, name: str, attempt: str) -> WindowCommit | None:
    """Bring all history of one analysis up to date; None while no window holds events.

    Raises ``DaysLateError`` while a day is not up to date: it must be built, and recorded, by itself.
    """
    state, of = RollupState(stream), analysis(name)
    if not state.days:
        return None
    if late := [day for day in state.days if not state.day_is_built(of, day)]:
        raise DaysLateError(daily_rollup(name), late)
    kept, sealed = _sealed_partials(stream, state, of, attempt)
    rest = [day for day in state.days if day not in sealed]
    table = daily_partials(stream, of)
    rows = of.finish(pl.concat([kept, table.scan(rest, empty_if_missing=True).drop(WINDOW_FIELD.name)]).collect())
    details = {"days": len(state.days), "first_day": state.days[0], "last_day": state.days[-1]}
    return _write_snapshot(history_table(stream, of), rows, attempt, state.history_inputs(of), of, details)


class DaysLateError(Exception):
    """All history was asked for before the days that it is put together from."""

    def __init__(self, asset: str, days: list[str]) -> None:
        super().__init__(
            f"{len(days)} days of {asset} are not up to date: {', '.join(days[:5])}; materialize them first"
        )
        self.days = days


class RollupState:
    """What the rollups of a stream should be made of, by the newest commits of its events."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.events = stream.table("events").commits()
        last = stream.ledger.last()
        self._closed_until = None if last is None else last.instant

    @cached_property
    def windows_by_day(self) -> dict[str, list[str]]:
        """The windows that hold events, by the UTC day that they begin in."""
        days: dict[str, list[str]] = {}
        for window in sorted(self.events):
            days.setdefault(window_key(DAY.floor(window_start(window))), []).append(window)
        return days

    @cached_property
    def days(self) -> list[str]:
        return list(self.windows_by_day)

    def is_complete(self, day: str) -> bool:
        """Whether the day is over by the ledger and none of its windows is to come."""
        over = self._closed_until is not None and DAY.end(day) <= self._closed_until
        return over and all(self.events[window].complete for window in self.windows_by_day[day])

    def day_inputs(self, of: Analysis, day: str) -> str:
        """The name of what a day should be made of."""
        windows = [partial_inputs(of, self.events[window]) for window in self.windows_by_day[day]]
        return fingerprint(of.definition_hash, self.is_complete(day), windows)

    def history_inputs(self, of: Analysis) -> str:
        """The name of what all history should be made of."""
        return fingerprint([self.day_inputs(of, day) for day in self.days])

    def day_is_built(self, of: Analysis, day: str) -> bool:
        built = daily_table(self._stream, of).commits().get(day)
        return built is not None and built.inputs_hash == self.day_inputs(of, day)

    def history_is_built(self, of: Analysis) -> bool:
        built = history_table(self._stream, of).newest()
        return built is not None and built.inputs_hash == self.history_inputs(of)


def daily_table(stream: Stream, of: Analysis) -> WindowTable:
    """The table of an analysis by day; the day stands where a window's key would."""
    return stream.kept_table(daily_rollup(of.name), of.schema, f"{of.description} By UTC day of the window.")


def daily_partials(stream: Stream, of: Analysis) -> WindowTable:
    """What is kept of each day."""
    description = f"What {of.name} keeps of each day, to be put together for all history."
    return stream.kept_table(f"rollups/{PARTIALS}/{of.name}_daily", of.partial_schema, description)


def history_table(stream: Stream, of: Analysis) -> SnapshotTable:
    """The table of an analysis over all history."""
    description = f"{of.description} Over all history."
    return SnapshotTable(stream.location, stream.name, history_rollup(of.name), of.schema, description)


def history_partials(stream: Stream, of: Analysis) -> SnapshotTable:
    """What is kept of all days that are over."""
    description = f"What {of.name} keeps of all days that are over."
    asset = f"rollups/{PARTIALS}/{of.name}_all"
    return SnapshotTable(stream.location, stream.name, asset, of.partial_schema, description)


def _build_day(stream: Stream, state: RollupState, of: Analysis, day: str, attempt: str) -> WindowCommit:
    windows, inputs = state.windows_by_day[day], state.day_inputs(of, day)
    partial = of.combine(read_partials(stream, of, windows)).collect()
    every = stream.cadence.keys(window_start(day), DAY.end(day) - _IN_A_DAY)
    commit = WindowCommit(
        window=day,
        attempt=attempt,
        complete=state.is_complete(day),
        inputs_hash=inputs,
        code_version=CODE_VERSION,
        details={
            "definition_hash": of.definition_hash,
            "windows": len(windows),
            "windows_missing": missing_windows(stream, every),
            "events": sum(state.events[window].rows for window in windows),
        },
    )
    # What is kept comes first: the day's result is what says that both are there.
    daily_partials(stream, of).write(partial, commit)
    return daily_table(stream, of).write(of.finish(partial), commit)


def _sealed_partials(
    stream: Stream, state: RollupState, of: Analysis, attempt: str
) -> tuple[pl.LazyFrame, Mapping[str, str]]:
    """The partial of all days that are over, and the inputs of each.

    What was kept before is added to, unless one of its days is made of something else now: then all days are put
    together anew. So an hour that passes costs the days that are not over, and not all history.
    """
    table = history_partials(stream, of)
    wanted = {day: state.day_inputs(of, day) for day in state.days if state.is_complete(day)}
    standing = table.newest()
    known: Mapping[str, str] = standing.details["days"] if standing is not None else {}
    if known == wanted and standing is not None:
        return table.scan(), wanted
    is_extended = standing is not None and known.items() <= wanted.items()
    days = [day for day in wanted if not is_extended or day not in known]
    parts = [daily_partials(stream, of).scan(days, empty_if_missing=True).drop(WINDOW_FIELD.name)]
    if is_extended:
        parts.append(table.scan())
    rows = of.combine(pl.concat(parts)).collect()
    _write_snapshot(table, rows, attempt, fingerprint(sorted(wanted.items())), of, {"days": wanted})
    return rows.lazy(), wanted


def _write_snapshot(
    table: SnapshotTable, rows: pl.DataFrame, attempt: str, inputs: str, of: Analysis, details: Mapping[str, Any]
) -> WindowCommit:
    commit = WindowCommit(
        window=HISTORY,
        attempt=attempt,
        complete=True,
        inputs_hash=inputs,
        code_version=CODE_VERSION,
        details={"definition_hash": of.definition_hash, **details},
    )
    return table.write(rows, commit)
