"""A range of offsets staged by one process or shared among several; either way it comes back as one."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np

from streamguard_assets.contracts.offsets import ReadReceipt
from streamguard_assets.processes.parent import die_with_parent
from streamguard_assets.windows.reading import Share, Staged, stage

if TYPE_CHECKING:  # as in ``kafka.client``
    from streamguard_assets.settings import IngestSettings


class Workers:
    """Stages one share after the other; large ones are split among worker processes.

    They start with the first share that is worth them and end with the ``with`` block.
    """

    def __init__(self, options: IngestSettings) -> None:
        self._options = options
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and not issubclass(kind, Exception):
            self._interrupt()
        self._end()

    def stage(self, share: Share) -> tuple[Staged, int]:
        """All of ``share`` staged, and by how many processes. Raises what ``reading.stage`` does."""
        options = self._options
        if options.workers == 1 or share.range.span < options.parallel_from_records:
            return stage(share), 1
        pieces = [replace(share, range=piece) for piece in share.range.split(options.workers)]
        try:
            tasks = self._handed_out(pieces)
            return _merge([task.result() for task in tasks]), len(pieces)
        except BrokenProcessPool:
            self._end()  # one of them was killed; the next share gets new ones
            raise

    def _handed_out(self, pieces: Sequence[Share]) -> list[Future[Staged]]:
        try:
            return [self.pool().submit(stage, piece) for piece in pieces]
        except OSError as error:
            # A pool that is just finding out that a worker is gone closes its pipes while it is given work.
            raise BrokenProcessPool("a worker process ended while it was given its share") from error

    def pool(self) -> ProcessPoolExecutor:
        """The worker processes, started when first asked for."""
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self._options.workers,
                # A fork would copy the threads' locks of librdkafka and Polars, held by threads that are not there.
                mp_context=multiprocessing.get_context("spawn"),
                initializer=die_with_parent,
                initargs=(os.getpid(),),
            )
        return self._pool

    def _interrupt(self) -> None:
        """The run is to end now: a worker would read on to the end of its share, and hold the run until then.

        Files that it had begun are named by no commit, as after a kill.
        """
        for worker in list((self._pool._processes if self._pool else None) or {}):
            os.kill(worker, signal.SIGTERM)

    def _end(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None


def _merge(parts: Sequence[Staged]) -> Staged:
    """The pieces of one share as one; each covers its own offsets."""
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
