"""The process that runs a stream: it obeys the wanted state, tells of itself, and no interrupt breaks a commit."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streamguard_assets.lake.errors import StreamLost
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.orchestration.storage import lake_location
from streamguard_assets.streaming.control import Control
from streamguard_assets.streaming.host import Clock, Pace, Place, StreamStuckError, host_stream
from streamguard_assets.streaming.progress import Phase, Progress
from streamguard_assets.streaming.supervision.heartbeat import Heartbeat, HeartbeatFile
from streamguard_assets.streaming.supervision.wanted import WantedState, WantedTable
from streamguard_assets.windows.stream import Stream, open_stream
from streamguard_assets_tests.conftest import SettingsFactory
from streamguard_assets_tests.waiting import wait_until

QUICK = Pace(turn_s=0.02, beat_s=0.02)
"""So that no test waits for a beat."""


class Engine:
    """Stands in for the loop: turns until it is to stop, then takes its time for the batch in hand."""

    def __init__(self, failure: BaseException | None = None, is_stuck: bool = False, epoch: int | None = None) -> None:
        self.epoch = epoch
        self.failure = failure
        self.is_stuck = is_stuck
        self.thread: threading.Thread | None = None
        self.committed = False
        self.released = threading.Event()
        self.stops: list[str] = []

    def __call__(self, stream: Stream, owner: str, control: Control, progress: Progress, *, now: Clock) -> None:
        self.thread = threading.current_thread()
        progress.note(epoch=self.epoch)
        while not control.stopping:
            if self.failure is not None:
                raise self.failure
            progress.turn(Phase.PAUSED if control.paused else Phase.RUNNING)
            control.wait(0.02)
        self.stops.append(control.reason)
        if self.is_stuck:
            self.released.wait(30)
        self.committed = True


class InterruptedByDagsterError(BaseException):
    """As Dagster's: no Exception, and raised at any line of the main thread."""


@pytest.fixture
def stream(brokerless_settings: SettingsFactory) -> Stream:
    settings = brokerless_settings()
    return open_stream(settings, "security", lake_location(settings))


@pytest.fixture
def wanted(stream: Stream) -> WantedTable:
    table = WantedTable(stream.location, stream.name)
    want(table, WantedState.RUNNING)
    return table


