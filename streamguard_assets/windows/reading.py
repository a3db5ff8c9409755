"""One worker's share of a range: read, parse, account and stage its records. Nothing is visible yet after it.

Plain arguments in, a plain result out, so that it runs in this process or in another one alike.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import numpy as np
import polars as pl

from streamguard_assets.contracts.contract import Contract
from streamguard_assets.contracts.offsets import OffsetRange, ReadReceipt
from streamguard_assets.contracts.registry import contract
from streamguard_assets.engines.polars.parsing import ParsedChunk, parse_records
from streamguard_assets.engines.polars.soft_rules import id_hashes, soft_rule_hits
from streamguard_assets.kafka.client import KafkaConnection
from streamguard_assets.kafka.reader import read_range
from streamguard_assets.lake.staging import DataFile
from streamguard_assets.windows.conservation import OffsetAccount

COUNTED_AT_ONCE = 25_000


class Stager(Protocol):
    """Takes frames on their way to a table, as ``FileStager`` does."""

    def add(self, frame: pl.DataFrame) -> None: ...

    def finish(self) -> list[DataFile]: ...

    def abort(self) -> None: ...


class Landing(Protocol):
    """Where the records of a range land: the tables of a window, or those of a batch. It is sent to workers."""

    @property
    def name(self) -> str:
        """What is read, for accounts and errors: the window's key or the batch's id."""
        ...

    def rows(self, rules: Contract, attempt: str, file_rows: int) -> Stager:
        """Takes accepted records."""
        ...

    def rejects(self, attempt: str, file_rows: int) -> Stager:
        """Takes rejected records."""
        ...


@dataclass(frozen=True)
class Share:
    """What one worker is to do: stage the records of ``range``, ingested at ``processed_at``, in ``landing``.

    ``count_soft_rules``: whether anybody asks which soft rules the events break and which ids come again. To find out
    takes a sixth of the time.
    """

    connection: KafkaConnection
    landing: Landing
    contract_name: str
    attempt: str
    processed_at: datetime
    range: OffsetRange
    chunk_records: int
    file_rows: int
    count_soft_rules: bool


@dataclass(frozen=True)
class Staged:
    """What became of a share: files that no commit names yet, and the account of every offset.

    ``soft_rule_hits`` and ``event_id_hashes`` are empty where the share did not ask for them.
    """

    files: list[DataFile]
    rejected_files: list[DataFile]
    receipt: ReadReceipt
    account: OffsetAccount
    value_bytes: int
    rejected: int
    soft_rule_hits: dict[str, int]
    event_id_hashes: np.ndarray


def stage(share: Share) -> Staged:
    """Read the share to its end and stage its rows; what was staged is deleted when anything fails.

    Raises:
        RetentionGap, OffsetOutOfRange, KafkaUnavailable: from the read.
    """
    rules = contract(share.contract_name)
    rows = share.landing.rows(rules, share.attempt, share.file_rows)
    rejects = share.landing.rejects(share.attempt, share.file_rows)
    account = OffsetAccount(share.range.topic, share.landing.name)
    tally = _Tally(rules, rows, rejects, account, share.count_soft_rules)
    try:
        with read_range(share.connection, share.range, chunk_records=share.chunk_records, with_keys=True) as chunks:
            for chunk in chunks:
                parsed = parse_records(
                    rules,
                    chunk.topic,
                    chunk.partition,
                    chunk.offsets,
                    chunk.timestamps_ms,
                    chunk.keys,
                    chunk.values,
                    processed_at=share.processed_at,
                    count_soft_rules=False,
                )
                tally.add(chunk.partition, chunk.offsets, chunk.values, parsed)
            receipt = chunks.receipt
        return tally.staged(receipt)
    except BaseException:
        rows.abort()
        rejects.abort()
        raise


@dataclass
class _Tally:
    """Sums over the chunks of a share.

    Accepted rows are gathered to ``COUNTED_AT_ONCE`` before soft rules are counted and ids are hashed: each of these
    is a query of its own, and for a chunk of 2,000 rows planning it takes as long as parsing them.
    """

    contract: Contract
    rows: Stager
    rejects: Stager
    account: OffsetAccount
    count_soft_rules: bool
    value_bytes: int = 0
    rejected: int = 0
    soft_rule_hits: Counter[str] = field(default_factory=Counter)
    id_hashes: list[np.ndarray] = field(default_factory=list)
    _gathered: list[pl.DataFrame] = field(default_factory=list)
    _gathered_rows: int = 0

    def add(self, partition: int, offsets: list[int], values: list[bytes | None], parsed: ParsedChunk) -> None:
        self._gathered.append(parsed.accepted)
        self._gathered_rows += parsed.accepted.height
        if parsed.rejected.height:
            self.rejects.add(parsed.rejected)
            self.rejected += parsed.rejected.height
        self.account.add(
            partition,
            np.fromiter(offsets, np.int64, len(offsets)),
            parsed.accepted["kafka_offset"].to_numpy(),
            parsed.rejected["kafka_offset"].to_numpy(),
        )
        self.value_bytes += sum(map(len, filter(None, values)))
        if self._gathered_rows >= COUNTED_AT_ONCE:
            self._count()

    def _count(self) -> None:
        if not self._gathered:
            return
        rows = pl.concat(self._gathered)
        self._gathered, self._gathered_rows = [], 0
        if self.count_soft_rules:
            self.soft_rule_hits.update(soft_rule_hits(self.contract, rows))
            self.id_hashes.append(id_hashes(rows[self.contract.id_column]))
        self.rows.add(rows)

    def staged(self, receipt: ReadReceipt) -> Staged:
        self._count()
        return Staged(
            files=self.rows.finish(),
            rejected_files=self.rejects.finish(),
            receipt=receipt,
            account=self.account,
            value_bytes=self.value_bytes,
            rejected=self.rejected,
            soft_rule_hits=dict(self.soft_rule_hits),
            event_id_hashes=np.concatenate(self.id_hashes) if self.id_hashes else np.empty(0, np.uint64),
        )
