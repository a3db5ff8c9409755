"""Checks of what the stream job writes, and the one list of every check of a stream, live tables and windows alike."""

from __future__ import annotations

from typing import Any

from streamguard_assets.lake.errors import LakeError
from streamguard_assets.lake.live.table import FOLDER
from streamguard_assets.streaming.live_place import EVENTS
from streamguard_assets.streaming.reconciliation.reconcile import reconcile
from streamguard_assets.windows.checks import Check, CheckResult, CheckScope, Finding, checks_of
from streamguard_assets.windows.graph import Graph


def _live_reconciliation(scope: CheckScope) -> tuple[list[Finding], dict[str, Any]]:
    """Live rows and complete windows hold the same events at the same offsets, each once, with the same content."""
    try:
        # Every window anew, and nothing is kept: a check believes no verdict of an earlier run.
        found = reconcile(scope.stream, scope.now, only=scope.windows, anew=True, keep=False)
    except LakeError as error:
        return [Finding(None, str(error))], {}
    facts: dict[str, Any] = {
        "windows": len(found.verdicts),
        "rows": sum(verdict.rows for verdict in found.verdicts),
        "rejected": sum(verdict.rejected for verdict in found.verdicts),
        "rejudged": sum(verdict.rejudged for verdict in found.verdicts),
    }
    if found.unsettled:
        facts["changed_meanwhile"] = list(found.unsettled)
    if not found.verdicts:
        facts["note"] = "nothing to compare: no complete window shares offsets with the live rows"
    return [Finding(verdict.window, verdict.finding or "") for verdict in found.findings], facts


LIVE_CHECKS = (
    Check("live_reconciliation", f"{FOLDER}/{EVENTS}", True, _live_reconciliation.__doc__ or "", _live_reconciliation),
)


def every_check(graph: Graph) -> tuple[Check, ...]:
    """The checks of a stream's windows, then those of its live tables."""
    return (*checks_of(graph), *LIVE_CHECKS)


def run_every_check(scope: CheckScope) -> list[CheckResult]:
    """Every check of the stream over ``scope``."""
    return [check.run(scope) for check in every_check(scope.stream.graph)]