@pytest.fixture(autouse=True)
def _handlers_stay_as_they_were() -> Iterator[None]:
    """The signal handlers before; a test that leaves others has failed."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    assert {number: signal.getsignal(number) for number in before} == before


def now() -> datetime:
    return datetime.now(UTC)


def want(table: WantedTable, state: WantedState) -> None:
    table.change(state, by="ada", reason="the test", now=now())


def beats_of(stream: Stream) -> Heartbeat:
    found = HeartbeatFile(stream.location, stream.name).read()
    assert found is not None
    return found


def on(phase: Phase, act: Callable[[], object]) -> Callable[[Heartbeat], None]:
    """``act`` at the first heartbeat in ``phase``."""
    done: list[bool] = []

    def on_beat(heartbeat: Heartbeat) -> None:
        if heartbeat.snapshot.phase is phase and not done:
            done.append(True)
            act()

    return on_beat


def test_it_runs_in_a_thread_of_its_own_until_the_stream_is_wanted_stopped(stream: Stream, wanted: WantedTable) -> None:
    engine = Engine()
    host_stream(
        stream,
        Place("me", "r1", restarts=2, last_error="oh"),
        engine,
        now=now,
        pace=QUICK,
        on_beat=on(Phase.RUNNING, lambda: want(wanted, WantedState.STOPPED)),
    )
    assert engine.committed
    assert engine.thread is not threading.main_thread()
    assert engine.stops == ["stopped by ada: the test"]
    last = beats_of(stream)
    assert (last.snapshot.phase, last.snapshot.owner, last.snapshot.reason) == (
        Phase.STOPPED,
        "me",
        "stopped by ada: the test",
    )
    assert (last.host.run_id, last.host.restarts, last.host.last_error) == ("r1", 2, "oh")


def test_a_stream_that_nobody_wants_leaves_at_once(stream: Stream) -> None:
    engine = Engine()
    host_stream(stream, Place("me"), engine, now=now, pace=QUICK)
    assert engine.committed
    assert "nobody" in engine.stops[0]


def test_the_first_beat_comes_before_the_first_look_at_what_is_wanted(stream: Stream) -> None:
    table = WantedTable(stream.location, stream.name)
    seen: list[Phase] = []

    def on_beat(heartbeat: Heartbeat) -> None:
        if not seen:
            want(table, WantedState.RUNNING)
        elif heartbeat.snapshot.phase is Phase.RUNNING:
            want(table, WantedState.STOPPED)
        seen.append(heartbeat.snapshot.phase)

    host_stream(stream, Place("me"), Engine(), now=now, pace=QUICK, on_beat=on_beat)
    assert seen[0] is Phase.STARTING
    assert Phase.RUNNING in seen


def test_it_pauses_and_goes_on_as_it_is_wanted(stream: Stream, wanted: WantedTable) -> None:
    phases: list[Phase] = []
    steps = iter([WantedState.PAUSED, WantedState.RUNNING, WantedState.STOPPED])

    def on_beat(heartbeat: Heartbeat) -> None:
        phase = heartbeat.snapshot.phase
        if phase in (Phase.RUNNING, Phase.PAUSED) and phase not in phases[-1:]:
            phases.append(phase)
            want(wanted, next(steps))

    host_stream(stream, Place("me"), Engine(), now=now, pace=QUICK, on_beat=on_beat)
    assert phases == [Phase.RUNNING, Phase.PAUSED, Phase.RUNNING]


def test_an_error_of_the_loop_is_raised_here_and_told(stream: Stream, wanted: WantedTable) -> None:
    with pytest.raises(RuntimeError, match="the disk is full"):
        host_stream(stream, Place("me"), Engine(RuntimeError("the disk is full")), now=now, pace=QUICK)
    last = beats_of(stream)
    assert (last.snapshot.phase, last.snapshot.reason) == (Phase.FAILED, "RuntimeError: the disk is full")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("times", [1, 3])
def test_an_interrupt_takes_its_course_after_the_batch_in_hand_however_many_come(
    stream: Stream, wanted: WantedTable, number: signal.Signals, times: int
) -> None:
    engine = Engine()
    seen: list[bool] = []

    def as_dagster_does(_number: int, _frame: object) -> None:
        seen.append(engine.committed)
        raise InterruptedByDagsterError

    before = signal.signal(number, as_dagster_does)
    try:
        with pytest.raises(InterruptedByDagsterError):
            host_stream(
                stream,
                Place("me"),
                engine,
                now=now,
                pace=QUICK,
                on_beat=on(Phase.RUNNING, lambda: [signal.raise_signal(number) for _ in range(times)]),
            )
    finally:
        signal.signal(number, before)
    assert seen == [True]
    assert engine.stops == [f"interrupted by {number.name}"]


def test_an_exception_of_any_kind_in_the_main_thread_stops_the_loop_first(stream: Stream, wanted: WantedTable) -> None:
    engine = Engine()

    def interrupt() -> None:
        raise InterruptedByDagsterError

    with pytest.raises(InterruptedByDagsterError):
        host_stream(stream, Place("me"), engine, now=now, pace=QUICK, on_beat=on(Phase.RUNNING, interrupt))
    assert engine.committed


def test_a_loop_that_does_not_leave_is_left_behind(stream: Stream, wanted: WantedTable) -> None:
    engine = Engine(is_stuck=True)
    with pytest.raises(StreamStuckError, match="did not leave within"):
        host_stream(
            stream,
            Place("me"),
            engine,
            now=now,
            on_beat=on(Phase.RUNNING, lambda: want(wanted, WantedState.STOPPED)),
            pace=Pace(turn_s=0.02, beat_s=0.02, leave_s=0.1),
        )
    assert not engine.committed
    engine.released.set()
    assert engine.thread is not None
    engine.thread.join(10)


def test_a_lake_that_is_away_stops_nothing(stream: Stream, wanted: WantedTable, tmp_path: Path) -> None:
    lake = Path(stream.location.uri)
    live = lake / "security" / "live"
    beats: list[Heartbeat] = []

    def on_beat(heartbeat: Heartbeat) -> None:
        beats.append(heartbeat)
        if len(beats) == 2:
            live.rename(tmp_path / "away")
            live.write_text("a file where the folder was")
        if len(beats) == 3:
            assert heartbeat.snapshot.phase is Phase.RUNNING
            live.unlink()
            (tmp_path / "away").rename(live)
            want(wanted, WantedState.STOPPED)

    host_stream(stream, Place("me"), Engine(), now=now, pace=QUICK, on_beat=on_beat)
    assert beats[-1].snapshot.phase is Phase.STOPPED


def test_a_stream_that_cannot_give_its_first_sign_of_life_fails_with_the_reason(stream: Stream) -> None:
    live = Path(stream.location.uri) / "security" / "live"
    live.parent.mkdir(parents=True)
    live.write_text("a file where the folder should be")
    engine = Engine()
    with pytest.raises(OSError, match=r"exists|directory"):
        host_stream(stream, Place("me"), engine, now=now, pace=QUICK)
    assert engine.thread is None


def test_one_that_lost_the_stream_leaves_and_does_not_speak_for_its_new_owner(
    stream: Stream, wanted: WantedTable
) -> None:
    engine = Engine(epoch=1)
    file = HeartbeatFile(stream.location, stream.name)
    others: list[Heartbeat] = []
    phases: list[Phase] = []

    def take_over(heartbeat: Heartbeat) -> None:
        phases.append(heartbeat.snapshot.phase)
        if heartbeat.snapshot.epoch == 1 and not others:
            snapshot = replace(heartbeat.snapshot, owner="the other", epoch=2)
            others.append(replace(heartbeat, snapshot=snapshot))
            file.write(others[0])

    with pytest.raises(StreamLost, match="the other has taken the stream over") as lost:
        host_stream(stream, Place("me"), engine, now=now, pace=QUICK, on_beat=take_over)
    assert (lost.value.owner, lost.value.epoch) == ("the other", 2)
    assert engine.stops == ["the other has taken the stream over"]
    assert phases[-1] is Phase.LOST
    assert file.read() == others[0]


@pytest.mark.parametrize("end", [InterruptedByDagsterError(), RuntimeError("the disk is full")], ids=type)
def test_one_that_ends_otherwise_and_has_lost_the_stream_meanwhile_says_so(
    stream: Stream, wanted: WantedTable, end: BaseException
) -> None:
    file = HeartbeatFile(stream.location, stream.name)

    def on_beat(heartbeat: Heartbeat) -> None:
        if heartbeat.snapshot.phase is Phase.RUNNING and heartbeat.snapshot.epoch == 1:
            file.write(replace(heartbeat, snapshot=replace(heartbeat.snapshot, owner="the other", epoch=2)))
            raise end

    with pytest.raises(StreamLost, match="the other") as lost:
        host_stream(stream, Place("me"), Engine(epoch=1), now=now, pace=QUICK, on_beat=on_beat)
    assert lost.value.__cause__ is end


def test_the_heartbeat_of_an_earlier_owner_is_replaced(stream: Stream, wanted: WantedTable) -> None:
    earlier = Engine(epoch=4)
    host_stream(stream, Place("the one before"), earlier, now=now, pace=QUICK, on_beat=stop_when_running(wanted))
    want(wanted, WantedState.RUNNING)
    host_stream(stream, Place("me"), Engine(epoch=5), now=now, pace=QUICK, on_beat=stop_when_running(wanted))
    assert (beats_of(stream).snapshot.owner, beats_of(stream).snapshot.epoch) == ("me", 5)


def stop_when_running(table: WantedTable) -> Callable[[Heartbeat], None]:
    return on(Phase.RUNNING, lambda: want(table, WantedState.STOPPED))


def test_its_metrics_are_where_the_heartbeat_says(stream: Stream, wanted: WantedTable) -> None:
    read: list[bytes] = []

    def on_beat(heartbeat: Heartbeat) -> None:
        if not read:
            with urllib.request.urlopen(f"http://{heartbeat.host.metrics}/metrics", timeout=10) as response:
                read.append(response.read())
        want(wanted, WantedState.STOPPED)

    host_stream(stream, Place("me"), Engine(), now=now, pace=QUICK, on_beat=on_beat)
    assert b'streamguard_stream_lag_events{stream="security"}' in read[0]


TERMINAL = """
import sys, threading
from datetime import UTC, datetime
from pathlib import Path
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.settings import load_settings
from streamguard_assets.streaming.host import Place, host_stream
from streamguard_assets.streaming.progress import Phase
from streamguard_assets.streaming.supervision.wanted import WantedState, WantedTable
from streamguard_assets.windows.stream import open_stream

