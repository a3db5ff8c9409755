"""The assets ``<stream>/analyses/<name>``: one pass over the events of a window for all that a run asks for."""

# No `from __future__ import annotations` here: Dagster reads the annotations of these functions, and refuses texts.

import time
from collections.abc import Mapping

from dagster import (
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    BackfillPolicy,
    MaterializeResult,
    ResourceParam,
    multi_asset,
)

from streamguard_assets.orchestration.assets.describing import AssetStyle
from streamguard_assets.orchestration.metadata import commit_metadata
from streamguard_assets.orchestration.resources import Streams
from streamguard_assets.orchestration.window_run import Metadata, each_window, materialize_windows
from streamguard_assets.windows.analyse import build_analyses
from streamguard_assets.windows.graph import analyses_of, analysis_asset


def analyses_asset(style: AssetStyle) -> AssetsDefinition:
    """Every analysis of one stream. They share an op, and with it the read of the events; any of them runs alone."""
    keys = {style.key(analysis_asset(name)): name for name in analyses_of(style.graph)}

    @multi_asset(
        specs=[style.spec(analysis_asset(name)) for name in keys.values()],
        name=f"{style.stream}__analyses",
        backfill_policy=BackfillPolicy.single_run(),
        partitions_def=style.partitions,
        can_subset=True,
    )
    def analyse(context: AssetExecutionContext, streams: ResourceParam[Streams]):
        stream = streams.open(style.stream)
        chosen = {key: name for key, name in keys.items() if key in context.selected_asset_keys}

        def build(window: str) -> Mapping[AssetKey, Metadata]:
            began = time.perf_counter()
            commits = build_analyses(stream, list(chosen.values()), window, context.run.run_id)
            seconds = time.perf_counter() - began
            for name in chosen.values():
                streams.progress(analysis_asset(name), window)
            return {key: commit_metadata(commits[n], seconds) if n in commits else {} for key, n in chosen.items()}

        materialize_windows(context, each_window(list(context.partition_keys), build))
        for key in chosen:
            yield MaterializeResult(asset_key=key)

    return analyse
