"""What is late, and by which clock: what both dashboards share beside what ``test_realtime_dashboard`` says."""

from __future__ import annotations

import narwhals as nw
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamguard_assets.analytics.analyses.analysis import Analysis
from streamguard_assets.analytics.instants import MINUTE_US
from streamguard_assets.analytics.realtime_dashboard import REALTIME_DASHBOARD
from streamguard_assets.analytics.security_dashboard import SECURITY_DASHBOARD
from streamguard_assets.analytics.sliding_windows import event_time_column, is_late

NOON_US = 1_768_392_000_000_000


def late(at_us: int, watermark_us: int) -> bool:
    frame = nw.from_native(pl.DataFrame({"at_us": [at_us]}), eager_only=True)
    return bool(frame.select(late=is_late(nw.col("at_us"), watermark_us)).item())


@pytest.mark.parametrize(
    ("dashboard", "column"), [(REALTIME_DASHBOARD, "event_timestamp"), (SECURITY_DASHBOARD, "timestamp")]
)
def test_each_dashboard_goes_by_the_event_time_of_its_stream(dashboard: Analysis, column: str) -> None:
    assert event_time_column(dashboard) == column


def test_an_event_is_late_when_the_first_of_its_windows_has_ended() -> None:
    assert late(NOON_US, NOON_US + MINUTE_US)
    assert not late(NOON_US, NOON_US + MINUTE_US - 1)


@given(st.integers(-(10**15), 10**15), st.integers(-(10**9), 10**9))
def test_late_means_that_one_of_the_five_windows_has_ended(at_us: int, watermark_after_us: int) -> None:
    watermark_us = at_us + watermark_after_us
    starts = [at_us // MINUTE_US * MINUTE_US - back * MINUTE_US for back in range(5)]

    assert late(at_us, watermark_us) == any(start + 5 * MINUTE_US <= watermark_us for start in starts)
