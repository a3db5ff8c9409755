"""The assets computed from ``events``: features, model, scores, training data. Each is one call per window."""

# No `from __future__ import annotations` here: Dagster reads the annotations of these functions, and refuses texts.

import time
from collections.abc import Callable, Mapping

from dagster import (
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    MetadataValue,
    ResourceParam,
)

from streamguard_assets.orchestration.assets.describing import AssetStyle
from streamguard_assets.orchestration.metadata import commit_metadata
from streamguard_assets.orchestration.plots import score_distribution_plot
from streamguard_assets.orchestration.resources import Streams
from streamguard_assets.orchestration.window_run import Metadata, each_window, materialize_windows
from streamguard_assets.windows.derive import DERIVED
from streamguard_assets.windows.stream import Stream

PLOTS: Mapping[str, tuple[str, Callable[[Stream, str], MetadataValue]]] = {
    "anomaly_scores": ("score_distribution", score_distribution_plot),
}
PLOTTED_WINDOWS = 24
"""Newest windows of a run that get a plot; see the events asset."""


def derived_asset(style: AssetStyle, name: str) -> AssetsDefinition:
    """The derived asset ``name`` of one stream; its builder is found in the windows room by the same name."""
    key, build_window = style.key(name), DERIVED[name]

    @style.asset(name)
    def derived(context: AssetExecutionContext, streams: ResourceParam[Streams]) -> None:
        stream = streams.open(style.stream)
        windows = list(context.partition_keys)
        plotted = set(windows[-PLOTTED_WINDOWS:]) if name in PLOTS else set()

        def build(window: str) -> Mapping[AssetKey, Metadata]:
            began = time.perf_counter()
            commit = build_window(stream, window, context.run.run_id)
            streams.progress(name, window)
            if commit is None:
                return {key: {}}
            metadata = commit_metadata(commit, time.perf_counter() - began)
            if window in plotted and commit.rows:
                title, plot = PLOTS[name]
                metadata[title] = plot(stream, window)
            return {key: metadata}

        materialize_windows(context, each_window(windows, build))

    return derived
