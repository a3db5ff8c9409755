"""Jobs: the windows of a stream, and its checks."""

from __future__ import annotations

from dagster import AssetSelection, in_process_executor
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition, define_asset_job

from streamguard_assets.orchestration.keys import asset_key
from streamguard_assets.orchestration.runs import STREAM_TAG
from streamguard_assets.settings import Settings
from streamguard_assets.streaming.checks import every_check
from streamguard_assets.windows.graph import configured_graph


def windows_job_name(stream: str) -> str:
    return f"{stream}_windows"


def checks_job_name(stream: str) -> str:
    return f"{stream}_checks"


def windows_job(settings: Settings, stream: str) -> UnresolvedAssetJobDefinition:
    """All assets of a stream for a window or a contiguous range of windows, in one run, one after the other.

    The checks of these windows follow in the same run. It is one run and
    one process, so that order and failure hold inside it: features never read a window that this run
    has yet to write.
    """
    return define_asset_job(
        windows_job_name(stream),
        selection=AssetSelection.assets(*[asset_key(stream, name) for name in configured_graph(settings, stream)]),
        description=f"Materialize windows of {stream}: offsets, events, and everything that is made of them.",
        executor_def=in_process_executor,
        tags={STREAM_TAG: stream},
    )


def checks_job(settings: Settings, stream: str) -> UnresolvedAssetJobDefinition:
    """Every check of a stream over its newest windows, with nothing materialized."""
    checked = dict.fromkeys(check.asset for check in every_check(configured_graph(settings, stream)))
    return define_asset_job(
        checks_job_name(stream),
        selection=AssetSelection.checks_for_assets(*[asset_key(stream, name) for name in checked]),
        description=f"Run every check of {stream} on what is in the lake.",
        executor_def=in_process_executor,
        tags={STREAM_TAG: stream},
    )
