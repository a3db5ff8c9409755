"""Every suite by name, in the order in which they are run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from streamguard_assets.bench.cases.analyses import analyses_speed
from streamguard_assets.bench.cases.batch import batch_speed
from streamguard_assets.bench.cases.features import feature_memory, feature_speed
from streamguard_assets.bench.cases.generators import generator_speed, seeder_speed
from streamguard_assets.bench.cases.imports import import_time
from streamguard_assets.bench.cases.ingest import ingest_memory, ingest_speed
from streamguard_assets.bench.cases.sample import sample_speed
from streamguard_assets.bench.cases.sensor import sensor_tick
from streamguard_assets.bench.cases.streaming import (
    stream_commits,
    stream_drain,
    stream_idle,
    stream_latency,
    stream_memory,
)
from streamguard_assets.bench.harness import Case
from streamguard_assets.bench.room import Bench

Suite = Callable[[Bench], AbstractContextManager[Sequence[Case]]]
"""Prepares what its cases need (a topic, a lake, frames), gives the cases, and cleans up."""

SUITES: dict[str, Suite] = {
    "import": import_time,
    "features": feature_speed,
    "features_memory": feature_memory,
    "analyses": analyses_speed,
    "ingest": ingest_speed,
    "ingest_memory": ingest_memory,
    "sample": sample_speed,
    "sensor": sensor_tick,
    "seeder": seeder_speed,
    "generator": generator_speed,
    "batch": batch_speed,
    "stream_drain": stream_drain,
    "stream_latency": stream_latency,
    "stream_memory": stream_memory,
    "stream_idle": stream_idle,
    "stream_commits": stream_commits,
}
