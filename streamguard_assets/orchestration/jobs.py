"""Jobs: the windows of a stream, and its checks."""

from __future__ import annotations

from dagster import AssetKey, AssetSelection, in_process_executor
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition, define_asset_job

from streamguard_assets.orchestration.runs import STREAM_TAG
from streamguard_assets.windows.checks import CHECKS


def windows_job_name(stream: str) -> str:
    return f"{stream}_windows"


def checks_job_name(stream: str) -> str:
    return f"{stream}_checks"


def windows_job(stream: str) -> UnresolvedAssetJobDefinition:
    """All assets of a stream for a window or a contiguous range of windows, in one run, one after the other.

    The checks of these windows follow in the same run. It is one run and
    one process, so that order and failure hold inside it: features never read a window that this run
    has yet to write.
    """
    return define_asset_job(
        windows_job_name(stream),
        selection=AssetSelection.groups(stream),
        description=f"Materialize windows of {stream}: offsets, events, features, model, scores, training data.",
        executor_def=in_process_executor,
        tags={STREAM_TAG: stream},
    )


def checks_job(stream: str) -> UnresolvedAssetJobDefinition:
    """Every check of a stream over its newest windows, with nothing materialized."""
    return define_asset_job(
        checks_job_name(stream),
        selection=AssetSelection.checks_for_assets(*[AssetKey([stream, name]) for name in CHECKED_ASSETS]),
        description=f"Run every check of {stream} on what is in the lake.",
        executor_def=in_process_executor,
        tags={STREAM_TAG: stream},
    )


CHECKED_ASSETS = tuple(dict.fromkeys(check.asset for check in CHECKS))
