"""``streamguard stream``: what is wanted of the long-lived run of a stream, how it is, and running it here."""

from __future__ import annotations

import getpass
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from streamguard_assets.commands.exit_codes import CommandError
from streamguard_assets.commands.machine import running_machine
from streamguard_assets.commands.output import (
    JsonOption,
    chosen_format,
    console,
    harmless,
    print_note,
    print_warning,
)
from streamguard_assets.commands.stream_care import reconcile
from streamguard_assets.commands.stream_status import print_status, status, status_readers
from streamguard_assets.commands.streams import now, opened, prepare_topics
from streamguard_assets.lake.errors import StreamLost
from streamguard_assets.orchestration.instance import dagster_instance
from streamguard_assets.orchestration.storage import lake_location
from streamguard_assets.settings import Settings, load_settings
from streamguard_assets.streaming.progress import Phase
from streamguard_assets.streaming.supervision.status import StreamStatus
from streamguard_assets.streaming.supervision.wanted import Wanted, WantedState, WantedTable

if TYPE_CHECKING:
    from streamguard_assets.streaming.supervision.heartbeat import Heartbeat

app = typer.Typer(
    help="The long-lived run of a stream: start, stop, pause, resume, status, run, reconcile.", no_args_is_help=True
)
app.command("status")(status)
app.command("reconcile")(reconcile)

POLL_INTERVAL_S = 0.3
"""How soon a state that another process writes is seen. The lake tells of it only when asked."""
START_TIMEOUT_S = 90.0
"""A daemon looks every five seconds, and a run needs some more until its first line; a loaded machine twice that."""
STOP_TIMEOUT_S = 45.0

StreamArgument = Annotated[str, typer.Argument(help="Name of the stream, for example security.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why, for those who ask later.")]
NoWaitOption = Annotated[bool, typer.Option("--no-wait", help="Return at once; `stream status` tells the rest.")]


@app.command()
def start(
    stream: StreamArgument, reason: ReasonOption = "", no_wait: NoWaitOption = False, as_json: JsonOption = False
) -> None:
    """Want a stream running, from now on and after every restart of the machine, and wait until it is.

    What was counted of failed starts counts no more. The supervisor of `streamguard up` does the rest.

    ```
    streamguard stream start security
    ```
    """
    settings = load_settings()
    _want(settings, stream, WantedState.RUNNING, reason or "stream start")
    if not no_wait:
        _warn_without_daemon(settings, stream)
        _wait(settings, stream, "to run", lambda found: found.is_running, START_TIMEOUT_S)
    _show(settings, stream, as_json)


@app.command()
def stop(
    stream: StreamArgument, reason: ReasonOption = "", no_wait: NoWaitOption = False, as_json: JsonOption = False
) -> None:
    """Want a stream stopped, for good, and wait until it is: it commits what it has in hand.

    ```
    streamguard stream stop security --reason "the topic moves"
    ```
    """
    settings = load_settings()
    _want(settings, stream, WantedState.STOPPED, reason or "stream stop")
    if not no_wait:
        _wait(settings, stream, "to stop", lambda found: not found.is_live, STOP_TIMEOUT_S)
    _show(settings, stream, as_json)


@app.command()
def pause(
    stream: StreamArgument, reason: ReasonOption = "", no_wait: NoWaitOption = False, as_json: JsonOption = False
) -> None:
    """Want a stream paused: it reads nothing, and goes on where it was after `stream resume`.

    ```
    streamguard stream pause security
    ```
    """
    settings = load_settings()
    _want(settings, stream, WantedState.PAUSED, reason or "stream pause")
    if not no_wait:
        _wait(settings, stream, "to pause", _has_paused, STOP_TIMEOUT_S)
    _show(settings, stream, as_json)


@app.command()
def resume(
    stream: StreamArgument, reason: ReasonOption = "", no_wait: NoWaitOption = False, as_json: JsonOption = False
) -> None:
    """Let a paused stream go on; the same as `stream start`.

    ```
    streamguard stream resume security
    ```
    """
    start(stream, reason or "stream resume", no_wait, as_json)


