"""From the offsets of a window to its committed rows, exactly once.

The order is what makes it exact. Everything is read and staged first; then it is proven that each offset of the range
is an accepted row, a rejected row, or in a hole that the reader saw; then the rejected rows are appended to
``quarantine`` under this attempt; and last, in one commit, the rows replace the window in ``events``, and that commit
names the attempt that counts. A crash before it leaves files that nobody names; a crash after it leaves nothing to do.
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import numpy as np

from streamguard_assets.contracts.contract import Contract
from streamguard_assets.contracts.offsets import OffsetRange
from streamguard_assets.engines.polars.soft_rules import repeated_ids
from streamguard_assets.kafka.dead_letters import send_dead_letters
from streamguard_assets.lake.commits import WindowCommit
from streamguard_assets.lake.staging import content_of_files
from streamguard_assets.windows.conservation import GapsByPartition
from streamguard_assets.windows.gaps import readable_range, receipt_with_gaps, window_gaps
from streamguard_assets.windows.inputs import events_inputs_hash
from streamguard_assets.windows.keeper import refuse_another_topic
from streamguard_assets.windows.landing import WindowLanding
from streamguard_assets.windows.reading import Share, Staged
from streamguard_assets.windows.sharing import Workers
from streamguard_assets.windows.stream import CODE_VERSION, Stream
from streamguard_assets.windows.view import LedgerWindow


class Ingest:
    """Ingests windows of one stream, one after the other; large ones are shared among worker processes.

    The workers start with the first window that is worth them and end with the ``with`` block. ``attempt`` names the
    run; the attempt in a commit begins with it, and is another one each time that a window is read. ``processed_at``
    is the run's instant of ingestion, which stands in each row of a stream whose contract keeps it.
    """

    def __init__(self, stream: Stream, attempt: str, processed_at: datetime) -> None:
        self._stream = stream
        self._attempt = attempt
        self._processed_at = processed_at
        self._workers = Workers(stream.settings.ingest)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._workers.__exit__(kind, error, trace)

    def window(self, window: LedgerWindow) -> WindowCommit | None:
        """Materialize one window of ``events`` and ``quarantine``; None when it is empty in every partition.

        Raises:
            ConservationError: an offset was lost, doubled or foreign; nothing was committed.
            RetentionGap: Kafka no longer has an offset of the window, and nobody has acknowledged that, or the
                window is complete in the lake and would be replaced by less.
            TopicRecreated: the offsets of the window are those of a topic that is gone.
            KafkaFailure: from the read.
        """
        if window.range.is_empty:
            return None
        refuse_another_topic(self._stream)
        # Never twice the same: a run that is resumed under its old name after a crash would otherwise append its
        # rejected rows beside those of its first life, and both would count.
        attempt = f"{self._attempt}-{uuid.uuid4().hex[:8]}"
        gaps = window_gaps(self._stream, window)
        readable = readable_range(window.range, gaps)
        staged, workers = self._workers.stage(self._share(window, attempt, readable))
        receipt = receipt_with_gaps(staged.receipt, window.range, readable)
        staged.account.verify(window.range, receipt, gaps)
        quarantine_version = self._stream.quarantine.append(staged.rejected_files, attempt)
        self._send_dead_letters(window.key, attempt, staged.rejected)
        commit = self._commit(window, attempt, replace(staged, receipt=receipt), gaps, workers, quarantine_version)
        return self._stream.table("events").commit(staged.files, commit)

    def _share(self, window: LedgerWindow, attempt: str, covered: OffsetRange) -> Share:
        return Share(
            connection=self._stream.connection,
            landing=WindowLanding(self._stream.location, self._stream.name, window.key),
            contract_name=self._stream.contract.name,
            attempt=attempt,
            processed_at=self._processed_at,
            range=covered,
            chunk_records=self._stream.settings.ingest.chunk_records,
            file_rows=self._stream.settings.ingest.file_rows,
            count_soft_rules=True,
        )

    def _send_dead_letters(self, window: str, attempt: str, rejected: int) -> None:
        """Before the commit: a crash then sends a record twice; after it, a crash would not send it at all."""
        topic = self._stream.config.dead_letter_topic
        if topic is None or rejected == 0:
            return
        rows = self._stream.quarantine.scan({window: attempt}).collect()
        send_dead_letters(
            self._stream.connection,
            topic,
            rows.iter_rows(named=True),
            stream=self._stream.name,
        )

    def _commit(
        self,
        window: LedgerWindow,
        attempt: str,
        staged: Staged,
        gaps: GapsByPartition,
        workers: int,
        quarantine_version: int | None,
    ) -> WindowCommit:
        contract = self._stream.contract
        details: dict[str, Any] = {
            **read_details(contract, window.range, staged, workers),
            "gaps": [[partition, *gap] for partition, lost in gaps.items() for gap in lost],
            "quarantine_version": quarantine_version,
        }
        return WindowCommit(
            window=window.key,
            attempt=attempt,
            complete=window.closed,
            inputs_hash=events_inputs_hash(window.range, contract.hash),
            code_version=CODE_VERSION,
            details=details,
        )


def read_details(rules: Contract, covered: OffsetRange, staged: Staged, workers: int) -> dict[str, Any]:
    """What a commit tells of the read that its rows come from, of a window and of a batch alike."""
    return {
        "range": covered.to_json(),
        "receipt": staged.receipt.to_json(),
        "delivered": staged.receipt.delivered,
        "rejected": staged.rejected,
        "rejected_content": content_of_files(staged.rejected_files),
        "holes": sum(high - low for part in staged.receipt for low, high in part.holes),
        "bytes": staged.value_bytes,
        "soft_rule_hits": staged.soft_rule_hits | _repeated_ids(rules, staged.event_id_hashes),
        "contract": rules.name,
        "definition_hash": rules.hash,
        "engine": "polars",
        "workers": workers,
    }


def _repeated_ids(rules: Contract, hashes: np.ndarray) -> dict[str, int]:
    """Hits of the rules that are counted over a whole range: events whose id an earlier one has."""
    names = [rule.name for rule in rules.soft_rules if rule.broken is None]
    return dict.fromkeys(names, repeated_ids([hashes]))
