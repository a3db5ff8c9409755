"""The assets ``<stream>/events`` and ``<stream>/quarantine``: one read of the log, every record in one of the two."""

# No `from __future__ import annotations` here: Dagster reads the annotations of these functions, and refuses texts.

import time
from collections.abc import Mapping

from dagster import (
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    BackfillPolicy,
    MetadataValue,
    ResourceParam,
    multi_asset,
)

from streamguard_assets.orchestration.assets.describing import AssetStyle
from streamguard_assets.orchestration.metadata import commit_metadata
from streamguard_assets.orchestration.plots import events_per_minute_plot
from streamguard_assets.orchestration.resources import Streams
from streamguard_assets.orchestration.window_run import Metadata, each_window, materialize_windows
from streamguard_assets.windows.ingest import Ingest
from streamguard_assets.windows.keeper import window_slices

PLOTTED_WINDOWS = 24
"""Newest windows of a run that get a plot: drawing one takes longer than ingesting a small window."""


def events_asset(style: AssetStyle) -> AssetsDefinition:
    """Accepted and rejected records of a stream's windows; conservation is proven before each commit."""
    events, quarantine = style.key("events"), style.key("quarantine")

    @multi_asset(
        specs=[style.spec("events"), style.spec("quarantine")],
        name=f"{style.stream}__events",
        backfill_policy=BackfillPolicy.single_run(),
        partitions_def=style.partitions,
    )
    def ingest_events(context: AssetExecutionContext, streams: ResourceParam[Streams]):
        stream = streams.open(style.stream)
        windows = list(context.partition_keys)
        slices = window_slices(stream, windows, streams.now())
        plotted = set(windows[-PLOTTED_WINDOWS:])
        with Ingest(stream, attempt=context.run.run_id, processed_at=streams.now()) as ingest:

            def build(window: str) -> Mapping[AssetKey, Metadata]:
                began = time.perf_counter()
                commit = ingest.window(slices[window]) if window in slices else None
                streams.progress("events", window)
                if commit is None:
                    return {events: {}, quarantine: {}}
                metadata = commit_metadata(commit, time.perf_counter() - began)
                if window in plotted and commit.rows:
                    metadata["events_per_minute"] = events_per_minute_plot(stream, window)
                rejected = {
                    "dagster/row_count": MetadataValue.int(commit.details["rejected"]),
                    "attempt": MetadataValue.text(commit.attempt),
                }
                return {events: metadata, quarantine: rejected}

            materialize_windows(context, each_window(windows, build))

    return ingest_events
