"""Replaying quarantine: the kept bytes meet today's contract, and what is good now lands in its window, once.

It needs no Kafka: the raw bytes are in the lake. A replay is an attempt like any other: the window's accepted rows
and those that are good now replace the window in one commit, which names the attempt under which the rest stays
rejected. The range and the receipt of the window do not change, so conservation is proven as before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from streamguard_assets.contracts.offsets import OffsetRange, ReadReceipt
from streamguard_assets.engines.polars.parsing import ParsedChunk, parse_records
from streamguard_assets.lake.commits import WindowCommit
from streamguard_assets.lake.staging import content_of_files
from streamguard_assets.windows.conservation import verify_conservation
from streamguard_assets.windows.gaps import built_gaps
from streamguard_assets.windows.inputs import events_inputs_hash
from streamguard_assets.windows.stream import CODE_VERSION, Stream

MISSING_TIMESTAMP_MS = -1


@dataclass(frozen=True)
class Replayed:
    """What a replay did to one window."""

    window: str
    landed: int
    still_rejected: int


def rejected_rows(stream: Stream, windows: Sequence[str] | None = None) -> pl.LazyFrame:
    """The rows of ``quarantine`` that count, of ``windows`` or of all."""
    commits = stream.table("events").commits()
    counting = {w: c.attempt for w, c in commits.items() if windows is None or w in windows}
    return stream.quarantine.scan(counting)


def replay(stream: Stream, windows: Sequence[str], attempt: str, processed_at: datetime) -> list[Replayed]:
    """Judge the rejected records of ``windows`` again; a window in which none became good is left as it is.

    ``processed_at`` is when the rows that land are ingested; those of before keep theirs.

    Raises:
        ConservationError: an offset would be lost or doubled; that window is left as it is.
    """
    return [_replay_window(stream, window, attempt, processed_at) for window in windows]


def _replay_window(stream: Stream, window: str, attempt: str, processed_at: datetime) -> Replayed:
    commit = stream.table("events").commits()[window]
    rejected = stream.quarantine.scan({window: commit.attempt}).collect()
    parts = rejected.partition_by("kafka_partition") if rejected.height else []
    parsed = [_judge(stream, part, processed_at) for part in parts]
    landed = pl.concat([p.accepted for p in parsed]) if parsed else None
    if landed is None or not landed.height:
        return Replayed(window, 0, rejected.height)
    still = pl.concat([p.rejected for p in parsed])
    table = stream.table("events")
    rows = pl.concat([table.scan([window]).collect(), landed.with_columns(window=pl.lit(window))], how="diagonal")
    covered = OffsetRange.from_json(commit.details["range"])
    receipt = ReadReceipt.from_json(commit.details["receipt"])
    # Its own gaps: one that was acknowledged since it was built is none in the lake.
    verify_conservation(window, covered, receipt, _by_partition(rows), _by_partition(still), built_gaps(commit))
    stager = stream.quarantine.stager(window, attempt)
    stager.add(still)
    rejected_files = stager.finish()
    changed = {
        "rejected": still.height,
        "rejected_content": content_of_files(rejected_files),
        "quarantine_version": stream.quarantine.append(rejected_files, attempt),
        "soft_rule_hits": _soft_rule_hits(stream, commit, parsed, rows),
    }
    landing = _replayed_commit(stream, commit, attempt, covered, changed)
    if table.write(rows, landing).attempt != attempt:
        # The window closed meanwhile: it was read as a whole, and today's contract has judged it there.
        return Replayed(window, 0, rejected.height)
    return Replayed(window, landed.height, still.height)


def _judge(stream: Stream, rows: pl.DataFrame, processed_at: datetime) -> ParsedChunk:
    """The verdicts of today's contract on kept records of one partition, in order of offset."""
    ordered = rows.sort("kafka_offset")
    stamps = ordered["kafka_timestamp"].dt.epoch("ms").fill_null(MISSING_TIMESTAMP_MS)
    return parse_records(
        stream.contract,
        stream.topic,
        ordered["kafka_partition"][0],
        ordered["kafka_offset"].to_list(),
        stamps.to_list(),
        ordered["key"].to_list(),
        ordered["value"].to_list(),
        processed_at=processed_at,
    )


def _soft_rule_hits(
    stream: Stream, before: WindowCommit, parsed: Sequence[ParsedChunk], rows: pl.DataFrame
) -> dict[str, int]:
    """Hits of the window as it is now; rules that look at the whole window are counted anew."""
    hits = Counter(before.details["soft_rule_hits"])
    for part in parsed:
        hits.update(part.soft_rule_hits)
    for rule in stream.contract.soft_rules:
        if rule.broken is None:
            hits[rule.name] = rows.height - rows.n_unique(rule.columns)
    return dict(hits)


def _replayed_commit(
    stream: Stream, before: WindowCommit, attempt: str, covered: OffsetRange, changed: Mapping[str, Any]
) -> WindowCommit:
    details = {
        **before.details,
        **changed,
        "contract": stream.contract.name,
        "definition_hash": stream.contract.hash,
        "replayed_from": before.attempt,
    }
    return replace(
        before,
        attempt=attempt,
        rows=0,
        content_hash="",
        inputs_hash=events_inputs_hash(covered, stream.contract.hash),
        code_version=CODE_VERSION,
        details=details,
        version=None,
        committed_at=None,
    )


def _by_partition(rows: pl.DataFrame) -> dict[int, np.ndarray]:
    parts = rows.select("kafka_partition", "kafka_offset").partition_by("kafka_partition")
    return {int(part["kafka_partition"][0]): part["kafka_offset"].sort().to_numpy() for part in parts}