lake, committed = LakeLocation(sys.argv[1]), Path(sys.argv[2])
stream = open_stream(load_settings(state_dir=sys.argv[1]), "security", lake)
now = lambda: datetime.now(UTC)

def loop(stream, owner, control, progress, *, now):
    progress.turn(Phase.RUNNING)
    control.wait(60)
    threading.Event().wait(1.0)  # a commit under way
    committed.touch()

WantedTable(lake, "security").change(WantedState.RUNNING, by="ada", reason="", now=now())
host_stream(stream, Place("me"), loop, now=now)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_process_that_is_interrupted_twice_commits_and_then_ends_by_the_signal(
    tmp_path: Path, number: signal.Signals
) -> None:
    committed = tmp_path / "committed"
    file = HeartbeatFile(LakeLocation(str(tmp_path)), "security")
    command = [sys.executable, "-c", TERMINAL, str(tmp_path), str(committed)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert wait_until(
            lambda: (
                process.poll() is not None or ((beat := file.read()) is not None and beat.snapshot.phase == "running")
            ),
            60,
        )
        process.send_signal(number)
        process.send_signal(number)
        _, error = process.communicate(timeout=60)
    assert committed.exists(), error
    # Python's own end by Ctrl-C, and the system's by SIGTERM: what they are without a stream.
    assert process.returncode == -number
