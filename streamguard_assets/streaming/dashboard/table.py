"""How a live dashboard is kept: which files one commit writes, replaces and names, and how they are found again.

Rows of open windows are in files that every commit replaces. Rows of windows that closed are added to a file of the
day that is rewritten until it has ``RECENT_ROWS``, and then left alone. The partial results of the open windows are in
a state file (``dashboard.files``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import polars as pl

from streamguard_assets.analytics.analyses.analysis import Analysis
from streamguard_assets.lake.errors import LakeError, StreamLost
from streamguard_assets.lake.live.state import LiveBatch, LiveState
from streamguard_assets.lake.live.table import LIVE_DATE, LiveTable
from streamguard_assets.lake.location import partition_folder
from streamguard_assets.lake.schema import polars_schema
from streamguard_assets.lake.staging import DataFile
from streamguard_assets.streaming.dashboard.files import StateFiles
from streamguard_assets.streaming.dashboard.record import DashboardRecord, StepRecord
from streamguard_assets.streaming.dashboard.steps import (
    DashboardState,
    StepResult,
    empty_state,
    kept_state,
    last_end_us,
)

RECENT_ROWS = 10_000
"""Rows at which the file of closed windows is left as it is: rewriting more with every minute would cost more than a
reader loses by one file more."""


@dataclass(frozen=True)
class Kept:
    """A dashboard as of its last commit; ``recent`` are the rows of the file that still grows."""

    standing: LiveState
    record: DashboardRecord
    state: DashboardState
    recent: pl.DataFrame


class DashboardTable:
    """The table of a dashboard in the hands of its owner."""

    def __init__(self, table: LiveTable, definition: Analysis) -> None:
        self.uri = table.uri
        self._table = table
        self._definition = definition
        self._files = StateFiles(table.store)
        self._no_rows = pl.DataFrame(schema=polars_schema(definition.schema))

    def load(self, standing: LiveState, truth: LiveState) -> Kept:
        """What the last commit kept, once the table is taken over; or a beginning.

        ``truth`` is the state of the events. A dashboard of another definition or topic begins anew, and commits that.
        """
        record = DashboardRecord.from_details(standing.details)
        if record is None:
            begun = DashboardRecord(self._definition.name, self._definition.definition_hash, truth.topic_id)
            kept = Kept(standing, begun, empty_state(self._definition), self._no_rows)
        elif (because := self._changed(record, truth)) is not None:
            kept = self._begun_anew(standing, truth, record, because)
        else:
            kept = Kept(standing, record, self._state(record), self._recent(record))
        self._files.clean(standing.epoch, kept.record.state_file)
        return kept

    def reload(self, kept: Kept, truth: LiveState) -> Kept:
        """What the newest commit kept, when it is not known whether the one after ``kept`` landed.

        Raises ``StreamLost`` when the table has another owner.
        """
        standing = self._table.state()
        assert standing is not None
        if standing.epoch != kept.standing.epoch:
            raise StreamLost(self.uri, standing.owner, standing.epoch)
        return self.load(standing, truth)

    def commit(self, kept: Kept, result: StepResult, step: StepRecord, day: date) -> Kept:
        """Write the files of a step and commit them with all that the next one needs; what is kept from then on.

        Raises ``StreamLost`` when the table has another owner, ``LakeError`` as ``LiveTable.commit``.
        """
        files = self._staged(kept, result, day)
        record = replace(
            kept.record,
            watermark_us=result.state.watermark_us,
            late=result.state.late,
            ahead=result.state.ahead,
            state_file=files.state,
            open_files=_paths(files.open),
            recent_files=() if files.recent_is_full else files.recent_paths,
            step=step,
        )
        landed = self._table.commit(
            kept.standing.epoch,
            [*files.open, *files.recent],
            lambda found: self._followed(found, kept.standing, record, step),
            replaces=files.replaced,
        )
        recent = self._no_rows if files.recent_is_full else files.recent_rows
        return Kept(landed.state, record, result.state, recent)

    def forget(self, old: DashboardRecord) -> None:
        """Delete the state file of a commit that has been followed by another."""
        if old.state_file is not None:
            self._files.delete(old.state_file)

    def _staged(self, kept: Kept, result: StepResult, day: date) -> _Staged:
        epoch, sequence = kept.standing.epoch, kept.standing.sequence + 1
        old, closed = kept.record, result.closed_rows
        with self._table.stager(day, f"dashboard-{epoch}-{sequence}") as stager:
            stager.add(result.state.rows)
            open_files = stager.finish()
            # A file stays in the folder of its day: rows must not wander from one day to the next.
            grows = closed.height > 0 and all(_is_of(path, day) for path in old.recent_files)
            recent_rows = pl.concat([kept.recent, closed]) if grows else closed
            stager.add(recent_rows)
            recent_files = stager.finish()[len(open_files) :]
            state = self._files.write(result.state.partials, epoch, sequence)
        return _Staged(
            state=state,
            open=open_files,
            recent=recent_files,
            recent_rows=recent_rows if closed.height else kept.recent,
            recent_paths=_paths(recent_files) if closed.height else old.recent_files,
            replaced=(*old.open_files, *(old.recent_files if grows else ())),
        )

    def _followed(self, found: LiveState, expected: LiveState, record: DashboardRecord, step: StepRecord) -> LiveState:
        if found.positions != expected.positions:
            raise LakeError(
                f"{self.uri}: it stands at {dict(found.positions)}, and the dashboard was computed for "
                f"{dict(expected.positions)}; open it anew"
            )
        return found.followed_by(
            "append",
            starts={**{p: begin for p, (begin, _) in step.ranges.items()}, **found.starts},
            positions={**found.positions, **{p: end for p, (_, end) in step.ranges.items()}},
            batch=LiveBatch(step.ranges, rows=step.events, rejected=0),
            details=record.to_details(),
        )

    def _changed(self, record: DashboardRecord, truth: LiveState) -> str | None:
        """Why what ``record`` kept cannot be gone on with, in words; None when it can."""
        if record.topic_id != truth.topic_id:
            return f"the topic was made anew: {truth.topic_id} instead of {record.topic_id}"
        if record.definition_hash != self._definition.definition_hash:
            return f"the definition changed: {self._definition.definition_hash} instead of {record.definition_hash}"
        return None

    def _begun_anew(self, standing: LiveState, truth: LiveState, old: DashboardRecord, because: str) -> Kept:
        """Commit a beginning, at the present positions of the events or, in another topic, where those begin.

        A window that was open has its row, and would get a second one of a part of its events: so the beginning closes
        all windows that were open. An event for one of them is late.
        """
        ends_us = [old.watermark_us]
        if old.state_file is not None:
            ends_us.append(last_end_us(self._files.read(old.state_file)))
        began_at_us = max((each for each in ends_us if each is not None), default=None)
        definition = self._definition
        record = DashboardRecord(
            definition.name,
            definition.definition_hash,
            truth.topic_id,
            watermark_us=began_at_us,
            began_at_us=began_at_us,
            began_because=because,
        )
        positions = standing.positions if old.topic_id != truth.topic_id else truth.positions
        landed = self._table.commit(
            standing.epoch,
            [],
            lambda found: found.followed_by(
                "append",
                starts={**positions, **found.starts},
                positions=dict(positions),
                details=record.to_details(),
            ),
        )
        return Kept(landed.state, record, empty_state(definition, began_at_us), self._no_rows)

    def _state(self, record: DashboardRecord) -> DashboardState:
        if record.state_file is None:
            return empty_state(self._definition, record.watermark_us)
        partials = self._files.read(record.state_file)
        return kept_state(self._definition, partials, record.watermark_us, record.late, record.ahead)

    def _recent(self, record: DashboardRecord) -> pl.DataFrame:
        if not record.recent_files:
            return self._no_rows
        return self._table.store.scan_parquet(record.recent_files, self._no_rows.schema).collect()


@dataclass(frozen=True)
class _Staged:
    """The files of a step. ``recent_rows`` and ``recent_paths`` are of closed windows, also where nothing closed."""

    state: str
    open: list[DataFile]
    recent: list[DataFile]
    recent_rows: pl.DataFrame
    recent_paths: tuple[str, ...]
    replaced: tuple[str, ...]

    @property
    def recent_is_full(self) -> bool:
        return self.recent_rows.height >= RECENT_ROWS


def _paths(files: list[DataFile]) -> tuple[str, ...]:
    return tuple(file.path for file in files)


def _is_of(path: str, day: date) -> bool:
    return path.startswith(f"{partition_folder(LIVE_DATE, day.isoformat())}/")
