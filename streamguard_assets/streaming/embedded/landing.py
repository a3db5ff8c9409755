"""A micro-batch into the live tables: rejected rows first, then events, and in that commit the offsets.

The commit of ``live/events`` is what makes a batch count. A crash before it leaves files that nobody names, or rejected
rows that the next owner takes back; a crash after it leaves nothing to do but to catch the derived tables up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from streamguard_assets.contracts.offsets import Offsets
from streamguard_assets.lake.live.compaction import Compactor
from streamguard_assets.lake.live.state import LiveState
from streamguard_assets.lake.live.table import LiveSnapshot, LiveTable, utc_day
from streamguard_assets.lake.staging import DataFile
from streamguard_assets.streaming.embedded.micro_batch import MicroBatch
from streamguard_assets.streaming.judging import judged_by
from streamguard_assets.streaming.live_tables import live_dashboard, live_events, live_quarantine
from streamguard_assets.streaming.steps import OnStep, Step
from streamguard_assets.windows.stream import Stream

UNCONFIRMED = "unconfirmed"
"""Detail of ``live/quarantine``: paths of the files of its newest batch, which counts once ``live/events`` has it."""

ATTEMPT = "live"
"""What stands in the names of the files."""


@dataclass(frozen=True)
class Staged:
    """A batch whose files are written and that no commit names yet."""

    batch: MicroBatch
    events: Sequence[DataFile]
    rejected: Sequence[DataFile]


@dataclass
class Tenure:
    """The epoch under which a process owns a stream; None until it has taken it over."""

    epoch: int | None = None


class LiveLanding:
    """The live tables that take the batches of one owner. Made by ``take_over``."""

    def __init__(
        self, events: LiveTable, quarantine: LiveTable, state: LiveState, contract_hash: str, on_step: OnStep
    ) -> None:
        self.events = events
        self.epoch = state.epoch
        self._quarantine = quarantine
        self._state = state
        self._contract_hash = contract_hash
        self._on_step = on_step
        self._compactors = Compactor(events), Compactor(quarantine)

    @classmethod
    def take_over(
        cls, stream: Stream, owner: str, topic_id: str, starts: Offsets, on_step: OnStep, tenure: Tenure
    ) -> LiveLanding:
        """Become the owner of the live tables of ``stream``, and take back what was rejected and never counted.

        ``live/events`` comes first: from then on no commit of another owner can make a batch count, so its offsets
        stand still, and what the other tables have too much is known.

        ``tenure`` is that of this process: when it looks anew, and another epoch stands, a newer owner has the stream.

        Raises ``CommitContention`` when others won every turn, and ``StreamLost`` when one of them is newer.
        """
        events, quarantine = live_events(stream), live_quarantine(stream)
        # Also of the dashboard: somebody may have deleted live/events and left it, and it takes no lower epoch.
        above = max(_epoch(table) for table in (events, quarantine, live_dashboard(stream)))
        state = events.take_over(
            owner, stream.topic, topic_id, starts, above=above, expected=tenure.epoch, clears_other_topic=True
        )
        tenure.epoch = state.epoch
        landing = cls(events, quarantine, state, stream.contract.hash, on_step)
        if quarantine.exists():
            landing._own_quarantine(state)
        return landing

    @property
    def positions(self) -> Offsets:
        """The offsets that ``live/events`` has come to."""
        return self._state.positions

    @property
    def state(self) -> LiveState:
        """The state of ``live/events`` as of this owner's newest commit."""
        return self._state

    def stage(self, batch: MicroBatch, now: datetime) -> Staged:
        """Write the files of ``batch``. Raises what the store raises; nothing is committed."""
        return Staged(
            batch,
            _staged(self.events, batch.accepted, now),
            _staged(self._quarantine, batch.rejected, now),
        )

    def land(self, staged: Staged) -> LiveSnapshot:
        """Commit ``staged``: rejected rows, then events. Safe to call again after a failure of the store.

        Raises ``StreamLost`` when another owner has the stream, ``ValueError`` when the batch does not begin where
        the table ends.
        """
        if not staged.batch.follows(self.positions):
            raise ValueError(f"a batch of {staged.batch.account.ranges} does not follow {self.positions}")
        if staged.rejected:
            self._land_rejected(staged)
        self._on_step(Step.AFTER_QUARANTINE)
        landed = self._commit(self.events, staged.batch, staged.events, self._judged)
        self._state = landed.state
        return landed

    def close(self) -> None:
        """Let go of what runs beside."""
        for compactor in self._compactors:
            compactor.close()

    def _own_quarantine(self, events: LiveState) -> None:
        """Take the table over, and take out the rejected rows of a batch whose events never came."""
        state = self._take_quarantine()
        ahead = any(offset > events.positions.get(p, 0) for p, offset in state.positions.items())
        unconfirmed = state.details.get(UNCONFIRMED, ()) if ahead else ()
        self._quarantine.commit(
            events.epoch,
            (),
            lambda standing: standing.followed_by(
                "roll_back",
                positions=dict(events.positions),
                details={**standing.details, UNCONFIRMED: []},
            ),
            replaces=unconfirmed,
        )

    def _land_rejected(self, staged: Staged) -> None:
        standing = self._quarantine.state()
        if standing is None or standing.epoch < self.epoch:
            # Not made yet when the stream was taken over; an older owner may have made it since, or begun to.
            self._own_quarantine(self._state)
        unconfirmed = {UNCONFIRMED: [file.path for file in staged.rejected]}
        self._commit(self._quarantine, staged.batch, staged.rejected, lambda state: {**state.details, **unconfirmed})

    def _judged(self, state: LiveState) -> dict[str, Any]:
        return judged_by(state, self._contract_hash)

    def _take_quarantine(self) -> LiveState:
        own = self._state
        return self._quarantine.take_over(
            own.owner, own.topic, own.topic_id, own.starts, at=own.epoch, clears_other_topic=True
        )

    def _commit(
        self,
        table: LiveTable,
        batch: MicroBatch,
        files: Sequence[DataFile],
        details: Callable[[LiveState], dict[str, Any]],
    ) -> LiveSnapshot:
        standing = table.snapshot()
        after = batch.after(self.positions)
        if standing is not None and standing.state.epoch == self.epoch and _has_landed(standing.state, batch):
            return standing  # a commit whose answer was lost; its writer was told that it failed
        compactor = self._compactors[table is self._quarantine]
        landed = table.commit(
            self.epoch,
            files,
            lambda state: state.followed_by("append", positions=after, batch=batch.account, details=details(state)),
            replacement=compactor.ready(),
        )
        compactor.note_commit()
        return landed


def _epoch(table: LiveTable | None) -> int:
    state = None if table is None else table.state()
    return 0 if state is None else state.epoch


def _has_landed(state: LiveState, batch: MicroBatch) -> bool:
    ranges = batch.account.ranges
    return bool(ranges) and all(state.positions.get(p, 0) >= end for p, (_, end) in ranges.items())


def _staged(table: LiveTable, rows: pl.DataFrame, now: datetime) -> list[DataFile]:
    if not rows.height:
        return []
    with table.stager(utc_day(now), ATTEMPT, max(1, rows.height)) as stager:
        stager.add(rows)
        return stager.finish()
