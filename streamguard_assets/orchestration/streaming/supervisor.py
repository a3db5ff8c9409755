"""The sensor that keeps a stream as it is wanted: a look at what is, and one decision, thin around a pure function."""

# No `from __future__ import annotations` here: Dagster reads the annotations of these functions, and refuses texts.

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field

from dagster import (
    DagsterInstance,
    DagsterRun,
    DefaultSensorStatus,
    ResourceParam,
    RunRequest,
    SensorDefinition,
    SensorEvaluationContext,
    SkipReason,
    sensor,
)

from streamguard_assets.orchestration.batches.cancelling import cancel_run
from streamguard_assets.orchestration.dead_runs import fail_dead_runs, local_process
from streamguard_assets.orchestration.resources import Streams
from streamguard_assets.orchestration.streaming.runs import (
    CODE_TAG,
    ENDED_TAG,
    LAST_ERROR_TAG,
    LONGEST_ERROR,
    RESTARTS_TAG,
    STREAMING_OF_TAG,
    SUPERVISED_TAG,
    SUPERVISOR,
    error_of,
    latest_runs,
    stream_job_name,
)
from streamguard_assets.streaming.supervision.decision import Action, Decision, Policy, StreamRun, supervise
from streamguard_assets.streaming.supervision.fingerprint import code_fingerprint
from streamguard_assets.streaming.supervision.heartbeat import HeartbeatFile
from streamguard_assets.streaming.supervision.sign_of_life import last_sign
from streamguard_assets.streaming.supervision.wanted import WantedState, WantedTable
from streamguard_assets.windows.stream import Stream

INTERVAL_S = 5
"""The daemon comes round no more often."""
MAX_TURNS = 4
"""Actions of one tick: give a run up, say, and launch the next."""
RUNS_BEYOND_RESTARTS = 10
"""Runs that are read besides those that the bound can count: renewed and interrupted ones."""


def supervisor_name(stream: str) -> str:
    return f"{stream}_supervisor"


def supervisor_sensor(stream: str) -> SensorDefinition:
    """Starts, restarts, renews and gives up the run of ``stream`` as it is wanted. It keeps no cursor."""

    @sensor(
        name=supervisor_name(stream),
        job_name=stream_job_name(stream),
        minimum_interval_seconds=INTERVAL_S,
        default_status=DefaultSensorStatus.RUNNING,
        description=f"Keeps the stream {stream} running while it is wanted: `streamguard stream start {stream}`.",
    )
    def supervise_stream(context: SensorEvaluationContext, streams: ResourceParam[Streams]) -> RunRequest | SkipReason:
        for run_id in fail_dead_runs(context.instance):
            context.log.warning(f"run {run_id} is marked as failed: its process is gone")
        supervisor = Supervisor(context.instance, streams, streams.open(stream), context.log.warning)
        return supervisor.look_after()

    return supervise_stream


@dataclass
class Supervisor:
    """One tick: looks and acts until something is launched or nothing is left to do."""

    instance: DagsterInstance
    streams: Streams
    stream: Stream
    tell: Callable[[str], None]
    policy: Policy = field(init=False)
    wanted: WantedTable = field(init=False)

    def __post_init__(self) -> None:
        settings = self.streams.settings
        self.policy = Policy.of(settings.streaming, code_fingerprint(settings, self.stream.name))
        self.wanted = WantedTable(self.stream.location, self.stream.name)

    def look_after(self) -> RunRequest | SkipReason:
        """What the tick asks for, after everything else that had to be done is done."""
        for _ in range(MAX_TURNS):
            runs, decision = self._look()
            if decision.action is Action.LAUNCH:
                return self._request(decision, runs)
            if decision.action is Action.NOTHING:
                return SkipReason(self._with_last_error(decision))
            self.tell(f"{decision.action}: {decision.reason}")
            self._act(decision)
        return SkipReason("more is to be done; the next tick goes on")

    def _look(self) -> tuple[list[StreamRun], Decision]:
        runs = latest_runs(self.instance, self.stream.name, self.policy.restarts_per_hour + RUNS_BEYOND_RESTARTS)
        now = self.streams.now()
        file = HeartbeatFile(self.stream.location, self.stream.name)
        heartbeat = last_sign(file, now, self.policy.stale_after, self.tell)
        return runs, supervise(self.wanted.current(), runs, heartbeat, now, self.policy)

    def _act(self, decision: Decision) -> None:
        run = self.instance.get_run_by_id(decision.run_id)
        match decision.action:
            case Action.STOP_WANTING:
                self.wanted.change(
                    WantedState.STOPPED, by="a person in Dagster", reason=decision.reason, now=self.streams.now()
                )
            case Action.WITHDRAW | Action.RENEW if run is not None:
                # First the tag: without it the end would pass for a person's, who wants the stream stopped.
                self.instance.add_run_tags(run.run_id, {ENDED_TAG: run.run_id})
                cancel_run(self.instance, run)
            case Action.GIVE_UP if run is not None:
                _kill(run)
                self.instance.report_run_failed(run, decision.reason)
            case Action.KILL if run is not None:
                _kill(run)

    def _request(self, decision: Decision, runs: list[StreamRun]) -> RunRequest:
        tags = {
            STREAMING_OF_TAG: self.stream.name,
            CODE_TAG: self.policy.fingerprint,
            SUPERVISED_TAG: SUPERVISOR,
            RESTARTS_TAG: str(decision.restarts),
        }
        if decision.restarts:
            tags[LAST_ERROR_TAG] = self._last_error(decision)
        # One run for each one before it: a second daemon on this instance asks under the same key, and gets nothing.
        before = runs[0].run_id if runs else "the first"
        return RunRequest(run_key=f"after {before}, {self.wanted.current().at.isoformat()}", tags=tags)

    def _with_last_error(self, decision: Decision) -> str:
        if not decision.restarts:
            return decision.reason
        return f"{decision.reason}; it ended with: {self._last_error(decision)}"

    def _last_error(self, decision: Decision) -> str:
        return error_of(self.instance, decision.failed_run_id)[:LONGEST_ERROR] or "its process is gone"


def _kill(run: DagsterRun) -> None:
    """End the process of ``run`` if it is on this machine; it may be asleep, so it is not asked."""
    process = local_process(run)
    if process is not None and process.is_alive():
        os.kill(process.pid, signal.SIGKILL)
