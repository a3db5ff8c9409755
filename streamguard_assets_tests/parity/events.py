"""Events that engines are likely to disagree about: nulls, ties, single rows, odd texts, instants before 1970."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from streamguard_assets.bench.events import event_frame

PREVIOUS_WINDOW = "2026-01-31-13:00"
WINDOW = "2026-01-31-14:00"
START = datetime(2026, 1, 31, 14, tzinfo=UTC)
SCHEMA = event_frame(1, WINDOW).schema


def events(*rows: dict[str, Any]) -> pl.DataFrame:
    """Rows in the schema of ``events``; what is not said is null, offsets are counted up."""
    filled = [
        {
            "window": WINDOW,
            "kafka_partition": 0,
            "kafka_offset": number,
            "kafka_timestamp": START,
            "event_id": f"e{number}",
            "timestamp": START + timedelta(seconds=number),
            "event_type": "auth_attempt",
            "user": "u",
            "metadata": {"geo_location": row.pop("location", None)},
            **row,
        }
        for number, row in enumerate(dict(row) for row in rows)
    ]
    return pl.DataFrame(filled, schema=SCHEMA)


def empty() -> pl.DataFrame:
    return events()


def one_event() -> pl.DataFrame:
    return events({"source_ip": "10.0.0.1", "status": "failed", "threat_score": 0.7, "location": "DE"})


def everything_missing() -> pl.DataFrame:
    """Only what the contract requires; two users, one of them with a single event."""
    return events({}, {}, {"user": "v", "event_type": "unheard_of"})


def ties() -> pl.DataFrame:
    """All at one instant: only partition and offset order them."""
    types = ("auth_attempt", "file_access", "file_access", "dns_query", "auth_attempt")
    return events(
        *(
            {"timestamp": START, "kafka_partition": n % 2, "kafka_offset": 9 - n, "event_type": t}
            for n, t in enumerate(types)
        )
    )


def odd_texts() -> pl.DataFrame:
    """Users and addresses that sort, fold or trim differently in different libraries."""
    users = ("", " ", "Ä", "a", "A", "a ", "\u0000", "😀", "ﬀ", "null", "NaN")
    return events(*({"user": user, "source_ip": user, "location": user, "status": user} for user in users * 2))


def far_instants() -> pl.DataFrame:
    """Before 1970, on the turn of hours, days and years, and microseconds apart."""
    instants = (
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999_998, tzinfo=UTC),
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(1900, 2, 28, 5, 59, 59, 1, tzinfo=UTC),
        datetime(2026, 1, 31, 19, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 1, 31, 20, 0, 0, tzinfo=UTC),
        datetime(2100, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    )
    return events(*({"timestamp": instant, "user": f"u{n % 2}"} for n, instant in enumerate(instants)))


def scores() -> pl.DataFrame:
    """Fractions on the edge of a rule, out of range, and too small to keep when added in the wrong order."""
    values = (0.0, 0.7, 0.6999999999999999, 1.0, 1e-300, 0.1, 0.2, 0.3, None, 5.0, -1.0)
    return events(*({"threat_score": value, "user": f"u{n % 3}"} for n, value in enumerate(values)))


def many() -> pl.DataFrame:
    """Some thousands of plausible rows, in no order."""
    return event_frame(3_000, WINDOW, seed=7).sample(fraction=1.0, shuffle=True, seed=7)


EDGES = (one_event, everything_missing, ties, odd_texts, far_instants, scores)


def edges() -> pl.DataFrame:
    """All of them in one frame, since a query on Spark costs seconds; users of different cases stay apart."""
    return pl.concat(
        make().with_columns(pl.format("{}:{}", pl.lit(make.__name__), "user").alias("user")) for make in EDGES
    )


EVENT_FRAMES: Mapping[str, Callable[[], pl.DataFrame]] = {make.__name__: make for make in (empty, edges, many)}


def two_windows() -> pl.DataFrame:
    """The same users in two neighbouring windows, and one window that no lookback asks for."""
    windows = (PREVIOUS_WINDOW, WINDOW, "2026-01-31-11:00")
    return pl.concat(edges().with_columns(pl.lit(window).alias("window")) for window in windows)


def anomaly_scores() -> pl.DataFrame:
    """Scores on, beside and between the edges of bins, and users without one."""
    values = (0.0, 1.0, 0.05, 0.049999999999999996, 0.5, 0.95, 0.9999999999999999, 1e-17, None, None, 0.3, 0.3)
    return pl.DataFrame({"user": [f"u{n}" for n in range(len(values))], "anomaly_score": values})
