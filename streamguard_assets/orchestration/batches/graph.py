"""The names of batches in Dagster: partitions, assets, the job, the pool and the tags of their runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from dagster import AssetKey, DynamicPartitionsDefinition, in_process_executor
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition, define_asset_job

from streamguard_assets.analytics.analyses.analysis import Analysis
from streamguard_assets.analytics.analyses.registry import fitting_analyses
from streamguard_assets.batches.request import Batch
from streamguard_assets.orchestration.keys import asset_key
from streamguard_assets.settings import Settings
from streamguard_assets.windows.graph import configured_contract

RAW = "batches/raw"
AGGREGATED = "batches/aggregated"

BATCHES_OF_TAG = "streamguard/batches_of"
"""The stream of a batch run. Not the tag of window runs: a plan must not take a batch for one."""
BATCH_TAG = "streamguard/batch"
"""The pinned batch as JSON: what a run of it reads, also when it is retried from the UI."""


def partitions_name(stream: str) -> str:
    """The name of the dynamic partitions, one per batch."""
    return f"{stream}_batches"


def batch_partitions(stream: str) -> DynamicPartitionsDefinition:
    """The batches of a stream as partitions."""
    return DynamicPartitionsDefinition(name=partitions_name(stream))


def raw_key(stream: str) -> AssetKey:
    """The key of the raw rows of a stream's batches."""
    return asset_key(stream, RAW)


def result_key(stream: str, analysis: str) -> AssetKey:
    """The key of one result of a stream's batches."""
    return asset_key(stream, f"{AGGREGATED}/{analysis}")


def batch_analyses(settings: Settings, stream: str) -> tuple[Analysis, ...]:
    """Every analysis that a batch of ``stream`` can ask for: all that its contract has the columns of."""
    return fitting_analyses(configured_contract(settings, stream).events_schema().names)


def batch_keys(stream: str, analyses: Sequence[str]) -> list[AssetKey]:
    """What a run of a batch materializes: the raw rows, and the results that were asked for."""
    return [raw_key(stream), *(result_key(stream, name) for name in analyses)]


def batch_tags(batch: Batch) -> dict[str, str]:
    """The tags of every run of ``batch``."""
    return {BATCHES_OF_TAG: batch.stream, BATCH_TAG: json.dumps(batch.to_json(), separators=(",", ":"))}


def tagged_batch(tags: Mapping[str, str]) -> Batch | None:
    """The batch of a run by its tags; None for a run that was not submitted as one."""
    return Batch.from_json(json.loads(tags[BATCH_TAG])) if BATCH_TAG in tags else None


def batches_job_name(stream: str) -> str:
    return f"{stream}_batches"


def batches_job(settings: Settings, stream: str) -> UnresolvedAssetJobDefinition:
    """Raw rows and results of one batch; a run selects those that were asked for."""
    return define_asset_job(
        batches_job_name(stream),
        selection=batch_keys(stream, [analysis.name for analysis in batch_analyses(settings, stream)]),
        description=f"One batch of {stream}: a range of offsets, and the analyses that were asked for.",
        executor_def=in_process_executor,
        tags={BATCHES_OF_TAG: stream},
    )
