"""A batch by the path of production: from the command through the queue of the daemon to its last table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from streamguard_assets.bench.commands import told
from streamguard_assets.bench.harness import Case, Figure, Limit
from streamguard_assets.bench.room import Bench

ROWS, LIMIT_S = 1_000_000, 12.0
TOPIC = "batch-bench"


@contextmanager
def batch_speed(bench: Bench) -> Iterator[Sequence[Case]]:
    rows = bench.records(ROWS)
    servers = bench.servers
    generate = ("generate", "transactions", "--unthrottled", "--count", str(rows), "--topic", TOPIC)
    told(bench, *generate, servers=servers)
    told(bench, "up", "--detach", servers=servers)
    try:
        yield [
            Case(
                "batch",
                f"{rows:,} transactions by a batch: the eight analyses, conservation proven, from the first line of "
                "its run, in a process of its own that the daemon started, to COMPLETED",
                Figure("batch run --analysis full_report", "s", lambda: _work_s(_batch(bench, rows, "full_report"))),
                Limit(f"{LIMIT_S:g} s", LIMIT_S),
                "at_most",
                1.0,
                beside=(
                    Figure(
                        "submission to the first line of the run",
                        "s",
                        lambda: _wait_s(_batch(bench, 0, "none", '{"0": 0}', '{"0": 0}')),
                    ),
                ),
                warm_up=0,
            )
        ]
    finally:
        told(bench, "down", servers=servers)


def _batch(
    bench: Bench, rows: int, analysis: str, start: str = "earliest", end: str = "latest"
) -> Mapping[str, datetime]:
    """The instants of a batch that was waited for. A figure of rows that are not there would be worth nothing."""
    asked = ("--topic", TOPIC, "--stream", "transactions", "--start", start, "--end", end, "--analysis", analysis)
    record: dict[str, Any] = told(bench, "batch", "run", *asked, "--wait", servers=bench.servers)
    if record["rowCount"] != rows:
        raise AssertionError(f"{rows} records were produced, and the batch has {record['rowCount']}")
    return {name: datetime.fromisoformat(record[name]) for name in ("submitTime", "startTime", "endTime")}


def _work_s(at: Mapping[str, datetime]) -> float:
    return (at["endTime"] - at["startTime"]).total_seconds()


def _wait_s(at: Mapping[str, datetime]) -> float:
    return (at["startTime"] - at["submitTime"]).total_seconds()
