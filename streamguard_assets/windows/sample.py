"""``--max-events``: N records through the whole pipeline to a folder, with no window, no ledger and no Dagster."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl

from streamguard_assets.analytics.user_features.definition_hash import feature_hash
from streamguard_assets.analytics.user_features.extraction import user_features
from streamguard_assets.analytics.user_features.registry import feature_names
from streamguard_assets.contracts.contract import Contract
from streamguard_assets.contracts.offsets import OffsetRange
from streamguard_assets.detection.anomaly_model import train_model
from streamguard_assets.detection.report import anomaly_report, training_frame
from streamguard_assets.detection.scoring import Provenance, score_window
from streamguard_assets.engines.polars.parsing import ParsedChunk, parse_records
from streamguard_assets.kafka.sampling import plan_sample, read_sample
from streamguard_assets.lake.exports import write_training_data
from streamguard_assets.settings import DetectionSettings
from streamguard_assets.windows.stream import Stream

SampleStart = Literal["earliest", "latest"] | Mapping[int, int]
SAMPLE = "sample"
"""What stands where a window's key would: a sample is none."""


@dataclass(frozen=True)
class SampleSummary:
    """What a sample held, where its training data is, and the seconds of each step."""

    offsets: OffsetRange
    records: int
    rejected: int
    report: Mapping[str, Any]
    folder: Path
    seconds: Mapping[str, float]

    def as_document(self) -> dict[str, Any]:
        """For printing and for programs."""
        return {
            "offsets": self.offsets.to_json()["offsets"],
            "records": self.records,
            "rejected": self.rejected,
            **self.report,
            "folder": str(self.folder),
            "seconds": {step: round(seconds, 4) for step, seconds in self.seconds.items()},
        }


def run_sample(stream: Stream, count: int, start: SampleStart, folder: Path) -> SampleSummary:
    """Read ``count`` records (all there are, when fewer), parse, score, and write training data to ``folder``.

    Rejected records count as read. Users without enough company have no score and are left out of the files.

    Raises:
        KafkaFailure: from the read, or offsets that the log does not have.
        FileExistsError: ``folder`` holds files of somebody else.
    """
    watch = _Stopwatch()
    chunks, covered = _read(stream, count, start)
    watch.lap("read")
    parsed = [
        parse_records(stream.contract, c.topic, c.partition, c.offsets, c.timestamps_ms, c.keys, c.values)
        for c in chunks
    ]
    events = pl.concat([p.accepted for p in parsed]) if parsed else _no_events(stream.contract)
    watch.lap("parse")
    features = user_features(events, stream.contract.event_types)
    watch.lap("features")
    frame = _scored(features, stream.contract, stream.settings.detection, covered)
    watch.lap("model_and_scores")
    report = {**anomaly_report(frame), "users_without_verdict": features.height - frame.height}
    written = write_training_data(folder, frame, report)
    watch.lap("write")
    return SampleSummary(
        covered, sum(map(len, chunks)), _rejected(parsed), report, written, {**watch.laps, "total": watch.total}
    )


def _read(stream: Stream, count: int, start: SampleStart):
    plan = plan_sample(stream.connection, stream.topic, count, start)
    sample = read_sample(stream.connection, plan, chunk_records=stream.settings.ingest.chunk_records, with_keys=True)
    chunks = list(sample)
    return chunks, sample.offset_range


def _scored(
    features: pl.DataFrame, contract: Contract, detection: DetectionSettings, covered: OffsetRange
) -> pl.DataFrame:
    """Training rows of the sample: the model is fitted on the rows that it scores, there are no others."""
    names, definition = feature_names(contract.event_types), feature_hash(contract.event_types)
    model = None
    if features.height >= detection.min_users:
        model = train_model(
            features,
            names,
            definition,
            trees=detection.trees,
            random_state=detection.random_state,
            contamination=detection.contamination,
            threshold=detection.threshold,
        )
    provenance = Provenance(SAMPLE, definition, None, str(covered))
    scores = score_window(features, model, provenance, min_users=detection.min_users)
    return training_frame(features, scores, names)


def _no_events(contract: Contract) -> pl.DataFrame:
    return parse_records(contract, SAMPLE, 0, [], [], None, []).accepted


def _rejected(parsed: list[ParsedChunk]) -> int:
    return sum(p.rejected.height for p in parsed)


class _Stopwatch:
    """Seconds per step; the times are shown, no result depends on them."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._began = self._last = time.perf_counter()

    def lap(self, step: str) -> None:
        moment = time.perf_counter()
        self.laps[step], self._last = moment - self._last, moment

    @property
    def total(self) -> float:
        return self._last - self._began