@app.command()
def run(stream: StreamArgument) -> None:
    """Run a stream in this terminal, without Dagster, until Ctrl-C or `stream stop`.

    It is wanted running meanwhile, and is what it was before afterwards, unless somebody asked for something else, or
    took the stream over. The supervisor leaves it alone. Missing topics are created on the local broker.

    ```
    streamguard stream run security
    ```
    """
    # Imported here: whoever starts, stops and looks streams nothing.
    from streamguard_assets.streaming.embedded.engine import run_stream
    from streamguard_assets.streaming.host import Place, host_stream, owner_name

    settings = load_settings()
    streamed = opened(settings, stream)
    _refuse_a_second(settings, stream)
    prepare_topics(settings)
    wanted = WantedTable(lake_location(settings), stream)
    before = wanted.current()
    own: Wanted | None = None
    with _interrupts_raise(), console.status(f"{stream} begins …") as line:

        def on_beat(heartbeat: Heartbeat) -> None:
            nonlocal own
            if wanted.current() == before and before.state is not WantedState.RUNNING:
                own = _want(settings, stream, WantedState.RUNNING, "stream run")
            line.update(harmless(_one_line(heartbeat)))

        try:
            host_stream(streamed, Place(owner_name()), run_stream, now=now, on_beat=on_beat)
        except StreamLost:
            own = None  # its new owner runs by what was asked for here: taking that back would stop it
            raise
        except KeyboardInterrupt:
            print_note(f"{stream} has stopped: what it read is committed")
        finally:
            # Only if nobody has asked for anything since, be it the same: that is a person's word, and stays.
            if own is not None and wanted.current() == own:
                _want(settings, stream, before.state, "stream run has ended")


def _want(settings: Settings, stream: str, state: WantedState, reason: str) -> Wanted:
    settings.stream(stream)
    return WantedTable(lake_location(settings), stream).change(state, by=_person(), reason=reason, now=now())


def _person() -> str:
    return f"{getpass.getuser()}@{socket.gethostname()}"


def _has_paused(found: StreamStatus) -> bool:
    return not found.is_live or found.phase == Phase.PAUSED


def _wait(
    settings: Settings, stream: str, what: str, is_so: Callable[[StreamStatus], bool], timeout_s: float
) -> StreamStatus:
    """Wait until ``is_so``; ``CommandError`` that says how it is instead."""
    (reader,) = status_readers(settings, stream)
    deadline, asked_at = time.monotonic() + timeout_s, now()
    with console.status(f"waiting for {stream} {what} …") as line:
        while not is_so(found := reader.read(now())):
            if time.monotonic() > deadline:
                raise CommandError(
                    f"{stream} was asked {what}, and after {timeout_s:g} s its state is {found.phase!r}"
                    f"{_since(found, asked_at)}; `streamguard stream status {stream}` tells when it does"
                )
            line.update(harmless(f"waiting for {stream} {what}; its state: {found.phase}{_since(found, asked_at)} …"))
            time.sleep(POLL_INTERVAL_S)  # another process has to act: what it tells can only be looked at
    return found


def _since(found: StreamStatus, asked_at: datetime) -> str:
    """What went wrong after ``asked_at``, or hides it, in brackets; nothing when nothing did."""
    heartbeat = found.heartbeat
    is_new = heartbeat is None or heartbeat.snapshot.at > asked_at
    return f" ({found.last_error})" if is_new and found.last_error else ""


def _warn_without_daemon(settings: Settings, stream: str) -> None:
    if running_machine(settings) is not None:
        return
    # Dagster takes a second to import, and may be run by other means than `up`.
    from streamguard_assets.orchestration.batches.daemon import queue_is_served

    with dagster_instance(settings) as instance:
        if not queue_is_served(instance, now()):
            print_warning(
                "no Dagster daemon runs, so nobody starts it: `streamguard up` starts the daemon, "
                f"`streamguard stream run {stream}` runs the stream in its own process"
            )


def _refuse_a_second(settings: Settings, stream: str) -> None:
    (reader,) = status_readers(settings, stream)
    found = reader.read(now())
    if found.is_live and found.heartbeat is not None:
        raise CommandError(
            f"{found.heartbeat.snapshot.owner} runs {stream} already; `streamguard stream stop {stream}` ends it"
        )


@contextmanager
def _interrupts_raise() -> Iterator[None]:
    """Ctrl-C and SIGTERM alike end the stream in order, also where a shell had them ignored (``command &``)."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _one_line(heartbeat: Heartbeat) -> str:
    told = heartbeat.snapshot
    return (
        f"{told.stream} is {told.phase}: {told.lag_events:,} events behind ({told.lag_s:.1f} s), "
        f"{told.events_per_s:,.0f} events/s, {told.events:,} events in {told.commits:,} commits · "
        f"metrics at {heartbeat.host.metrics}{' · ' + told.reason if told.reason else ''}"
    )


def _show(settings: Settings, stream: str, as_json: bool) -> None:
    (reader,) = status_readers(settings, stream)
    found = reader.read(now())
    print_status([found], chosen_format(as_json))
