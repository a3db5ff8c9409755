"""A process that runs a stream: the loop in a thread of its own, and a main thread that obeys and tells.

Interrupts reach the main thread only, at any line. So the loop never runs there: an interrupt becomes a stop, the
loop finishes the micro-batch that it has in hand, and only then does the interrupt take its course.
"""

from __future__ import annotations

import getpass
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from types import FrameType
from typing import Protocol

from streamguard_assets.lake.errors import LakeError, StreamLost
from streamguard_assets.streaming.control import Control
from streamguard_assets.streaming.errors import STORE_FAULTS
from streamguard_assets.streaming.progress import Phase, Progress
from streamguard_assets.streaming.supervision.fingerprint import code_fingerprint
from streamguard_assets.streaming.supervision.heartbeat import BEAT_EVERY_S, OVER, Heartbeat, HeartbeatFile, Host
from streamguard_assets.streaming.supervision.wanted import WantedState, WantedTable
from streamguard_assets.windows.stream import Stream

Clock = Callable[[], datetime]
OnBeat = Callable[[Heartbeat], None]

LAKE_FAULTS = (*STORE_FAULTS, LakeError)
"""What a lake that is away looks like. The loop meets it too, and decides; a look at the wanted state does not."""

_LOG = logging.getLogger(__name__)


class RunStream(Protocol):
    """An engine: blocks until it is told to stop, and raises when the stream cannot go on."""

    def __call__(self, stream: Stream, owner: str, control: Control, progress: Progress, *, now: Clock) -> None: ...


class StreamStuckError(Exception):
    """The loop did not leave in time after it was told to stop; the process has to end without it."""


@dataclass(frozen=True)
class Place:
    """Where a stream is run from.

    Attributes:
        owner: name of whoever runs it, as another one would be told that it has lost the stream to it.
        run_id: its Dagster run; None in a terminal.
        restarts: how often it was restarted within an hour before it began.
        last_error: why the one before ended; empty when it did not fail.
    """

    owner: str
    run_id: str | None = None
    restarts: int = 0
    last_error: str = ""


@dataclass(frozen=True)
class Pace:
    """How often the main thread does what, and how long it waits for the loop.

    Attributes:
        turn_s: between two looks at the wanted state.
        beat_s: between two heartbeats.
        leave_s: for the loop to leave once it is told to stop. A healthy one leaves within seconds; and Dagster
            declares a run cancelled 20 s after it was asked, when its process should not be there any more.
    """

    turn_s: float = 0.5
    beat_s: float = BEAT_EVERY_S
    leave_s: float = 15.0


def owner_name(run_id: str | None = None) -> str:
    """How this process calls itself as the owner of a stream."""
    who = f"{getpass.getuser()} in a terminal" if run_id is None else f"Dagster run {run_id}"
    return f"{who}, process {os.getpid()} on {socket.gethostname()}"


def ignore(heartbeat: Heartbeat) -> None:
    """Nobody listens to the beats of this stream."""


def host_stream(
    stream: Stream,
    place: Place,
    run: RunStream,
    *,
    now: Clock,
    on_beat: OnBeat = ignore,
    pace: Pace = Pace(),
) -> None:
    """Run ``stream`` with the engine ``run`` until it is no longer wanted, is interrupted, or fails.

    Call it in the main thread. ``on_beat`` is called there with each heartbeat, first before anything is read.

    Raises:
        StreamStuckError: it was told to stop and did not leave. The fence keeps what it may still do harmless.
        OSError: the lake does not take the first heartbeat. Later ones are tried again.
        StreamLost: another owner has taken the stream over.
        BaseException: whatever the engine raised; else the interrupt that ended it, as if nobody had held it up.
    """
    # Imported here: whoever only looks at the code location or at a status serves no metrics.
    from streamguard_assets.streaming.metrics import served_metrics

    progress = Progress(stream.name, place.owner, now)
    with served_metrics(stream.settings.streaming, progress.snapshot) as address:
        host = replace(
            Host.current(code_fingerprint(stream.settings, stream.name), place.run_id),
            metrics=address,
            restarts=place.restarts,
            last_error=place.last_error,
        )
        hosted = _HostedStream(stream, place.owner, run, progress, host, now, on_beat, pace)
        with _Interrupts(hosted.control) as interrupts:
            hosted.run()
        interrupts.deliver()


