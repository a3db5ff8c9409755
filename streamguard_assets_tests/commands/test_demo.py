"""``streamguard demo`` as a new user starts it: who was planted is found, nothing is done twice, nothing is left."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import psutil
import pytest

from streamguard_assets.commands.demo import SEED
from streamguard_assets.commands.demo_events import SECURITY
from streamguard_assets.contracts.windows import window_key
from streamguard_assets.generators.security import generate_security_day
from streamguard_assets.settings import CONFIG_VARIABLE, ENV_PREFIX, environment_variable

pytestmark = [pytest.mark.broker, pytest.mark.fault, pytest.mark.xdist_group("demo"), pytest.mark.timeout(1_000)]

TIMEOUT_S = 400
READY = "Ctrl-C ends everything"


@pytest.fixture
def variables(machine: dict[str, str], tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a user with their own state folder. Fails if anything that knows the folder still runs."""
    nothing = tmp_path / "no-settings.toml"
    nothing.touch()
    yield {
        **{name: value for name, value in os.environ.items() if not name.startswith((ENV_PREFIX, "DAGSTER"))},
        **{environment_variable(f"jvm.{key}"): value for key, value in machine.items()},
        CONFIG_VARIABLE: str(nothing),
        f"{ENV_PREFIX}STATE_DIR": str(tmp_path / "state"),
        "COLUMNS": "110",
    }
    assert _processes_of(tmp_path) == []


def _processes_of(folder: Path) -> list[str]:
    """Command lines of the processes whose arguments or environment name ``folder``."""
    found = []
    for process in psutil.process_iter():
        try:
            known = [*process.cmdline(), *process.environ().values()]
            if process.pid != os.getpid() and any(str(folder) in text for text in known):
                found.append(" ".join(process.cmdline()))
        except psutil.Error:  # it has ended meanwhile, or is another user's
            continue
    return found


def _demo(variables: dict[str, str], folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "streamguard_assets.cli", "demo", *arguments],
        env=variables,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # so that a signal to its group reaches what a terminal's Ctrl-C would reach
    )


def _once(variables: dict[str, str], folder: Path) -> tuple[str, str]:
    process = _demo(variables, folder, "--once")
    out, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0, err
    return out, err


def _events(lake: Path) -> int:
    return pl.scan_delta(str(lake / "security" / "events")).select(pl.len()).collect().item()


def test_it_finds_the_planted_attackers_once_and_for_all(variables: dict[str, str], tmp_path: Path) -> None:
    out, err = _once(variables, tmp_path)
    lake = tmp_path / "state" / "lake"

    produced, began = re.search(r"produced ([\d,]+) events of (\S+ \S+)–", err).groups()  # pyright: ignore
    begin = datetime.fromisoformat(began).replace(tzinfo=UTC)
    truth = generate_security_day(SEED, begin, SECURITY.hours).truth
    assert len(truth) >= 4
    summary = pl.read_delta(str(lake / "security" / "summary"))
    # By its hour, not as the newest: a sensor may have looked at the open window meanwhile.
    newest = window_key(begin + timedelta(hours=SECURITY.hours - 1))
    ranked = summary.filter(pl.col("window") == newest).sort("rank")["user"].to_list()
    assert set(ranked[: len(truth)]) == truth.keys()
    assert all(re.search(rf"^ *\d+ +{re.escape(user)} ", out, re.MULTILINE) for user in truth)

    sales = pl.read_delta(str(lake / "transactions" / "rollups" / "revenue_by_category_all"))
    best = sales.row(0, named=True)
    assert re.search(
        rf"^{best['category']} +{best['total_revenue']:.2f} +{best['transaction_count']} ", out, re.MULTILINE
    )
    assert re.search(r"^Dagster UI +http://\S+ ", out, re.MULTILINE)
    assert re.search(rf"^events +{re.escape(str(lake))}/security/events *$", out, re.MULTILINE)
    for stream in ("security", "transactions"):  # the streams have landed the newest events, with no lag left
        assert re.search(rf"^{stream} +(idle|running) +0 +\d+ ", out, re.MULTILINE), out
    live = pl.read_delta(str(lake / "transactions" / "live" / "events"))
    assert live.select("kafka_partition", "kafka_offset").is_unique().all()
    first = _events(lake)
    assert 0 < first <= int(produced.replace(",", ""))
    assert _processes_of(tmp_path) == []

    _, err = _once(variables, tmp_path)
    assert "has events already" in err
    assert "produced" not in err
    # The clock may have closed one more window meanwhile; its events were in the topic before.
    assert first <= _events(lake) <= int(produced.replace(",", ""))


@pytest.mark.parametrize("during", ["Kafka is ready", READY], ids=["while it prepares", "when all runs"])
def test_ctrl_c_ends_all_of_it_in_order(variables: dict[str, str], tmp_path: Path, during: str) -> None:
    process = _demo(variables, tmp_path)
    try:
        assert process.stderr is not None
        told = []
        for line in process.stderr:
            told.append(line)
            if during in line:
                break
        else:
            pytest.fail(f"it ended with {process.wait()}: {''.join(told)}")
        os.killpg(process.pid, signal.SIGINT)
        _, rest = process.communicate(timeout=90)
        assert "Traceback" not in rest
        assert process.returncode == (0 if during == READY else 130)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()  # also closes the pipes, which would be missed in another test
    deadline = time.monotonic() + 30
    while _processes_of(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.2)  # a guard ends after its child: nothing announces it
