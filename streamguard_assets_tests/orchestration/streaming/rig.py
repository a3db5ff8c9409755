"""A stream's job and supervisor over an instance of their own, with an engine that the test holds."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property

from dagster import (
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    Definitions,
    ExecuteInProcessResult,
    RunRequest,
    build_sensor_context,
)

from streamguard_assets.orchestration.resources import Streams
from streamguard_assets.orchestration.streaming.job import stream_job
from streamguard_assets.orchestration.streaming.runs import stream_job_name
from streamguard_assets.orchestration.streaming.supervisor import supervisor_name, supervisor_sensor
from streamguard_assets.settings import Settings
from streamguard_assets.streaming.control import Control
from streamguard_assets.streaming.host import Clock
from streamguard_assets.streaming.progress import Phase, Progress
from streamguard_assets.streaming.supervision.heartbeat import HeartbeatFile
from streamguard_assets.streaming.supervision.wanted import Wanted, WantedState, WantedTable
from streamguard_assets.windows.stream import Stream

STREAM = "security"


class Engine:
    """Runs until it is told to stop; ``meanwhile`` is called once, in the main thread, as soon as it runs."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.has_run = False
        self.committed = False
        self.runs = threading.Event()

    def __call__(self, stream: Stream, owner: str, control: Control, progress: Progress, *, now: Clock) -> None:
        self.has_run = True
        if self.failure is not None:
            raise self.failure
        progress.note(positions={0: 7}, lag_events=3)
        progress.turn(Phase.RUNNING)
        self.runs.set()
        while not control.stopping:
            control.wait(0.05)
        self.committed = True


@dataclass
class Rig:
    """One stream with its instance; the clock is the real one, moved by ``ahead``."""

    settings: Settings
    instance: DagsterInstance
    engine: Engine = field(default_factory=Engine)
    ahead: timedelta = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    @cached_property
    def streams(self) -> Streams:
        return Streams(self.settings, self.now)

    @cached_property
    def definitions(self) -> Definitions:
        return Definitions(
            jobs=[stream_job(STREAM, self.engine)],
            sensors=[supervisor_sensor(STREAM)],
            resources={"streams": self.streams},
        )

    @property
    def stream(self) -> Stream:
        return self.streams.open(STREAM)

    @property
    def wanted(self) -> Wanted:
        return WantedTable(self.stream.location, STREAM).current()

    @property
    def heartbeats(self) -> HeartbeatFile:
        return HeartbeatFile(self.stream.location, STREAM)

    def want(self, state: WantedState) -> None:
        WantedTable(self.stream.location, STREAM).change(state, by="ada", reason="the test", now=self.now())

    def tick(self) -> RunRequest | str:
        """What the supervisor asks for, or why it asks for nothing."""
        sensor = self.definitions.resolve_sensor_def(supervisor_name(STREAM))
        with build_sensor_context(self.instance, resources=dict(self.definitions.resources or {})) as context:
            told = sensor.evaluate_tick(context)
        if told.run_requests:
            (request,) = told.run_requests
            return request
        return told.skip_message or ""

    def asked(self) -> RunRequest:
        """The launch that a tick has to ask for."""
        request = self.tick()
        assert isinstance(request, RunRequest), request
        return request

    def refused(self) -> str:
        """Why a tick launches nothing, as it has to."""
        reason = self.tick()
        assert isinstance(reason, str), reason
        return reason

    def create_run(self, status: DagsterRunStatus, tags: Mapping[str, str] | None = None) -> DagsterRun:
        job = self.definitions.resolve_job_def(stream_job_name(STREAM))
        return self.instance.create_run_for_job(job, tags=dict(tags or {}), status=status)

    def failed_run(self, tags: Mapping[str, str] | None = None) -> DagsterRun:
        run = self.create_run(DagsterRunStatus.STARTED, tags)
        self.instance.report_run_failed(run, "the disk is full")
        return run

    def status_of(self, run: DagsterRun) -> DagsterRunStatus:
        return self.run_of(run.run_id).status

    def run_of(self, run_id: str) -> DagsterRun:
        found = self.instance.get_run_by_id(run_id)
        assert found is not None
        return found

    def execute(
        self, act: Callable[[str], object] = lambda run_id: None, tags: Mapping[str, str] | None = None
    ) -> ExecuteInProcessResult:
        """Run the job here; ``act`` is given its id from another thread once the engine runs."""
        job = self.definitions.resolve_job_def(stream_job_name(STREAM))
        acting = threading.Thread(target=self._act, args=(act,))
        acting.start()
        try:
            return job.execute_in_process(instance=self.instance, tags=dict(tags or {}), raise_on_error=False)
        finally:
            self.engine.runs.set()
            acting.join()

    def _act(self, act: Callable[[str], object]) -> None:
        self.engine.runs.wait(60)
        if self.engine.has_run and self.engine.failure is None:
            (run, *_) = self.instance.get_runs(limit=1)
            act(run.run_id)
