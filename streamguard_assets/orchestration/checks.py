"""The registry of checks as Dagster asset checks: of the windows of their run, or of every window in the lake."""

# No `from __future__ import annotations` here: Dagster reads the annotations of these functions, and refuses texts.

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSeverity,
    MetadataValue,
    ResourceParam,
    asset_check,
)

from streamguard_assets.orchestration.keys import asset_key
from streamguard_assets.orchestration.metadata import as_metadata
from streamguard_assets.orchestration.resources import Streams
from streamguard_assets.orchestration.runs import windows_of
from streamguard_assets.settings import Settings
from streamguard_assets.streaming.checks import every_check
from streamguard_assets.windows.checks import Check, CheckResult, CheckScope, committed_windows
from streamguard_assets.windows.graph import configured_graph

MAX_SHOWN_FINDINGS = 100


def stream_checks(settings: Settings, stream: str) -> list[AssetChecksDefinition]:
    """Every check of one stream. None is blocking: what must hold is enforced before the commit, this is its proof."""
    return [_asset_check(check, stream) for check in every_check(configured_graph(settings, stream))]


def _asset_check(check: Check, stream: str) -> AssetChecksDefinition:
    @asset_check(name=check.name, asset=asset_key(stream, check.asset), description=check.description, blocking=False)
    def run_check(context: AssetCheckExecutionContext, streams: ResourceParam[Streams]) -> AssetCheckResult:
        opened = streams.open(stream)
        windows = windows_of(context.run.tags, opened.cadence) or committed_windows(opened)
        return _as_dagster(check.run(CheckScope(opened, windows, streams.now())))

    return run_check


def _as_dagster(result: CheckResult) -> AssetCheckResult:
    metadata = {name: as_metadata(value) for name, value in result.facts.items()}
    if result.findings:
        shown = [f"- {f.window or 'table'}: {f.text}" for f in result.findings[:MAX_SHOWN_FINDINGS]]
        metadata["findings"] = MetadataValue.md("\n".join(shown))
        metadata["finding_count"] = MetadataValue.int(len(result.findings))
    return AssetCheckResult(
        passed=result.passed,
        severity=AssetCheckSeverity.ERROR if result.check.must_hold else AssetCheckSeverity.WARN,
        metadata=metadata,
        description=result.findings[0].text if result.findings else None,
    )
