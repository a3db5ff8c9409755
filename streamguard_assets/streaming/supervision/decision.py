"""What to do about a stream now: a pure function of what is wanted, what runs, and the last sign of life.

It keeps nothing. Whatever was missed while nobody looked (a reboot, a killed daemon) is seen at the next look.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from streamguard_assets.settings import StreamingSettings
from streamguard_assets.streaming.supervision.heartbeat import Heartbeat
from streamguard_assets.streaming.supervision.wanted import Wanted, WantedState

HOUR = timedelta(hours=1)
LONGEST_BACKOFF = timedelta(minutes=5)
LEAVING = timedelta(seconds=30)
"""How long the process of a run that has ended may still be there before it counts as left behind."""


class RunState(StrEnum):
    """Where a run stands."""

    QUEUED = "queued"
    STARTING = "starting"
    STARTED = "started"
    ENDING = "ending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def is_over(self) -> bool:
        return self in (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELED)


@dataclass(frozen=True)
class StreamRun:
    """A run of the stream, as its orchestrator knows it.

    Attributes:
        started_at: when it began to run; None before.
        ended_at: when it ended; None before.
        fingerprint: of the code and settings it was launched with; None while nobody has said.
        asked_to_end_at: when somebody asked it to end; None when nobody did.
        by_supervisor: whether that was the supervisor.
        was_interrupted: whether it ended because its machine or its services were shut down.
    """

    run_id: str
    state: RunState
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    fingerprint: str | None = None
    asked_to_end_at: datetime | None = None
    by_supervisor: bool = False
    was_interrupted: bool = False


@dataclass(frozen=True)
class Policy:
    """The bounds. ``fingerprint`` is that of the code and settings of now."""

    fingerprint: str
    restarts_per_hour: int
    backoff: timedelta
    stale_after: timedelta

    @classmethod
    def of(cls, settings: StreamingSettings, fingerprint: str) -> Policy:
        """The bounds of the settings."""
        return cls(
            fingerprint,
            settings.restarts_per_hour,
            timedelta(seconds=settings.restart_backoff_s),
            timedelta(seconds=settings.stale_after_s),
        )


class Action(StrEnum):
    """What is to be done."""

    NOTHING = "nothing"
    LAUNCH = "launch"
    WITHDRAW = "withdraw"
    """Take a run that nobody wants any more out of the queue."""
    RENEW = "renew"
    """End a run gracefully, so that one on newer code can follow."""
    GIVE_UP = "give_up"
    """Kill the process of a run that is silent, if it is on this machine, and mark the run as failed."""
    KILL = "kill"
    """Kill the process that a finished run has left behind."""
    STOP_WANTING = "stop_wanting"
    """A person has ended the run: the stream is wanted stopped from now on."""


@dataclass(frozen=True)
class Decision:
    """One action.

    Attributes:
        run_id: the run that it concerns; empty when it concerns none.
        restarts: how many restarts of this hour there are with a launch, or were before it is refused or waits.
        failed_run_id: the run that failed last, which says why; empty when ``restarts`` is 0.
    """

    action: Action
    reason: str
    run_id: str = ""
    restarts: int = 0
    failed_run_id: str = ""


def supervise(
    wanted: Wanted, runs: Sequence[StreamRun], heartbeat: Heartbeat | None, now: datetime, policy: Policy
) -> Decision:
    """The next thing to do; ``NOTHING`` when all is as it should be or must be waited for.

    ``runs`` are the latest, newest first. A decision that changes something but launches nothing should be followed
    by another look.
    """
    return (
        _ended_by_a_person(wanted, runs)
        or _left_behind(runs, heartbeat, now)
        or _under_way(wanted, runs, heartbeat, now, policy)
        or _to_be_started(wanted, runs, heartbeat, now, policy)
    )


def _ended_by_a_person(wanted: Wanted, runs: Sequence[StreamRun]) -> Decision | None:
    for run in runs:
        asked = run.asked_to_end_at
        if asked is None or run.by_supervisor or asked <= wanted.at or wanted.state is WantedState.STOPPED:
            continue
        return Decision(Action.STOP_WANTING, f"run {run.run_id} was ended by a person", run.run_id)
    return None


def _left_behind(runs: Sequence[StreamRun], heartbeat: Heartbeat | None, now: datetime) -> Decision | None:
    """The process of a finished run that still has the stream, perhaps asleep: Dagster cancels a run without it."""
    if heartbeat is None or heartbeat.is_over or not heartbeat.host.is_here or heartbeat.host.is_gone():
        return None
    for run in runs:
        is_its = run.run_id == heartbeat.host.run_id
        if is_its and run.ended_at is not None and now - run.ended_at > LEAVING:
            return Decision(Action.KILL, f"run {run.run_id} has ended, and its process has not", run.run_id)
    return None


def _under_way(
    wanted: Wanted, runs: Sequence[StreamRun], heartbeat: Heartbeat | None, now: datetime, policy: Policy
) -> Decision | None:
    unfinished = [run for run in runs if not run.state.is_over]
    for run in unfinished:
        if run.state is RunState.QUEUED and wanted.state is not WantedState.RUNNING:
            return Decision(Action.WITHDRAW, f"the stream is wanted {wanted.state}", run.run_id)
        if run.state in (RunState.STARTED, RunState.ENDING) and _is_silent(run, heartbeat, now, policy):
            return Decision(Action.GIVE_UP, _silence(run, heartbeat, now), run.run_id)
    for run in unfinished:
        is_old = run.fingerprint is not None and run.fingerprint != policy.fingerprint
        if run.state is RunState.STARTED and is_old and wanted.state is not WantedState.STOPPED:
            return Decision(Action.RENEW, f"run {run.run_id} is on older code or settings", run.run_id)
    if unfinished:
        return Decision(Action.NOTHING, f"run {unfinished[0].run_id} is {unfinished[0].state}")
    return None


def _is_silent(run: StreamRun, heartbeat: Heartbeat | None, now: datetime, policy: Policy) -> bool:
    if heartbeat is not None and heartbeat.host.run_id == run.run_id:
        return heartbeat.is_stale(now, policy.stale_after)
    return now - (run.started_at or run.created_at) > policy.stale_after


def _silence(run: StreamRun, heartbeat: Heartbeat | None, now: datetime) -> str:
    if heartbeat is None or heartbeat.host.run_id != run.run_id:
        return f"run {run.run_id} gave no sign of life since it started"
    turned_at = heartbeat.snapshot.turn_at or heartbeat.snapshot.started_at
    return (
        f"run {run.run_id} was last heard {heartbeat.age(now).total_seconds():.0f} s ago, and its loop came round "
        f"{(now - turned_at).total_seconds():.0f} s ago"
    )


def _to_be_started(
    wanted: Wanted, runs: Sequence[StreamRun], heartbeat: Heartbeat | None, now: datetime, policy: Policy
) -> Decision:
    if wanted.state is not WantedState.RUNNING:
        return Decision(Action.NOTHING, f"wanted {wanted.state} by {wanted.by}: {wanted.reason}")
    if heartbeat is not None and heartbeat.is_live(now, policy.stale_after):
        return Decision(Action.NOTHING, f"{heartbeat.snapshot.owner} still has the stream")
    died = [run for run in runs if _died_since(run, wanted, now)]
    if not died:
        return Decision(Action.LAUNCH, f"wanted running by {wanted.by}: {wanted.reason}")
    action, reason = _restart(died, now, policy)
    return Decision(action, reason, restarts=len(died), failed_run_id=died[0].run_id)


def _restart(died: Sequence[StreamRun], now: datetime, policy: Policy) -> tuple[Action, str]:
    count = len(died)
    if count > policy.restarts_per_hour:
        return Action.NOTHING, (
            f"it ended {count} times within an hour, more than streaming.restarts_per_hour allows; it is started "
            "again when the hour is over, or at once by `streamguard stream start`"
        )
    wait = max(_end(run) for run in died) + backoff(count, policy) - now
    if wait > timedelta(0):
        return Action.NOTHING, f"restart {count} of this hour follows in {wait.total_seconds():.0f} s"
    return Action.LAUNCH, f"restart {count} of this hour"


def backoff(restart: int, policy: Policy) -> timedelta:
    """The wait before the restart of that number, from 1 on: doubled with each, five minutes at most."""
    # Beyond 2**20 the bound has long been reached, and the number would grow without end.
    return min(LONGEST_BACKOFF, policy.backoff * 2 ** min(restart - 1, 20))


def _died_since(run: StreamRun, wanted: Wanted, now: datetime) -> bool:
    """Whether it ended of itself in the last hour. ``wanted.at`` begins the count anew: a person has looked at it."""
    if not run.state.is_over or run.by_supervisor or run.was_interrupted or run.asked_to_end_at is not None:
        return False
    return run.created_at >= wanted.at and now - _end(run) < HOUR


def _end(run: StreamRun) -> datetime:
    return run.ended_at or run.created_at
