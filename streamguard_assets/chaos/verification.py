"""The proof after a blow: the live tables against the topic, and each commit against the one before.

Everything is taken by other ways than the stream's: the topic by the plain client, tables by version from Delta, the
log as JSON. A verification looks at one version of ``live/events``, so the stream may go on meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from streamguard_assets.chaos.commit_rules import broken_rules
from streamguard_assets.chaos.committed_log import CommittedLog
from streamguard_assets.chaos.delta_log import DeltaLog, LoggedCommit
from streamguard_assets.chaos.findings import Finding, Promise, counted
from streamguard_assets.chaos.journal import Journal
from streamguard_assets.chaos.numbered_events import TRANSACTIONAL
from streamguard_assets.chaos.producing import MOST_RECORDS_PER_TRANSACTION

PLACE = ("partition", "offset", "event_id")
RowsOf = Callable[[DeltaTable], pl.DataFrame]
"""Reads partition, offset and event_id of every row."""


@dataclass(frozen=True)
class Verified:
    """What a verification saw: how many committed records it has proven, and what is wrong.

    ``misjudged_records`` are those whose fate Kafka has turned into the other one, as its own log says.
    """

    version: int | None
    records: int
    findings: tuple[Finding, ...]
    misjudged_records: int = 0


class Verification:
    """Verifies one stream again and again; the topic and the log are read on from where the last look ended.

    ``dropped_ends`` tells of how many transactions the broker has not written the end (``dropped_ends``).
    """

    def __init__(self, live: Path, log: CommittedLog, journal: Journal, dropped_ends: Callable[[], int]) -> None:
        self._live = live
        self._log = log
        self._journal = journal
        self._dropped_ends = dropped_ends
        self._commits = DeltaLog(live / "events")
        self._last: LoggedCommit | None = None
        self._unchecked: list[LoggedCommit] = []

    def verify(self) -> Verified:
        """Everything up to the newest version of ``live/events``."""
        findings = list(self._follow_log())
        if self._last is None:
            return Verified(None, 0, tuple(findings))
        # Positions before the journal, the journal before the topic: each then holds what the one before tells of.
        self._journal.catch_up()
        self._log.catch_up()
        misjudged, kafka_findings = self._kafka_findings()
        findings += kafka_findings
        expected = _between(self._log.records, self._last)
        findings += _beyond_the_log(self._last, self._log)
        # The newest entry that was read, and not the last that carries a state: another tool may have written since.
        version = self._commits.version
        findings += self._table_findings("events", _rows_of_events, version, expected, is_good=True)
        findings += self._table_findings("quarantine", self._rejected_that_count, None, expected, is_good=False)
        for commit in self._unchecked:
            findings += _hole_findings(self._log.records, commit)
        self._unchecked = []
        return Verified(version, expected.height, tuple(findings), misjudged)

    def _follow_log(self) -> Iterator[Finding]:
        for commit in self._commits.new_commits():
            yield from broken_rules(self._last, commit)
            self._last = commit
            self._unchecked.append(commit)

    def _kafka_findings(self) -> tuple[int, list[Finding]]:
        """Whether Kafka kept its word, and of how many records it says itself that it did not.

        A record past the last stable offset was taken, and nobody can read it yet: a transaction before it is open,
        for as long as the broker's timeout when its producer fell with the broker.
        """
        records = self._log.records
        told = pl.DataFrame(
            [(event_id, *place) for event_id, place in self._journal.committed.items()],
            schema={"event_id": pl.String, "partition": pl.Int32, "offset": pl.Int64},
            orient="row",
        )
        end = pl.col("partition").replace_strict(self._log.positions, default=None, return_dtype=pl.Int64)
        gone = told.filter(pl.col("offset") < end).join(records, on=PLACE, how="anti")
        aborted = records.filter(pl.col("event_id").is_in(sorted(self._journal.aborted)))
        strange = pl.concat([gone.select("event_id"), aborted.select("event_id")])
        of_transactions = strange["event_id"].str.starts_with(TRANSACTIONAL).all()
        if of_transactions and 0 < strange.height <= self._dropped_ends() * MOST_RECORDS_PER_TRANSACTION:
            return strange.height, []
        return 0, [
            *counted(Promise.KAFKA, "acknowledged records are not in the topic", _places(gone)),
            *counted(Promise.KAFKA, "aborted records are read as committed", _places(aborted)),
        ]

    def _table_findings(
        self, name: str, rows_of: RowsOf, version: int | None, expected: pl.DataFrame, *, is_good: bool
    ) -> Iterator[Finding]:
        assert self._last is not None
        wanted = expected.filter(pl.col("is_good") == is_good)
        try:
            table = DeltaTable(self._live / name, version=version)
        except TableNotFoundError:
            yield from counted(Promise.LOST, f"records are not in live/{name}, which is not there", _places(wanted))
            return
        yield from compared(f"live/{name}", wanted, rows_of(table), self._journal.aborted)

    def _rejected_that_count(self, table: DeltaTable) -> pl.DataFrame:
        """Rejected records go before their events: those past the positions of the events do not count yet."""
        assert self._last is not None
        rows = _rows_of_quarantine(table)
        end = pl.col("partition").replace_strict(dict(self._last.positions), default=None, return_dtype=pl.Int64)
        return rows.filter((pl.col("offset") < end).fill_null(True))


def compared(table: str, wanted: pl.DataFrame, rows: pl.DataFrame, aborted: set[str]) -> Iterator[Finding]:
    """How ``rows`` of ``table`` differ from the ``wanted`` records; both have partition, offset, event_id."""
    yield from counted(
        Promise.LOST, f"committed records are not in {table}", _places(wanted.join(rows, on=PLACE, how="anti"))
    )
    doubled = rows.group_by("partition", "offset").agg(pl.col("event_id").first(), pl.len()).filter(pl.col("len") > 1)
    yield from counted(Promise.DOUBLED, f"records are more than once in {table}", _places(doubled))
    strange = rows.join(wanted, on=PLACE, how="anti")
    was_aborted = pl.col("event_id").is_in(sorted(aborted))
    yield from counted(Promise.ABORTED, f"aborted records are in {table}", _places(strange.filter(was_aborted)))
    yield from counted(
        Promise.FOREIGN, f"rows of {table} are no such record of the topic", _places(strange.filter(~was_aborted))
    )


def _hole_findings(records: pl.DataFrame, commit: LoggedCommit) -> Iterator[Finding]:
    """Whether the batch of ``commit`` tells a hole where the topic has a record, or none where it has none."""
    if commit.batch is None:
        return
    for partition, (low, high) in commit.batch.ranges.items():
        inside = (pl.col("partition") == partition) & pl.col("offset").is_between(low, high, closed="left")
        there = set(records.filter(inside)["offset"])
        spans = (*commit.batch.holes.get(partition, ()), *commit.batch.gaps.get(partition, ()))
        told = {offset for begin, end in spans for offset in range(begin, end)}
        if told != set(range(low, high)) - there:
            yield Finding(
                Promise.CONSERVATION,
                f"version {commit.version}: partition {partition} has {high - low - len(there)} offsets without a "
                f"record in [{low}, {high}), and the commit tells of {len(told)}",
            )


def _beyond_the_log(commit: LoggedCommit, log: CommittedLog) -> Iterator[Finding]:
    for partition, position in commit.positions.items():
        if position > log.positions.get(partition, 0):
            yield Finding(
                Promise.FOREIGN,
                f"version {commit.version} has come to {position} in partition {partition}, which ends at "
                f"{log.positions.get(partition, 0)} for committed readers",
            )


def _between(records: pl.DataFrame, commit: LoggedCommit) -> pl.DataFrame:
    """Those of ``records`` for which the table must have rows as of ``commit``."""
    lower = {p: max(start, commit.removed.get(p, start)) for p, start in commit.starts.items()}
    low = pl.col("partition").replace_strict(lower, default=None, return_dtype=pl.Int64)
    high = pl.col("partition").replace_strict(dict(commit.positions), default=None, return_dtype=pl.Int64)
    return records.filter((pl.col("offset") >= low) & (pl.col("offset") < high))


def _rows_of_events(table: DeltaTable) -> pl.DataFrame:
    return _place_columns(table).select("partition", "offset", "event_id").collect()


def _rows_of_quarantine(table: DeltaTable) -> pl.DataFrame:
    """The id of a rejected record is told by its key: nothing else of it need be readable."""
    named = pl.col("key").cast(pl.String).str.splitn(":", 2).struct.field("field_1").alias("event_id")
    return _place_columns(table).select("partition", "offset", named).collect()


def _place_columns(table: DeltaTable) -> pl.LazyFrame:
    return pl.scan_delta(table).rename({"kafka_partition": "partition", "kafka_offset": "offset"})


def _places(frame: pl.DataFrame) -> list[tuple[object, ...]]:
    return frame.select(PLACE).sort("partition", "offset").rows()
