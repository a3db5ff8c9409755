"""A whole run: a folder, a broker, producers, blows until the time is over, and the proof of everything at the end."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import takewhile
from pathlib import Path

from streamguard_assets.chaos.account import Account
from streamguard_assets.chaos.derived import dashboard_findings, window_findings
from streamguard_assets.chaos.findings import PromiseBroken
from streamguard_assets.chaos.harness import Harness
from streamguard_assets.chaos.room import Room, room_in
from streamguard_assets.chaos.rounds import SERVICE_BLOWS, Round, schedule
from streamguard_assets.chaos.services import SUPERVISION, Services, spared
from streamguard_assets.chaos.victims import Program
from streamguard_assets.settings import Settings

VERIFY_EVERY = 5
"""Rounds between two proofs: each reads every row again."""
STREAMING = {"trigger_ms": "200", "dashboard_interval_s": "1"}
"""Quick batches: a kill then falls into a commit more often."""
SERVICES_SHARE = 0.5
"""Of the time, where the services are struck too. Dagster needs half a minute to get over a blow, a stream seconds."""


def run_chaos(
    settings: Settings,
    minutes: float,
    seed: int,
    *,
    keep: bool,
    services: bool,
    told: Callable[[Account], None],
) -> tuple[Account, Path | None]:
    """Deal blows for ``minutes``, and prove everything; the account, and the folder when it was kept.

    ``services``: in the second half the stream is run by Dagster, and the blows fall on Dagster's processes. A broken
    promise ends the run; it is in the account, and the folder is kept.
    """
    parent = settings.state / "chaos"
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=parent))
    room = room_in(folder, settings, {**STREAMING, **SUPERVISION} if services else STREAMING)
    account = Account()
    with Harness(room, Program(), seed, told, account=account) as harness:
        try:
            _deal(room, harness, minutes * 60, seed, services)
            harness.settle()
            account.findings += [*dashboard_findings(room.stream), *window_findings(room.stream)]
        except PromiseBroken as broken:
            account.findings += broken.findings
    if keep or account.findings:
        return account, folder
    shutil.rmtree(folder)
    return account, None


def _deal(room: Room, harness: Harness, for_s: float, seed: int, services: bool) -> None:
    harness.run(_lasting(schedule(seed), for_s * (1 - SERVICES_SHARE * services)), VERIFY_EVERY)
    if services:
        blows = schedule(seed, SERVICE_BLOWS, steps=())
        with Services(room, harness) as running:
            harness.run(spared(_lasting(blows, for_s * SERVICES_SHARE)), deal=running.deal)


def _lasting(rounds: Iterable[Round], for_s: float) -> Iterator[Round]:
    """``rounds`` until so many seconds have passed since the first of them."""
    ends_s = time.monotonic() + for_s
    return takewhile(lambda _: time.monotonic() < ends_s, rounds)
