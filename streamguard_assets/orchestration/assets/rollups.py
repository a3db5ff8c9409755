"""The assets ``<stream>/rollups/<name>_daily`` and ``_all``: analyses of days and of all history."""

# No `from __future__ import annotations` here: Dagster reads the annotations of these functions, and refuses texts.

import time
from collections.abc import Mapping

from dagster import (
    AssetDep,
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    AssetSpec,
    BackfillPolicy,
    MaterializeResult,
    MetadataValue,
    ResourceParam,
    TimeWindowPartitionMapping,
    multi_asset,
)

from streamguard_assets.analytics.analyses.analysis import Analysis
from streamguard_assets.analytics.analyses.registry import analysis
from streamguard_assets.lake.catalog import LakeTable
from streamguard_assets.orchestration.assets.describing import OWNER, AssetStyle, column_schema
from streamguard_assets.orchestration.dead_runs import note_process
from streamguard_assets.orchestration.metadata import commit_metadata
from streamguard_assets.orchestration.partitions import day_partitions
from streamguard_assets.orchestration.resources import Streams
from streamguard_assets.orchestration.window_run import Metadata, each_window, materialize_windows
from streamguard_assets.windows.graph import analyses_of, analysis_asset
from streamguard_assets.windows.rollups import build_days, build_history, daily_rollup, history_rollup
from streamguard_assets.windows.stream import CODE_VERSION

KINDS = {"polars", "deltalake"}


def rollup_assets(style: AssetStyle) -> list[AssetsDefinition]:
    """The rollups of every analysis of one stream; none for a stream without analyses."""
    names = analyses_of(style.graph)
    return [_daily_assets(style, names), _history_assets(style, names)] if names else []


def _daily_assets(style: AssetStyle, names: tuple[str, ...]) -> AssetsDefinition:
    keys = {style.key(daily_rollup(name)): name for name in names}
    # The first day of a stream has hours before its first window, which no asset has.
    by_window = TimeWindowPartitionMapping(allow_nonexistent_upstream_partitions=True)
    specs = [
        _spec(style, key, name, "by UTC day", AssetDep(style.key(analysis_asset(name)), partition_mapping=by_window))
        for key, name in keys.items()
    ]

    @multi_asset(
        specs=specs,
        name=f"{style.stream}__rollups_daily",
        partitions_def=day_partitions(style.settings, style.stream),
        backfill_policy=BackfillPolicy.single_run(),
        can_subset=True,
    )
    def roll_up_days(context: AssetExecutionContext, streams: ResourceParam[Streams]):
        stream = streams.open(style.stream)
        chosen = {key: name for key, name in keys.items() if key in context.selected_asset_keys}

        def build(day: str) -> Mapping[AssetKey, Metadata]:
            began = time.perf_counter()
            commits = build_days(stream, list(chosen.values()), [day], context.run.run_id).get(day, {})
            seconds = time.perf_counter() - began
            return {key: commit_metadata(commits[n], seconds) if n in commits else {} for key, n in chosen.items()}

        materialize_windows(context, each_window(list(context.partition_keys), build))
        for key in chosen:
            yield MaterializeResult(asset_key=key)

    return roll_up_days


def _history_assets(style: AssetStyle, names: tuple[str, ...]) -> AssetsDefinition:
    keys = {style.key(history_rollup(name)): name for name in names}
    specs = [
        _spec(style, key, name, "over all history", AssetDep(style.key(daily_rollup(name))))
        for key, name in keys.items()
    ]

    @multi_asset(specs=specs, name=f"{style.stream}__rollups_all", can_subset=True)
    def roll_up_history(context: AssetExecutionContext, streams: ResourceParam[Streams]):
        note_process(context)
        stream = streams.open(style.stream)
        for key, name in keys.items():
            if key in context.selected_asset_keys:
                began = time.perf_counter()
                commit = build_history(stream, name, context.run.run_id)
                metadata = commit_metadata(commit, time.perf_counter() - began) if commit else {}
                yield MaterializeResult(asset_key=key, metadata=dict(metadata))

    return roll_up_history


def _spec(style: AssetStyle, key: AssetKey, name: str, span: str, parent: AssetDep) -> AssetSpec:
    of: Analysis = analysis(name)
    table = LakeTable(style.stream, "/".join(key.path[1:]))
    return AssetSpec(
        key,
        description=f"{of.description} Put together {span} from what is kept of each window; equal to a full scan.",
        group_name=style.stream,
        owners=[OWNER],
        kinds=KINDS,
        code_version=CODE_VERSION,
        tags={"streamguard/stream": style.stream},
        deps=[parent],
        metadata={
            "sql": MetadataValue.md(f'`streamguard sql "select * from {table.sql_name} limit 10"`'),
            "dagster/column_schema": column_schema(of.schema),
        },
    )
