"""Checks of a stream, per window: proofs that must hold, and warnings. One registry for Dagster, commands and CI.

A check reads the tables again; nothing that a run said of itself is believed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import narwhals as nw
import polars as pl

from streamguard_assets.analytics.user_features.registry import features
from streamguard_assets.contracts.offsets import OffsetRange, ReadReceipt, range_between
from streamguard_assets.contracts.windows import window_start
from streamguard_assets.lake.commits import WindowCommit
from streamguard_assets.lake.content import combine, content_hash, format_content
from streamguard_assets.lake.errors import LedgerConflict
from streamguard_assets.lake.quarantine import ATTEMPT
from streamguard_assets.lake.schema import WINDOW, polars_schema
from streamguard_assets.lake.tables import stored_schema
from streamguard_assets.windows.conservation import table_violations
from streamguard_assets.windows.gaps import built_gaps
from streamguard_assets.windows.graph import Graph, derived_assets
from streamguard_assets.windows.stream import Stream
from streamguard_assets.windows.tables import provenance_columns

SHARE_UNIT = "share"
BATCH_ROWS = 100_000


@dataclass(frozen=True)
class CheckScope:
    """What a check is asked about: committed windows of a stream (ascending), and the time of asking."""

    stream: Stream
    windows: Sequence[str]
    now: datetime

    @property
    def commits(self) -> dict[str, WindowCommit]:
        """The newest commit of each window in scope that ``events`` has."""
        found = self.stream.table("events").commits()
        return {window: found[window] for window in self.windows if window in found}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, in words, with the window it concerns (None: the whole table)."""

    window: str | None
    text: str


@dataclass(frozen=True)
class CheckResult:
    """The findings of one check; it passes when there are none."""

    check: Check
    findings: Sequence[Finding]
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        return not self.findings


@dataclass(frozen=True)
class Check:
    """A named question about an asset. ``must_hold``: a finding is an error, and ``streamguard check`` fails."""

    name: str
    asset: str
    must_hold: bool
    description: str
    find: Callable[[CheckScope], tuple[list[Finding], dict[str, Any]]]

    def run(self, scope: CheckScope) -> CheckResult:
        findings, facts = self.find(scope)
        return CheckResult(self, findings, facts)


def committed_windows(stream: Stream) -> list[str]:
    """Every window that ``events`` has a commit of, ascending."""
    return sorted(stream.table("events").commits())


def run_checks(scope: CheckScope) -> list[CheckResult]:
    """Every check of the registry over ``scope``."""
    return [check.run(scope) for check in checks_of(scope.stream.graph)]


def _ledger_contiguity(scope: CheckScope) -> tuple[list[Finding], dict[str, Any]]:
    """Boundaries follow each other by the cadence, never fall, and complete windows cover exactly their range."""
    stream = scope.stream
    try:
        boundaries = stream.ledger.boundaries()
    except LedgerConflict as conflict:
        return [Finding(None, str(conflict))], {}
    findings = []
    for lower, upper in pairwise(boundaries):
        if stream.cadence.next(lower.instant) != upper.instant:
            findings.append(Finding(None, f"no boundary between {lower.instant:%F %R} and {upper.instant:%F %R}"))
        if lower.topic_id != upper.topic_id:
            findings.append(Finding(None, f"the topic id changes at {upper.instant:%F %R}"))
        fallen = [p for p, offset in lower.offsets.items() if upper.offsets.get(p, -1) < offset]
        if fallen:
            findings.append(Finding(None, f"boundary {upper.instant:%F %R} falls in partitions {fallen}"))
    at = {boundary.instant: boundary for boundary in boundaries}
    for window, commit in scope.commits.items():
        lower, upper = at.get(window_start(window)), at.get(stream.cadence.end(window))
        if not commit.complete:
            continue
        if lower is None or upper is None:
            findings.append(Finding(window, "is complete in the lake, and the ledger does not know its boundaries"))
        elif (decided := range_between(stream.topic, lower, upper)) != OffsetRange.from_json(commit.details["range"]):
            findings.append(Finding(window, f"covers {commit.details['range']}, and the ledger says {decided}"))
    return findings, {"boundaries": len(boundaries), "windows": len(scope.commits)}


def _conservation(scope: CheckScope) -> tuple[list[Finding], dict[str, Any]]:
    """Each offset of a window is one row of ``events`` or ``quarantine``, as committed, or in a hole or gap."""
    stream, commits = scope.stream, scope.commits
    findings = [
        Finding(str(window), f"{rows} rows of {stream.name}/events that no commit names")
        for window, rows in _rows_per_window(stream)
        if window not in stream.table("events").commits()
    ]
    offsets = 0
    # With every column that is stored: a later version of the contract may have written more than this one knows.
    events = stream.user_table("events", None) if commits else stream.table("events")
    for window, commit in commits.items():
        rows = events.scan([window])
        placed = rows.select("kafka_partition", "kafka_offset").collect()
        refused = stream.quarantine.scan({window: commit.attempt})
        rejected = refused.select("kafka_partition", "kafka_offset").collect()
        problems = table_violations(
            placed,
            rejected,
            OffsetRange.from_json(commit.details["range"]),
            ReadReceipt.from_json(commit.details["receipt"]),
            built_gaps(commit),
        )
        findings += [Finding(window, str(problem)) for problem in problems]
        told = {"rows": commit.content_hash, "rejected records": commit.details["rejected_content"]}
        for (what, expected), table in zip(told.items(), (rows, refused.drop(ATTEMPT)), strict=True):
            if (content := _content_of(table, stream.contract.provenance_columns)) != expected:
                findings.append(Finding(window, f"its {what} hash to {content}, and were committed as {expected}"))
        offsets += placed.height + rejected.height
    return findings, {"windows": len(commits), "offsets_proven": offsets}


def _schema(scope: CheckScope) -> tuple[list[Finding], dict[str, Any]]:
    """The table has every column of the contract with its type."""
    stream = scope.stream
    if not stream.table("events").exists():
        return [], {}
    stored = stored_schema(stream.location.table(stream.name, "events"), stream.location.storage_options)
    # Compared as Polars sees them: Delta and Arrow have several spellings of one and the same text column.
    as_stored, declared = polars_schema(stored), polars_schema(stream.contract.events_schema())
    findings = []
    for wanted in stream.contract.events_schema():
        index = stored.get_field_index(wanted.name)
        if index < 0:
            findings.append(Finding(None, f"events has no column {wanted.name!r}; the contract declares {wanted.type}"))
        elif as_stored[wanted.name] != declared[wanted.name]:
            findings.append(
                Finding(
                    None, f"events.{wanted.name} is {stored.field(index).type}; the contract declares {wanted.type}"
                )
            )
    return findings, {"columns": len(stored)}


def _quarantine_share(scope: CheckScope) -> tuple[list[Finding], dict[str, Any]]:
    """The share of rejected records stays below its limit."""
    limit = scope.stream.settings.checks.max_quarantine_share
    findings, rejected, delivered = [], 0, 0
    for window, commit in scope.commits.items():
        rejected += commit.details["rejected"]
        delivered += commit.details["delivered"]
        share = commit.details["rejected"] / max(1, commit.details["delivered"])
        if share > limit:
            text = f"{commit.details['rejected']} of {commit.details['delivered']} records rejected ({share:.1%})"
            findings.append(Finding(window, f"{text}; the limit is {limit:.1%}"))
    return findings, {"rejected": rejected, "delivered": delivered}


def _soft_rule_share(scope: CheckScope) -> tuple[list[Finding], dict[str, Any]]:
    """Each soft rule is broken by a small share of the accepted records only."""
    limit = scope.stream.settings.checks.max_soft_rule_share
    findings: list[Finding] = []
    totals: dict[str, int] = {}
    for window, commit in scope.commits.items():
        for rule, hits in commit.details["soft_rule_hits"].items():
            totals[rule] = totals.get(rule, 0) + hits
            if commit.rows and hits / commit.rows > limit:
                text = f"{rule}: {hits} of {commit.rows} records ({hits / commit.rows:.1%}); the limit is {limit:.1%}"
                findings.append(Finding(window, text))
    return findings, {"hits": totals}


def _feature_ranges(scope: CheckScope) -> tuple[list[Finding], dict[str, Any]]:
    """Counts are not negative, shares lie in 0 to 1, nothing is NaN or infinite."""
    rows = _derived_rows(scope, "user_features")
    findings = []
    for feature in features(scope.stream.contract.event_types):
        low, high = 0.0, 1.0 if feature.unit.startswith(SHARE_UNIT) else float("inf")
        value = pl.col(feature.name)
        odd = ~value.is_between(low, high)
        if feature.dtype is nw.Float64:
            odd = odd | ~value.is_finite()
        wrong = rows.filter(value.is_not_null() & odd)
        findings += [
            Finding(str(window), f"{feature.name} of {count} users lies outside {low:g} to {high:g}")
            for window, count in wrong.group_by("window").len().sort("window").iter_rows()
        ]
    return findings, {"rows": rows.height}