class _HostedStream:
    def __init__(
        self,
        stream: Stream,
        owner: str,
        run: RunStream,
        progress: Progress,
        host: Host,
        now: Clock,
        on_beat: OnBeat,
        pace: Pace,
    ) -> None:
        self.control = Control()
        self._progress = progress
        self._host = host
        self._on_beat = on_beat
        self._pace = pace
        self._wanted = WantedTable(stream.location, stream.name)
        self._file = HeartbeatFile(stream.location, stream.name)
        self._next_beat_s = 0.0
        self._stopping_since_s: float | None = None
        self._complaints: set[str] = set()
        self._error: BaseException | None = None
        self._lost: StreamLost | None = None

        def work() -> None:
            try:
                run(stream, owner, self.control, progress, now=now)
            except BaseException as error:  # noqa: BLE001  (raised again in the main thread)
                self._error = error

        # A daemon: one that is stuck in the store must not keep the process from ending.
        self._worker = threading.Thread(target=work, name=f"stream-{stream.name}", daemon=True)

    def run(self) -> None:
        # A stream that cannot give its first sign of life would wait for the store unheard, and be killed for it:
        # it fails at once, with the reason, and is started again.
        self._file.write(Heartbeat(self._progress.snapshot(), self._host))
        self._turn()
        self._worker.start()
        first = self._watched()
        try:
            self._tell_the_end()
        finally:
            failure = self._error or first
            # Also beside an interrupt or another error: whoever called would think that it still has the stream.
            if self._lost is not None and not isinstance(failure, StreamLost):
                raise self._lost from failure
            if failure is not None:
                raise failure

    def _watched(self) -> BaseException | None:
        """Wait for the loop to leave; the first exception that came up meanwhile, which has stopped it."""
        first: BaseException | None = None
        while self._worker.is_alive():
            try:
                self._worker.join(self._pace.turn_s)
                self._turn()
            except BaseException as error:  # noqa: BLE001  (interrupts are no Exceptions; raised again by the caller)
                first = first or error
                self.control.stop(f"interrupted by {type(error).__name__}")
            self._leave_in_time()
        return first

    def _turn(self) -> None:
        if time.monotonic() >= self._next_beat_s:
            self._beat()
        self._obey()

    def _obey(self) -> None:
        try:
            wanted = self._wanted.current()
        except LAKE_FAULTS as fault:
            self._complain(f"the wanted state cannot be read, so the last one holds: {fault}")
            return
        match wanted.state:
            case WantedState.STOPPED:
                self.control.stop(f"stopped by {wanted.by}: {wanted.reason}")
            case WantedState.PAUSED:
                self.control.pause()
            case WantedState.RUNNING:
                self.control.resume()

    def _beat(self) -> None:
        self._next_beat_s = time.monotonic() + self._pace.beat_s
        heartbeat = Heartbeat(self._progress.snapshot(), self._host)
        try:
            self._write(heartbeat)
        except OSError as fault:
            self._complain(f"the heartbeat cannot be written: {fault}")
        else:
            self._complaints.clear()
        self._on_beat(heartbeat)

    def _write(self, heartbeat: Heartbeat) -> None:
        """Write it, unless a newer owner has: nobody must take the silence of this one for that one's."""
        newer = self._newer_owner(heartbeat)
        if newer is None:
            self._file.write(heartbeat)
        else:
            # An idle loop would find out only with its next commit.
            self._lost = newer
            self.control.stop(f"{newer.owner} has taken the stream over")

    def _newer_owner(self, own: Heartbeat) -> StreamLost | None:
        try:
            found = self._file.read()
        except ValueError:
            return None  # no heartbeat, whatever it is: this one takes its place
        if found is None or found.snapshot.epoch is None or own.snapshot.epoch is None:
            return None
        if found.snapshot.epoch <= own.snapshot.epoch:
            return None
        return StreamLost(self._file.uri, found.snapshot.owner, found.snapshot.epoch)

    def _complain(self, text: str) -> None:
        # Twice a second for as long as the store is away: once is enough.
        if text not in self._complaints:
            _LOG.warning("%s", text)
            self._complaints.add(text)

    def _leave_in_time(self) -> None:
        if not self.control.stopping or not self._worker.is_alive():
            return
        if self._stopping_since_s is None:
            self._stopping_since_s = time.monotonic()
        elif time.monotonic() - self._stopping_since_s > self._pace.leave_s:
            raise StreamStuckError(
                f"the stream did not leave within {self._pace.leave_s:g} s ({self.control.reason}); "
                "its process ends without it, and what it has not committed is read again by the next"
            )

    def _tell_the_end(self) -> None:
        snapshot = self._progress.snapshot()
        if snapshot.phase not in OVER:
            self._progress.turn(*self._end())
        self._beat()

    def _end(self) -> tuple[Phase, str]:
        if self._error is not None:
            return Phase.FAILED, f"{type(self._error).__name__}: {self._error}"
        if self._lost is not None:
            return Phase.LOST, str(self._lost)
        return Phase.STOPPED, self.control.reason


class _Interrupts:
    """SIGINT and SIGTERM within the block stop the stream and are kept; ``deliver`` lets the first take its course.

    However many come, none of them breaks into a commit or into the wait for it.
    """

    def __init__(self, control: Control) -> None:
        self._control = control
        self._numbers: list[int] = []
        self._before: dict[int, signal.Handlers | Callable[[int, FrameType | None], object] | int] = {}

    def __enter__(self) -> _Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._keep) or signal.SIG_DFL
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def deliver(self) -> None:
        if self._numbers:
            signal.raise_signal(self._numbers[0])

    def _keep(self, number: int, frame: FrameType | None) -> None:
        self._numbers.append(number)
        # Its lock may be held by the very line that was interrupted: it is one that its holder can take again.
        self._control.stop(f"interrupted by {signal.Signals(number).name}")
