"""The operational dashboard of security events: failures and threats in sliding windows (``sliding_windows``) per
type of event.
"""

from __future__ import annotations

import narwhals as nw
from narwhals.typing import IntoFrameT

from streamguard_assets.analytics.aggregation.columns import INTEGER, NUMBER, Column, Key, ascending, key_column
from streamguard_assets.analytics.aggregation.measures import Condition, Count, Distinct, Max
from streamguard_assets.analytics.analyses.analysis import Analysis
from streamguard_assets.analytics.fixed_point import FRACTION
from streamguard_assets.analytics.sliding_windows import WINDOW_END, WINDOW_START, sliding, start_key

EVENTS = Count("events")
FAILED = Count("failed", Condition("failed", ("status",), nw.col("status") == "failed"))
BLOCKED = Count("blocked", Condition("blocked", ("status",), nw.col("status") == "blocked"))
USERS, THREAT = Distinct("user"), Max("threat_score", FRACTION)

SECURITY_DASHBOARD = Analysis(
    name="security_dashboard",
    description="Failures and threats of the last minutes per type of event.",
    module=__name__,
    where=None,
    keys=(start_key("timestamp"), Key("event_type")),
    measures=(EVENTS, FAILED, BLOCKED, THREAT),
    sets=(USERS,),
    columns=(
        WINDOW_START,
        WINDOW_END,
        key_column("event_type", "what happened"),
        Column("events", INTEGER, "events", EVENTS.value),
        Column("failed", INTEGER, "events that failed", FAILED.value),
        Column("blocked", INTEGER, "events that were blocked", BLOCKED.value),
        Column("unique_users", INTEGER, "different users, exactly", USERS.count),
        Column("max_threat_score", NUMBER, "greatest threat_score to 10^-9; null where none has one", THREAT.value),
    ),
    order=ascending("window_start", "event_type"),
    spread=sliding,
)
"""Beside the registry, as that of transactions is."""


def security_dashboard(events: IntoFrameT) -> IntoFrameT:
    """All windows that ``events`` fall in, as if none of them had come late. Columns: ``SECURITY_DASHBOARD.schema``."""
    return SECURITY_DASHBOARD(events)
