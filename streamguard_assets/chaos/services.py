"""Blows on what keeps a wanted stream running: Dagster's daemon, its code server, the run, and all of a sudden both."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

import psutil

from streamguard_assets.chaos.findings import Finding, Promise, PromiseBroken
from streamguard_assets.chaos.harness import Harness
from streamguard_assets.chaos.room import STREAM, Room
from streamguard_assets.chaos.rounds import Blow, Round

COMMAND_TIMEOUT_S = 300.0
SUPERVISION = {"restarts_per_hour": "10000", "restart_backoff_s": "0.5", "stale_after_s": "10"}
"""A run of blows is no fault of the stream: it must not be given up after some of them."""

_DAEMON, _CODE_SERVER = "dagster._daemon", "code-server"
"""Words of the command lines by which the processes are found below ``streamguard up``."""


class Services:
    """``streamguard up`` with the stream wanted, for ``with``; ``deal`` kills parts of it and waits for them."""

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
        """Kill what ``blow`` names while the stream commits; returns when all of it is back and commits again."""
        self._harness.wait_for_any_commit("before the blow")
        find = {
            Blow.KILL_DAEMON: lambda: self._parts(_DAEMON),
            Blow.KILL_CODE_SERVER: lambda: self._parts(_CODE_SERVER),
            Blow.KILL_RUN: self._runs,
            Blow.REBOOT: lambda: [*self._parts(_CODE_SERVER), *self._runs()],
        }[blow.blow]
        struck = find()
        if not struck:
            text = f"{blow}: nothing of the kind runs"
            raise PromiseBroken([Finding(Promise.PROGRESS, text)])
        for process in struck:
            _kill(process)
        self._harness.note_blow(blow.blow)
        self._harness.wait_until(lambda: _are_back(struck, find), f"what was killed to be back after {blow}")
        self._harness.wait_for_any_commit(f"after {blow}")
        self._expect_one_run(blow)

    def _expect_one_run(self, blow: Round) -> None:
        """A stream that is restarted while it lives would be fenced, and the wrong one might be shown."""
        found = self._told("stream", "status", STREAM)[0]
        if not found["is_live"]:
            text = f"after {blow} the stream commits, and its status says: {json.dumps(found)}"
            raise PromiseBroken([Finding(Promise.PROGRESS, text)])

    def _parts(self, word: str) -> Sequence[psutil.Process]:
        """The processes below ``up`` whose command line has ``word``, with what they started that is no run."""
        assert self._up is not None
        return [process for process in self._up.children(recursive=True) if word in _words(process)]

    def _runs(self) -> Sequence[psutil.Process]:
        """The process of the stream, by its own sign of life."""
        heartbeat = self._room.live / "_heartbeat.json"
        if not heartbeat.exists():
            return []
        pid = json.loads(heartbeat.read_text())["host"]["process"]["pid"]
        return [psutil.Process(pid)] if psutil.pid_exists(pid) else []

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


def _are_back(struck: Sequence[psutil.Process], find: Callable[[], Sequence[psutil.Process]]) -> bool:
    """Whether processes of the kind run that are none of those that were killed."""
    there = find()
    return bool(there) and not any(process in struck for process in there)


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []
