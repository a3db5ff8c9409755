"""Soft rules: one definition, the same hits on every engine, nulls never hit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import narwhals as nw
import polars as pl
import pytest

from streamguard_assets.contracts.security import PLAUSIBLE_FROM, PLAUSIBLE_UNTIL, SECURITY
from streamguard_assets.contracts.soft_rules import repeated

NOW = datetime(2026, 1, 31, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)
BY_ROW = [rule for rule in SECURITY.soft_rules if rule.broken is not None]

CASES = {
    "unknown_event_type": ("event_type", ["dns_query", "auth_attempt", "login", "", "AUTH_ATTEMPT"], 3),
    "unknown_status": ("status", ["success", "failed", "blocked", "pending", None, "ok"], 1),
    "threat_score_range": ("threat_score", [0.0, 1.0, None, -0.001, 1.001, 50.0], 3),
    "implausible_timestamp": (
        "timestamp",
        [PLAUSIBLE_FROM, PLAUSIBLE_UNTIL - INSTANT, NOW, PLAUSIBLE_FROM - INSTANT, PLAUSIBLE_UNTIL],
        2,
    ),
}


def events(column: str, values: list[Any]) -> pl.DataFrame:
    rows = len(values)
    fine = {
        "event_type": pl.Series(["dns_query"] * rows, dtype=pl.String),
        "status": pl.Series(["success"] * rows, dtype=pl.String),
        "threat_score": pl.Series([0.5] * rows, dtype=pl.Float64),
        "timestamp": pl.Series([NOW] * rows, dtype=pl.Datetime("us", "UTC")),
    }
    return pl.DataFrame(fine | {column: pl.Series(values, dtype=fine[column].dtype)})


def test_the_rules_of_security_are_these() -> None:
    assert [rule.name for rule in SECURITY.soft_rules] == [*CASES, "repeated_event_id"]
    assert all(rule.description and rule.columns for rule in SECURITY.soft_rules)


@pytest.mark.parametrize("name", CASES)
def test_a_rule_counts_the_rows_that_break_it_and_no_other_rule_does(name: str) -> None:
    column, values, hits = CASES[name]
    frame = events(column, values)
    expected = dict.fromkeys((rule.name for rule in BY_ROW), 0) | {name: hits}
    assert frame.select(rule.hits(pl) for rule in BY_ROW).row(0, named=True) == expected


@pytest.mark.parametrize("name", CASES)
def test_narwhals_counts_the_same_on_any_engine(name: str) -> None:
    column, values, hits = CASES[name]
    frame = events(column, values)
    (rule,) = (rule for rule in BY_ROW if rule.name == name)
    with duckdb.connect() as connection:
        natives = (frame, frame.lazy(), frame.to_arrow(), connection.from_arrow(frame.to_arrow()))
        for native in natives:
            counted: Any = nw.from_native(native).lazy().select(rule.hits()).collect("polars")  # type: ignore[attr-defined]
            assert counted[name].item() == hits, type(native)


def test_a_rule_over_a_window_has_no_row_to_count() -> None:
    with pytest.raises(ValueError, match="repeated_event_id is counted over a window"):
        repeated("event_id").hits(pl)
