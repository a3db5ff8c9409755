"""Clock arithmetic on whole microseconds agrees with the calendar, before 1970 too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import narwhals as nw
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from streamguard_assets.analytics.instants import day_of_week, epoch_us, floor_mod, hour_of_day

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@given(st.datetimes(datetime(1700, 1, 1), datetime(2300, 1, 1), timezones=st.just(UTC)))
def test_hours_and_weekdays_are_those_of_the_calendar(instant: datetime) -> None:
    frame = nw.from_native(pl.DataFrame({"at": [instant]}, schema={"at": pl.Datetime("us", "UTC")}))
    at_us = epoch_us("at", frame.implementation)

    made = frame.select(at_us=at_us, hour=hour_of_day(at_us), weekday=day_of_week(at_us)).row(0)

    assert made == ((instant - EPOCH) // timedelta(microseconds=1), instant.hour, instant.weekday())


def test_a_remainder_is_never_negative() -> None:
    frame = nw.from_native(pl.DataFrame({"x": [-5, -3, -1, 0, 1, 4]}))

    assert frame.select(floor_mod(nw.col("x"), 3))["x"].to_list() == [1, 0, 2, 0, 1, 1]
