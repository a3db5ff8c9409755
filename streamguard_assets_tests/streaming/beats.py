"""Heartbeats and runs as tests of the supervision need them: by their age, at one fixed moment."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from streamguard_assets.processes.identity import ProcessIdentity
from streamguard_assets.streaming.progress import Phase, StreamSnapshot
from streamguard_assets.streaming.supervision.decision import Policy, RunState, StreamRun
from streamguard_assets.streaming.supervision.heartbeat import Heartbeat, Host
from streamguard_assets.streaming.supervision.wanted import Wanted, WantedState

NOW = datetime(2026, 1, 31, 14, 0, tzinfo=UTC)
CODE = "0a1b2c3d"
POLICY = Policy(CODE, restarts_per_hour=3, backoff=timedelta(seconds=2), stale_after=timedelta(seconds=60))
NOBODY = ProcessIdentity(2**22 + 1, 0.0)
"""No process has this number: it is above what Linux gives out."""


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def wanted(state: WantedState = WantedState.RUNNING, seconds_ago: float = 1_000) -> Wanted:
    return Wanted(state, "ada", "because", ago(seconds_ago))


def beat(
    run_id: str | None = "r1",
    age_s: float = 1.0,
    phase: Phase = Phase.RUNNING,
    turned_s: float | None = None,
    process: ProcessIdentity | None = None,
    host: str | None = None,
) -> Heartbeat:
    """A heartbeat of this process (or of ``process``), written ``age_s`` ago."""
    turn_at = ago(age_s if turned_s is None else turned_s)
    snapshot = StreamSnapshot(
        "security", f"owner of {run_id}", ago(age_s), ago(900), phase=phase, turn_at=turn_at, positions={0: 5}
    )
    here = Host.current(CODE, run_id)
    return Heartbeat(snapshot, replace(here, process=process or here.process, host=host or here.host))


def run(run_id: str = "r1", state: RunState = RunState.STARTED, age_s: float = 500, **more: Any) -> StreamRun:
    """A run created ``age_s`` ago; one that is over ended 10 s later unless ``ended_at`` says otherwise."""
    ended = {"ended_at": ago(age_s - 10)} if state.is_over else {}
    started = {} if state in (RunState.QUEUED, RunState.STARTING) else {"started_at": ago(age_s)}
    return StreamRun(run_id, state, ago(age_s), **{"fingerprint": CODE, **started, **ended, **more})
