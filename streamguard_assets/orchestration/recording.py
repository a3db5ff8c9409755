"""Telling Dagster of windows that are in the lake and that it never heard of.

The lake is the truth. A run that is killed between a commit and its event leaves a window that Dagster shows as
missing; it is reported here, once, and not built again.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from dagster import AssetMaterialization, DagsterInstance

from streamguard_assets.orchestration.keys import asset_key
from streamguard_assets.orchestration.metadata import commit_metadata
from streamguard_assets.windows.inputs import EVENTS
from streamguard_assets.windows.stream import Stream

MAX_REPORTED_PER_TICK = 200
"""A lake that was filled elsewhere is reported over several ticks: a tick has 60 s."""


def record_unreported_windows(stream: Stream, instance: DagsterInstance, busy: AbstractSet[str] = frozenset()) -> int:
    """Report committed windows without a materialization event; returns how many events were written.

    ``busy`` windows are left out: a run that is under way reports its own.
    """
    reported = 0
    for asset in stream.window_graph:
        key = asset_key(stream.name, asset.name)
        commits = stream.table(asset.name).commits()
        missing = sorted(set(commits) - set(instance.get_materialized_partitions(key)) - busy)
        for window in missing[: MAX_REPORTED_PER_TICK - reported]:
            metadata = commit_metadata(commits[window])
            keys = [key, asset_key(stream.name, "quarantine")] if asset.name == EVENTS else [key]
            for each in keys:
                instance.report_runless_asset_event(
                    AssetMaterialization(each, partition=window, metadata=metadata if each == key else {})
                )
            reported += 1
    return reported
