"""Care of the lake beside everything that uses it, each a process of its own: nothing is lost, and nobody fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from streamguard_assets.settings import ENV_PREFIX
from streamguard_assets_tests.commands.conftest import HOURLY, Site

pytestmark = [pytest.mark.broker, pytest.mark.fault]

HOURS = 4
LIVE_EVENTS = 20_000
CARES = ("compact", "zorder", "vacuum", "checkpoint")


class Desk:
    """Starts ``streamguard`` processes on one state folder and hears how each ended."""

    def __init__(self, site: Site, variables: dict[str, str]) -> None:
        self._environment = {**os.environ, **site.variables, **variables}
        self._folder = site.state.parent

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(Path(sys.executable).parent / "streamguard"), *arguments],
            env=self._environment,
            cwd=self._folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> str:
        return finished(self.start(*arguments))


def finished(process: subprocess.Popen[str]) -> str:
    """What it wrote; it must have ended well."""
    out, err = process.communicate(timeout=250)
    assert process.returncode == 0, f"{process.args}\n{out}\n{err}"
    return out


def test_nothing_is_lost_and_nobody_fails_while_the_lake_is_cared_for(site: Site) -> None:
    begin = HOURLY.floor(datetime.now(UTC)) - timedelta(hours=HOURS)
    topic = f"{site.topic}-sales"
    desk = Desk(
        site,
        {
            f"{ENV_PREFIX}STREAMS__TRANSACTIONS__TOPIC": topic,
            f"{ENV_PREFIX}STREAMS__TRANSACTIONS__START": begin.isoformat(),
            f"{ENV_PREFIX}STREAMS__TRANSACTIONS__ANALYSES": json.dumps(["revenue_by_category", "hourly_trends"]),
            # Many files and small parts, so that every kind of care has work.
            f"{ENV_PREFIX}INGEST__FILE_ROWS": "1000",
            f"{ENV_PREFIX}LAKE_CARE__ZORDER_MIN_ROWS": "1",
        },
    )
    span = ("--start", begin.isoformat(), "--duration", str(HOURS * 3600), "--rate", "1", "--steady", "--seed", "1")
    past = json.loads(desk.run("generate", "transactions", *span, "--json"))["events"]
    desk.run("materialize", "transactions", "--from", begin.isoformat())

    producer = desk.start("generate", "transactions", "--unthrottled", "--count", str(LIVE_EVENTS), "--json")
    windows = desk.start("materialize", "transactions", "--from", begin.isoformat(), "--to", _text(begin, HOURS))
    batch = desk.start("batch", "run", "--topic", topic, "--analysis", "revenue_by_category", "--here", "--json")
    turns = 0
    while any(work.poll() is None for work in (producer, windows, batch)):
        desk.run("lake", CARES[turns % len(CARES)])
        turns += 1
    assert turns >= len(CARES) - 1, "the work was over before it was cared for"
    live = json.loads(finished(producer))["events"]
    finished(windows)
    in_batch = json.loads(finished(batch))
    for care in CARES:
        desk.run("lake", care)

    assert (past, live) == (HOURS * 3600, LIVE_EVENTS)
    assert in_batch["status"] == "COMPLETED"
    assert past <= in_batch["rowCount"] <= past + live
    checks = json.loads(desk.run("check", "transactions", "--json"))
    assert {check["check"] for check in checks if check["result"] == "FAILED"} == set()
    rows = pl.read_delta(str(site.state / "lake" / "transactions" / "events"))
    assert rows.height == past
    assert rows.select("kafka_partition", "kafka_offset").n_unique() == past
    raw = pl.read_delta(str(site.state / "lake" / "transactions" / "batches" / in_batch["batchId"] / "raw"))
    assert raw.height == in_batch["rowCount"]


def _text(begin: datetime, hours: int) -> str:
    return (begin + timedelta(hours=hours)).isoformat()
