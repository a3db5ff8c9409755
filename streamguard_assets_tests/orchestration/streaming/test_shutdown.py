"""Streams are interrupted before the services that run them are ended, and those of others are not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from streamguard_assets.orchestration.streaming.shutdown import end_streams
from streamguard_assets.processes.identity import ProcessIdentity
from streamguard_assets.processes.marker import marked, new_marker
from streamguard_assets.streaming.progress import Phase, StreamSnapshot
from streamguard_assets.streaming.supervision.heartbeat import Heartbeat, Host
from streamguard_assets_tests.orchestration.streaming.conftest import RigFactory
from streamguard_assets_tests.orchestration.streaming.rig import STREAM, Rig

MARKER = new_marker()


@contextmanager
def a_stream_process(marker: str) -> Iterator[subprocess.Popen[str]]:
    """It waits; an interrupt ends it, and it says so."""
    code = (
        "import signal, sys, threading; signal.signal(signal.SIGINT, lambda *_: sys.exit(print('interrupted'))); "
        "print('ready', flush=True); threading.Event().wait()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], env=marked(os.environ, marker), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.read().strip()


def beat(here: Rig, process: subprocess.Popen[str], phase: Phase = Phase.RUNNING, host: str | None = None) -> None:
    now = here.now()
    own = Host.current("0a1b", "a run")
    there = replace(own, process=ProcessIdentity.of(process.pid), host=host or own.host)
    here.heartbeats.write(Heartbeat(StreamSnapshot(STREAM, "a run", now, now, phase=phase), there))


def test_a_stream_of_ours_is_interrupted_and_waited_for(rig: RigFactory) -> None:
    here = rig()
    with a_stream_process(MARKER) as process:
        beat(here, process)
        end_streams(here.settings, MARKER)
        assert said(process) == "interrupted"


@pytest.mark.parametrize("case", ["of another owner", "of another machine", "over"])
def test_any_other_is_left_alone(rig: RigFactory, case: str) -> None:
    here = rig()
    with a_stream_process(new_marker() if case == "of another owner" else MARKER) as process:
        beat(
            here,
            process,
            phase=Phase.STOPPED if case == "over" else Phase.RUNNING,
            host="another" if case == "of another machine" else None,
        )
        end_streams(here.settings, MARKER)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert said(process) == "interrupted"  # it would have been before


def test_one_that_does_not_leave_is_not_waited_for_without_end(rig: RigFactory) -> None:
    here = rig()
    with a_stream_process(MARKER) as process:
        process.send_signal(signal.SIGSTOP)
        beat(here, process)
        end_streams(here.settings, MARKER, timeout_s=0.1)
        assert process.poll() is None


def test_where_nothing_ever_ran_there_is_nothing_to_do(rig: RigFactory) -> None:
    end_streams(rig().settings, MARKER)