def _score_ranges(scope: CheckScope) -> tuple[list[Finding], dict[str, Any]]:
    """Scores lie in 0 to 1, labels agree with the threshold, and who has no score has a reason."""
    rows = _derived_rows(scope, "anomaly_scores")
    score = pl.col("anomaly_score")
    questions = {
        "have a score outside 0 to 1": score.is_not_null() & ~score.is_between(0, 1),
        "have a label that the threshold does not give": score.is_not_null()
        & pl.col("is_anomaly").ne_missing(score > pl.col("threshold")),
        "have neither a score nor a reason for that": score.is_null() & pl.col("unscored_reason").is_null(),
    }
    findings = []
    for text, condition in questions.items():
        for window, count in rows.filter(condition).group_by("window").len().sort("window").iter_rows():
            findings.append(Finding(str(window), f"{count} users {text}"))
    return findings, {"rows": rows.height}


def _freshness(scope: CheckScope) -> tuple[list[Finding], dict[str, Any]]:
    """The newest complete window ended a short while ago."""
    stream = scope.stream
    complete = [window for window, commit in stream.table("events").commits().items() if commit.complete]
    if not complete:
        return [Finding(None, "no window is complete yet")], {}
    newest = max(complete)
    age = scope.now - stream.cadence.end(newest)
    limit = timedelta(minutes=stream.settings.checks.max_age_minutes)
    facts = {"newest_complete_window": newest, "age_minutes": round(age.total_seconds() / 60, 1)}
    if age <= limit:
        return [], facts
    return [Finding(newest, f"ended {age} ago; the limit is {limit}")], facts


def _derived_content(asset: str) -> Callable[[CheckScope], tuple[list[Finding], dict[str, Any]]]:
    """The check of one derived asset: its rows are those that were committed, none more, none less, none altered."""

    def find(scope: CheckScope) -> tuple[list[Finding], dict[str, Any]]:
        table = scope.stream.table(asset)
        commits, of_events = table.commits(), scope.stream.table("events").commits()
        # A window without events of its own has derived rows too, and no check of ``events`` would name it.
        wanted = [window for window in sorted(commits) if window in scope.windows or window not in of_events]
        findings = []
        for window in wanted:
            content = _content_of(table.scan([window]), provenance_columns(asset, scope.stream.contract))
            if content != commits[window].content_hash:
                text = f"its rows hash to {content}, and were committed as {commits[window].content_hash}"
                findings.append(Finding(window, text))
        return findings, {"windows": len(wanted)}

    return find


_CHECKS = (
    Check("ledger_contiguity", "offset_ranges", True, _ledger_contiguity.__doc__ or "", _ledger_contiguity),
    Check("conservation", "events", True, _conservation.__doc__ or "", _conservation),
    Check("schema", "events", True, _schema.__doc__ or "", _schema),
    Check("quarantine_share", "quarantine", False, _quarantine_share.__doc__ or "", _quarantine_share),
    Check("soft_rule_share", "events", False, _soft_rule_share.__doc__ or "", _soft_rule_share),
    Check("feature_ranges", "user_features", False, _feature_ranges.__doc__ or "", _feature_ranges),
    Check("score_ranges", "anomaly_scores", False, _score_ranges.__doc__ or "", _score_ranges),
    Check("freshness", "events", False, _freshness.__doc__ or "", _freshness),
)


def checks_of(graph: Graph) -> tuple[Check, ...]:
    """Every check of a stream. What must hold of ``events`` is also enforced before the commit that it proves."""
    return (
        *(check for check in _CHECKS if check.asset in graph),
        *(
            Check(
                f"{asset.rpartition('/')[2]}_content",
                asset,
                True,
                "The rows are those that were committed.",
                _derived_content(asset),
            )
            for asset in derived_assets(graph)
        ),
    )


def _content_of(rows: pl.LazyFrame, exclude: Sequence[str] = ()) -> str:
    """The content hash of a window, batch by batch: a window need not fit into memory to be proven."""
    counted, total = 0, 0
    # Without the window: content is hashed as files hold it, and in a table's folders the window is in their names.
    for batch in rows.drop(WINDOW).collect_batches(chunk_size=BATCH_ROWS, maintain_order=False):
        counted, total = counted + batch.height, combine([total, content_hash(batch, exclude)])
    return format_content(counted, total)


def _derived_rows(scope: CheckScope, asset: str) -> pl.DataFrame:
    return scope.stream.table(asset).scan(scope.windows, empty_if_missing=True).collect()


def _rows_per_window(stream: Stream) -> list[tuple[Any, ...]]:
    table = stream.table("events")
    if not table.exists():
        return []
    return table.scan().group_by("window").len().collect().sort("window").rows()
