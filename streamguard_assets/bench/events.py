"""Seeded security events in bulk, made column by column: as a frame of the ``events`` table and as Kafka values.

Shaped for load and not for truth: some thousands of users with a long tail, many addresses, every event type. What
attackers look like is the business of ``generators``.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np
import polars as pl

from streamguard_assets.contracts.windows import window_start

EVENT_TYPES = ("auth_attempt", "network_connection", "file_access", "process_execution", "dns_query")
STATUSES = ("success", "failed", "blocked", "pending")
STATUS_SHARES = (0.86, 0.08, 0.04, 0.02)
LOCATIONS = ("DE", "FR", "US", "GB", "IN", "BR", "JP", "ZA")
WINDOW_SECONDS = 3_600
PARTITIONS = 3


def event_frame(rows: int, window: str, seed: int = 0, first_offset: int = 0) -> pl.DataFrame:
    """``rows`` events of one hourly ``window`` with every column of the ``security/events`` table."""
    start = window_start(window)
    fields = _fields(rows, start, seed)
    number = pl.int_range(first_offset, first_offset + rows, dtype=pl.Int64)
    stamp = pl.from_epoch("timestamp", time_unit="ms").dt.cast_time_unit("us").dt.replace_time_zone("UTC")
    metadata = [
        *("user_agent", "geo_location", "port", "protocol"),
        *(pl.lit(None, pl.String).alias(name) for name in ("file_path", "process_name", "domain")),
        "bytes_transferred",
        pl.lit(None, pl.String).alias("extra"),
    ]
    return fields.select(
        pl.lit(window).alias("window"),
        (number % PARTITIONS).cast(pl.Int32).alias("kafka_partition"),
        (number // PARTITIONS).alias("kafka_offset"),
        stamp.alias("kafka_timestamp"),
        "event_id",
        stamp.alias("timestamp"),
        *("event_type", "user", "source_ip", "destination_ip", "status", "threat_score"),
        pl.struct(metadata).alias("metadata"),
        pl.lit(None, pl.String).alias("extra"),
    )


def event_values(rows: int, start: datetime, seed: int = 0) -> list[bytes]:
    """``rows`` JSON records as a producer of the ``security`` stream writes them, about 330 bytes each."""
    metadata = pl.struct("user_agent", "geo_location", "port", "protocol", "bytes_transferred").alias("metadata")
    top_level = ("event_id", "timestamp", "event_type", "user", "source_ip", "destination_ip", "status", "threat_score")
    records = _fields(rows, start, seed).select(pl.struct(*top_level, metadata).struct.json_encode().alias("value"))
    return [value.encode() for value in records["value"]]


def _fields(rows: int, start: datetime, seed: int) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    users = max(50, min(5_000, rows // 200))
    user = np.minimum(random.exponential(users / 4, rows).astype(np.int64), users - 1)
    start_ms = int(start.timestamp() * 1_000)
    texts = {
        "event_type": random.choice(EVENT_TYPES, rows),
        "status": random.choice(STATUSES, rows, p=STATUS_SHARES),
        "geo_location": np.array(LOCATIONS)[(user + (random.random(rows) < 0.05)) % len(LOCATIONS)],
        "protocol": random.choice(("tcp", "udp"), rows),
    }
    numbers = {
        "timestamp": start_ms + np.sort(random.integers(0, WINDOW_SECONDS * 1_000, rows)),
        "port": random.choice((22, 53, 443, 445, 3389, 8080), rows).astype(np.int64),
        "bytes_transferred": random.integers(40, 200_000, rows),
        "threat_score": np.round(random.beta(2, 8, rows), 4),
        "user_number": user,
        "host": user * 3 + random.integers(0, 3, rows),
        "peer": random.integers(0, 65_536, rows),
    }
    frame = pl.DataFrame({**{name: pl.Series(values, dtype=pl.String) for name, values in texts.items()}, **numbers})
    return frame.with_columns(
        pl.format("evt-{}-{}", pl.lit(seed), pl.int_range(pl.len())).alias("event_id"),
        pl.format("user{}", "user_number").alias("user"),
        pl.format("10.{}.{}.{}", pl.col("host") // 62_500, pl.col("host") // 250 % 250, pl.col("host") % 250).alias(
            "source_ip"
        ),
        pl.format("172.16.{}.{}", pl.col("peer") // 256, pl.col("peer") % 256).alias("destination_ip"),
        pl.format("Mozilla/5.0 (X11; Linux x86_64) client/{}", pl.col("user_number") % 17).alias("user_agent"),
    ).drop("user_number", "host", "peer")
