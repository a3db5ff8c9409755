"""Blows on what keeps a wanted stream running: Dagster's daemon, its code server, the run, and all of a sudden both."""

from __future__ import annotations

import json
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

import psutil

from streamguard_assets.chaos.findings import Finding, Promise, PromiseBroken
from streamguard_assets.chaos.harness import Harness
from streamguard_assets.chaos.room import STREAM, Room
from streamguard_assets.chaos.rounds import Blow, Round
from streamguard_assets.chaos.standstill import FROZEN_S, standing_still
from streamguard_assets.processes.identity import ProcessIdentity

Found = Sequence[psutil.Process]

COMMAND_TIMEOUT_S = 300.0
SUPERVISION = {
    "restarts_per_hour": "10000",  # a run of blows is no fault of the stream: it must not be given up after some
    "restart_backoff_s": "0",  # nor be kept waiting for longer with each
    "stale_after_s": "10",
    "care_cron": "0 0 1 1 *",  # care shortens the dashboard's log, from which every step is computed again at the end
}
MOST_KILLS, WITHIN_S = 5, 600.0
"""``streamguard up`` rightly ends itself when a service ends more often than it can by bad luck."""

_DAEMON, _CODE_SERVER = "dagster._daemon", "code-server"
"""Words of the command lines by which the processes are found below ``streamguard up``."""
_KILLED = {Blow.KILL_DAEMON: _DAEMON, Blow.KILL_CODE_SERVER: _CODE_SERVER, Blow.REBOOT: _CODE_SERVER}
"""The service that a blow ends."""


def spared(rounds: Iterable[Round], clock_s: Callable[[], float] = time.monotonic) -> Iterator[Round]:
    """``rounds``; a kill of a service that was killed ``MOST_KILLS`` times in ``WITHIN_S`` becomes one of the run."""
    struck: dict[str, deque[float]] = {_DAEMON: deque(), _CODE_SERVER: deque()}
    for blow in rounds:
        kills = struck.get(_KILLED.get(blow.blow, ""), deque())
        now_s = clock_s()
        while kills and kills[0] < now_s - WITHIN_S:
            kills.popleft()
        if len(kills) < MOST_KILLS:
            kills.append(now_s)
            yield blow
        else:
            yield replace(blow, blow=Blow.KILL_RUN)


class Services:
    """``streamguard up`` with the stream wanted, for ``with``; ``deal`` strikes parts of it and waits for them."""

    def __init__(self, room: Room, harness: Harness) -> None:
        self._room = room
        self._harness = harness
        self._up: psutil.Process | None = None

    def __enter__(self) -> Self:
        try:
            self._up = psutil.Process(self._told("up", "--detach")["pid"])
            self._told("stream", "start", STREAM)
        except BaseException:
            self._told("down")
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._told("stream", "stop", STREAM)
        finally:
            self._told("down")

    def deal(self, blow: Round) -> None:
        """Strike what ``blow`` names while the stream commits; returns when all of it is back and commits again."""
        self._harness.wait_for_any_commit("before the blow")
        find = {
            Blow.KILL_DAEMON: lambda: self._parts(_DAEMON),
            Blow.KILL_CODE_SERVER: lambda: self._parts(_CODE_SERVER),
            Blow.KILL_RUN: self._runs,
            Blow.REBOOT: lambda: [*self._parts(_CODE_SERVER), *self._runs()],
            Blow.FREEZE_DAEMON: lambda: self._parts(_DAEMON),
            Blow.FREEZE_CODE_SERVER: lambda: self._parts(_CODE_SERVER),
            Blow.FREEZE_RUN: self._runs,
        }[blow.blow]
        strike = {
            Blow.FREEZE_DAEMON: self._freeze_for_a_while,
            Blow.FREEZE_CODE_SERVER: self._freeze_for_a_while,
            Blow.FREEZE_RUN: self._freeze_for_good,
        }.get(blow.blow, self._kill)
        struck = find()
        if not struck:
            text = f"{blow}: nothing of the kind runs"
            raise PromiseBroken([Finding(Promise.PROGRESS, text)])
        strike(blow, struck, find)
        self._harness.wait_for_any_commit(f"after {blow}")
        self._expect_one_run(blow)

    def _kill(self, blow: Round, struck: Found, find: Callable[[], Found]) -> None:
        for process in struck:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._harness.note_blow(blow.blow)
        self._wait_for_others(blow, struck, find)

    def _freeze_for_a_while(self, blow: Round, struck: Found, find: Callable[[], Found]) -> None:
        """The stream needs neither daemon nor code server to go on, and both go on where they were."""
        with standing_still(struck):
            thaw_at_s = time.monotonic() + FROZEN_S
            self._harness.note_blow(blow.blow)
            self._harness.wait_until(lambda: time.monotonic() > thaw_at_s, "time to pass")
            self._harness.wait_for_any_commit(f"in {blow}, while it stands still")
        if not set(struck) <= set(find()):
            text = f"{blow}: what had stood still did not go on"
            raise PromiseBroken([Finding(Promise.PROGRESS, text)])

    def _freeze_for_good(self, blow: Round, struck: Found, find: Callable[[], Found]) -> None:
        """A run that is silent for too long is ended by the supervisor, and another one follows."""
        with standing_still(struck):
            self._harness.note_blow(blow.blow)
            self._wait_for_others(blow, struck, find)

    def _wait_for_others(self, blow: Round, struck: Found, find: Callable[[], Found]) -> None:
        self._harness.wait_until(lambda: _are_back(struck, find), f"others in the place of what was struck in {blow}")

    def _expect_one_run(self, blow: Round) -> None:
        """A stream that is restarted while it lives would be fenced, and the wrong one might be shown."""
        found = self._told("stream", "status", STREAM)[0]
        if not found["is_live"]:
            text = f"after {blow} the stream commits, and its status says: {json.dumps(found)}"
            raise PromiseBroken([Finding(Promise.PROGRESS, text)])

    def _parts(self, word: str) -> Found:
        """The processes below ``up`` whose command line has ``word``, with what they started that is no run."""
        assert self._up is not None
        try:
            below = self._up.children(recursive=True)
        except psutil.NoSuchProcess:
            text = f"`streamguard up` has ended; see {self._room.logs / 'up.log'}"
            raise PromiseBroken([Finding(Promise.PROGRESS, text)]) from None
        return [process for process in below if word in _words(process)]

    def _runs(self) -> Found:
        """The process of the stream, by its own sign of life."""
        heartbeat = self._room.live / "_heartbeat.json"
        if not heartbeat.exists():
            return []
        process = ProcessIdentity(**json.loads(heartbeat.read_text())["host"]["process"]).process()
        return [] if process is None else [process]

    def _told(self, *arguments: str) -> Any:
        """What a command says of itself; ``PromiseBroken`` with its words when it fails."""
        finished = subprocess.run(
            self._room.python("streamguard_assets.cli", *arguments, "--json"),
            env=self._room.environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_TIMEOUT_S,
        )
        if finished.returncode:
            text = f"streamguard {' '.join(arguments)} failed: {finished.stderr.strip()}"
            raise PromiseBroken([Finding(Promise.PROGRESS, text)])
        return json.loads(finished.stdout)


def _are_back(struck: Found, find: Callable[[], Found]) -> bool:
    """Whether processes of the kind run that are none of those that were killed."""
    there = find()
    return bool(there) and not any(process in struck for process in there)


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []
