"""The dashboards that a stream may keep, and which of them fits its events."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

from streamguard_assets.analytics.analyses.analysis import Analysis
from streamguard_assets.analytics.realtime_dashboard import REALTIME_DASHBOARD
from streamguard_assets.analytics.security_dashboard import SECURITY_DASHBOARD

DASHBOARDS: Mapping[str, Analysis] = MappingProxyType(
    {each.name: each for each in (REALTIME_DASHBOARD, SECURITY_DASHBOARD)}
)
"""Every dashboard by its name."""


def fitting_dashboard(columns: Collection[str]) -> Analysis | None:
    """The first dashboard whose input columns are all among ``columns``; None where no one fits."""
    there = set(columns)
    return next((each for each in DASHBOARDS.values() if there.issuperset(each.inputs)), None)
