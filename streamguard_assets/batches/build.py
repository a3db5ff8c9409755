"""A batch from its offsets to its tables. Doing it again gives the same rows: every table is replaced whole.

The order is that of a window: all is read and staged, it is proven that each offset of the range is an accepted row,
a rejected one, or in a hole that the reader saw, then the rejected records are committed, and the raw rows last.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

from streamguard_assets.analytics.analyses.registry import analysis
from streamguard_assets.analytics.analyses.report import run_analyses
from streamguard_assets.batches.errors import BatchOvertaken, BatchTopicRecreated
from streamguard_assets.batches.landing import BatchLanding
from streamguard_assets.batches.request import Batch
from streamguard_assets.batches.tables import BatchTables
from streamguard_assets.kafka.errors import RetentionGap
from streamguard_assets.kafka.topics import topic_id
from streamguard_assets.lake.commits import WindowCommit
from streamguard_assets.windows.ingest import read_details
from streamguard_assets.windows.inputs import combine_digests, events_inputs_hash, input_digest
from streamguard_assets.windows.reading import Share, Staged
from streamguard_assets.windows.sharing import Workers
from streamguard_assets.windows.stream import CODE_VERSION, Stream

RAW = "batches/raw"
STARTED_AT = "started_at"


def tables_of(stream: Stream, batch_id: str) -> BatchTables:
    """The tables of a batch of ``stream``."""
    return BatchTables(stream.location, stream.name, stream.contract, batch_id)


def build_raw(stream: Stream, batch: Batch, run: str, started_at: datetime) -> WindowCommit:
    """Read the batch's offsets into its raw rows and its quarantine. ``run`` names who does it.

    Raises:
        BatchTopicRecreated, BatchOvertaken: the offsets that were pinned are gone; nothing was committed.
        ConservationError: an offset was lost, doubled or foreign; nothing was committed.
        KafkaFailure: from the read.
    """
    current = topic_id(stream.connection, batch.topic)
    if current != batch.topic_id:
        raise BatchTopicRecreated(batch.batch_id, batch.topic, batch.topic_id, current)
    attempt = f"{run}-{uuid.uuid4().hex[:8]}"
    staged, workers = _staged(stream, batch, attempt, started_at)
    staged.account.verify(batch.range, staged.receipt)
    _keep_rejected(stream, batch, attempt, staged)
    commit = WindowCommit(
        window=batch.batch_id,
        attempt=attempt,
        complete=True,
        inputs_hash=events_inputs_hash(batch.range, stream.contract.hash),
        code_version=CODE_VERSION,
        details={
            **read_details(stream.contract, batch.range, staged, workers),
            "batch": batch.to_json(),
            STARTED_AT: started_at.isoformat(),
        },
    )
    return tables_of(stream, batch.batch_id).raw.commit(staged.files, commit)


def build_results(stream: Stream, batch: Batch, names: Sequence[str], run: str) -> dict[str, WindowCommit]:
    """The results of the analyses ``names`` over the raw rows of the batch: one pass over them, one table each.

    Raises:
        TableMissing: the raw rows are not there.
    """
    tables = tables_of(stream, batch.batch_id)
    raw = tables.raw.required()
    results = run_analyses(tables.raw.scan(raw.version), [analysis(name) for name in names])
    return {
        name: tables.aggregated(name).write(
            results[name],
            WindowCommit(
                window=batch.batch_id,
                attempt=f"{run}-{uuid.uuid4().hex[:8]}",
                complete=True,
                inputs_hash=result_inputs_hash(name, raw),
                code_version=CODE_VERSION,
                details={"raw_version": raw.version, "events": raw.rows},
            ),
        )
        for name in names
    }


def result_inputs_hash(name: str, raw: WindowCommit) -> str:
    """Hash of what a result is made of: the analysis and the raw rows."""
    return combine_digests(input_digest(RAW, raw.window, raw.content_hash), analysis(name).definition_hash, 1)


def _staged(stream: Stream, batch: Batch, attempt: str, started_at: datetime) -> tuple[Staged, int]:
    options = stream.settings.ingest
    share = Share(
        connection=stream.connection,
        landing=BatchLanding(stream.location, stream.name, stream.contract.name, batch.batch_id, started_at),
        contract_name=stream.contract.name,
        attempt=attempt,
        processed_at=started_at,
        range=batch.range,
        chunk_records=options.chunk_records,
        file_rows=options.file_rows,
        count_soft_rules=False,
    )
    try:
        with Workers(options) as workers:
            return workers.stage(share)
    except RetentionGap as gap:
        raise BatchOvertaken(batch.batch_id, gap.topic, gap.partition, gap.missing_start, gap.missing_end) from gap


def _keep_rejected(stream: Stream, batch: Batch, attempt: str, staged: Staged) -> None:
    """Before the raw rows, whose commit is what counts. An earlier attempt may have left a table to be replaced."""
    table = tables_of(stream, batch.batch_id).quarantine
    if staged.rejected_files or table.exists():
        commit = WindowCommit(window=batch.batch_id, attempt=attempt, complete=True, code_version=CODE_VERSION)
        table.commit(staged.rejected_files, commit)
