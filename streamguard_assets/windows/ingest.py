"""From the offsets of a window to its committed rows, exactly once.

The order is what makes it exact. Everything is read and staged first; then it is proven that each offset of the range
is an accepted row, a rejected row, or in a hole that the reader saw; then the rejected rows are appended to
``quarantine`` under this attempt; and last, in one commit, the rows replace the window in ``events``, and that commit
names the attempt that counts. A crash before it leaves files that nobody names; a crash after it leaves nothing to do.
"""

from __future__ import annotations

import multiprocessing
import os
import uuid
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

import numpy as np

from streamguard_assets.contracts.offsets import OffsetRange, ReadReceipt
from streamguard_assets.engines.polars.soft_rules import repeated_ids
from streamguard_assets.kafka.dead_letters import send_dead_letters
from streamguard_assets.lake.commits import WindowCommit
from streamguard_assets.lake.staging import content_of_files
from streamguard_assets.processes.parent import die_with_parent
from streamguard_assets.windows.conservation import GapsByPartition
from streamguard_assets.windows.gaps import readable_range, receipt_with_gaps, window_gaps
from streamguard_assets.windows.inputs import events_inputs_hash
from streamguard_assets.windows.keeper import refuse_another_topic
from streamguard_assets.windows.reading import Share, Staged, stage
from streamguard_assets.windows.stream import CODE_VERSION, Stream
from streamguard_assets.windows.view import LedgerWindow


class Ingest:
    """Ingests windows of one stream, one after the other; large ones are shared among worker processes.

    The workers start with the first window that is worth them and end with the ``with`` block. ``attempt`` names the
    run; the attempt in a commit begins with it, and is another one each time that a window is read.
    """

    def __init__(self, stream: Stream, attempt: str) -> None:
        self._stream = stream
        self._attempt = attempt
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_workers()

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
        staged = self._stage(window, attempt, readable)
        merged = _merge(staged)
        receipt = receipt_with_gaps(merged.receipt, window.range, readable)
        merged.account.verify(window.range, receipt, gaps)
        quarantine_version = self._stream.quarantine.append(merged.rejected_files, attempt)
        self._send_dead_letters(window.key, attempt, merged.rejected)
        commit = self._commit(window, attempt, replace(merged, receipt=receipt), gaps, len(staged), quarantine_version)
        return self._stream.table("events").commit(merged.files, commit)

    def _stage(self, window: LedgerWindow, attempt: str, covered: OffsetRange) -> list[Staged]:
        options = self._stream.settings.ingest
        share = Share(
            connection=self._stream.connection,
            location=self._stream.location,
            stream=self._stream.name,
            contract_name=self._stream.contract.name,
            window=window.key,
            attempt=attempt,
            range=covered,
            chunk_records=options.chunk_records,
            file_rows=options.file_rows,
        )
        if options.workers == 1 or covered.span < options.parallel_from_records:
            return [stage(share)]
        pieces = covered.split(options.workers)
        try:
            return list(self._workers().map(stage, [replace(share, range=piece) for piece in pieces]))
        except BrokenProcessPool:
            self._end_workers()  # one of them was killed; the next window gets new ones
            raise

    def _workers(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self._stream.settings.ingest.workers,
                # A fork would copy the threads' locks of librdkafka and Polars, held by threads that are not there.
                mp_context=multiprocessing.get_context("spawn"),
                initializer=die_with_parent,
                initargs=(os.getpid(),),
            )
        return self._pool

    def _end_workers(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

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
        merged: Staged,
        gaps: GapsByPartition,
        workers: int,
        quarantine_version: int | None,
    ) -> WindowCommit:
        contract = self._stream.contract
        details: dict[str, Any] = {
            "range": window.range.to_json(),
            "receipt": merged.receipt.to_json(),
            "delivered": merged.receipt.delivered,
            "rejected": merged.rejected,
            "rejected_content": content_of_files(merged.rejected_files),
            "holes": sum(high - low for part in merged.receipt for low, high in part.holes),
            "gaps": [[partition, *gap] for partition, lost in gaps.items() for gap in lost],
            "bytes": merged.value_bytes,
            "soft_rule_hits": merged.soft_rule_hits | _repeated_ids(self._stream, merged.event_id_hashes),
            "contract": contract.name,
            "definition_hash": contract.hash,
            "quarantine_version": quarantine_version,
            "engine": "polars",
            "workers": workers,
        }
        return WindowCommit(
            window=window.key,
            attempt=attempt,
            complete=window.closed,
            inputs_hash=events_inputs_hash(window.range, contract.hash),
            code_version=CODE_VERSION,
            details=details,
        )


def _merge(parts: Sequence[Staged]) -> Staged:
    """The shares of one window as one; each covers its own offsets."""
    if len(parts) == 1:
        return parts[0]
    hits: Counter[str] = Counter()
    account = parts[0].account
    for part in parts:
        hits.update(part.soft_rule_hits)
    for part in parts[1:]:
        account.merge(part.account)
    return Staged(
        files=[file for part in parts for file in part.files],
        rejected_files=[file for part in parts for file in part.rejected_files],
        receipt=ReadReceipt(account.topic, tuple(receipt for part in parts for receipt in part.receipt)),
        account=account,
        value_bytes=sum(part.value_bytes for part in parts),
        rejected=sum(part.rejected for part in parts),
        soft_rule_hits=dict(hits),
        event_id_hashes=np.concatenate([part.event_id_hashes for part in parts]),
    )


def _repeated_ids(stream: Stream, hashes: np.ndarray) -> dict[str, int]:
    """Hits of the rules that are counted over a window: events whose id an earlier one of the window has."""
    rules = [rule.name for rule in stream.contract.soft_rules if rule.broken is None]
    return dict.fromkeys(rules, repeated_ids([hashes]))
