"""The assets ``<stream>/batches/raw`` and ``<stream>/batches/aggregated/<analysis>``; one partition is one batch."""

# No `from __future__ import annotations` here: Dagster reads the annotations of these functions, and refuses texts.

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from dagster import (
    AssetDep,
    AssetExecutionContext,
    AssetsDefinition,
    AssetSpec,
    Failure,
    MaterializeResult,
    MetadataValue,
    ResourceParam,
    asset,
    multi_asset,
)

from streamguard_assets.analytics.analyses.analysis import Analysis
from streamguard_assets.batches.build import build_raw, build_results
from streamguard_assets.batches.completed import CompletedBatches
from streamguard_assets.batches.request import Batch
from streamguard_assets.batches.tables import raw_schema
from streamguard_assets.orchestration.assets.describing import OWNER, column_schema
from streamguard_assets.orchestration.batches.graph import (
    AGGREGATED,
    RAW,
    batch_analyses,
    batch_partitions,
    batch_tags,
    partitions_name,
    raw_key,
    result_key,
)
from streamguard_assets.orchestration.batches.pool import POOL
from streamguard_assets.orchestration.batches.registry import known_batch
from streamguard_assets.orchestration.dead_runs import note_process
from streamguard_assets.orchestration.metadata import commit_metadata
from streamguard_assets.orchestration.resources import Streams
from streamguard_assets.settings import Settings
from streamguard_assets.windows.graph import configured_contract
from streamguard_assets.windows.stream import CODE_VERSION


def batch_assets(settings: Settings, stream: str) -> list[AssetsDefinition]:
    """Raw rows and results of the batches of one stream."""
    raw = _raw_asset(settings, stream)
    analyses = batch_analyses(settings, stream)
    return [raw, _results_asset(stream, analyses)] if analyses else [raw]


def _raw_asset(settings: Settings, stream: str) -> AssetsDefinition:
    @_raw_decorator(settings, stream)
    def raw(context: AssetExecutionContext, streams: ResourceParam[Streams]) -> MaterializeResult:
        began = time.perf_counter()
        batch = _batch_of(context, streams, stream)
        opened = streams.open(stream)
        with _told_in_words():
            commit = build_raw(opened, batch, context.run.run_id, streams.now())
        streams.progress(RAW, batch.batch_id)
        CompletedBatches(opened).complete(batch, streams.now())
        return MaterializeResult(metadata=commit_metadata(commit, time.perf_counter() - began))

    return raw


def _raw_decorator(settings: Settings, stream: str) -> Callable[[Callable[..., Any]], AssetsDefinition]:
    columns = raw_schema(configured_contract(settings, stream))
    decorated: Any = asset(
        key=raw_key(stream),
        partitions_def=batch_partitions(stream),
        description="Accepted records of a batch, an offset range that somebody asked for. It is committed only after "
        "it is proven that every offset is a row here, a rejected record, or part of a hole that Kafka itself left.",
        metadata={"dagster/column_schema": column_schema(columns)},
        kinds={"kafka", "polars", "deltalake"},
        pool=POOL,
        **_style(stream),
    )
    return decorated


def _results_asset(stream: str, analyses: tuple[Analysis, ...]) -> AssetsDefinition:
    """Every analysis of batches. They share an op, and with it the read of the rows; any of them runs alone."""
    names = {result_key(stream, each.name): each.name for each in analyses}

    @multi_asset(
        specs=[_result_spec(stream, each) for each in analyses],
        name=f"{stream}__batches__aggregated",
        partitions_def=batch_partitions(stream),
        can_subset=True,
        pool=POOL,
    )
    def aggregated(context: AssetExecutionContext, streams: ResourceParam[Streams]) -> Iterator[MaterializeResult]:
        began = time.perf_counter()
        batch = _batch_of(context, streams, stream)
        opened = streams.open(stream)
        chosen = {key: name for key, name in names.items() if key in context.selected_asset_keys}
        with _told_in_words():
            commits = build_results(opened, batch, list(chosen.values()), context.run.run_id)
        seconds = time.perf_counter() - began
        CompletedBatches(opened).complete(batch, streams.now())
        for key, name in chosen.items():
            streams.progress(f"{AGGREGATED}/{name}", batch.batch_id)
            yield MaterializeResult(asset_key=key, metadata=commit_metadata(commits[name], seconds))

    return aggregated


def _result_spec(stream: str, analysis: Analysis) -> AssetSpec:
    return AssetSpec(
        result_key(stream, analysis.name),
        deps=[AssetDep(raw_key(stream))],
        description=f"{analysis.description} Over the rows of a batch.",
        metadata={"dagster/column_schema": column_schema(analysis.schema)},
        kinds={"polars", "deltalake"},
        **_style(stream),
    )


def _style(stream: str) -> dict[str, Any]:
    # A group of their own: a job over the windows' group would meet two kinds of partitions.
    return {
        "group_name": partitions_name(stream),
        "owners": [OWNER],
        "code_version": CODE_VERSION,
        "tags": {"streamguard/stream": stream},
    }


@contextmanager
def _told_in_words() -> Iterator[None]:
    """A failure carries the text that is shown as the batch's error message."""
    try:
        yield
    except Exception as error:
        # Asking again would give the same: what a batch reads is pinned. A person decides, or submits another.
        raise Failure(f"{type(error).__name__}: {error}", allow_retries=False) from error


def _batch_of(context: AssetExecutionContext, streams: Streams, stream: str) -> Batch:
    """What the run is to read: by its own tags, or as it was submitted when somebody materializes it from the UI."""
    note_process(context)
    batch = known_batch(context.instance, streams.open(stream), context.partition_key)
    if batch is None:
        raise Failure(
            f"nobody submitted {context.partition_key}, so nobody knows what it is to read; "
            "`streamguard batch run` submits a batch",
            metadata={"stream": MetadataValue.text(stream)},
            allow_retries=False,
        )
    if missing := {k: v for k, v in batch_tags(batch).items() if k not in context.run.tags}:
        context.instance.add_run_tags(context.run.run_id, missing)
    return batch
