"""The sign of life: what it says of the process, and when it counts no more."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.processes.identity import ProcessIdentity
from streamguard_assets.streaming.progress import Phase
from streamguard_assets.streaming.supervision.heartbeat import FILE, HeartbeatFile
from streamguard_assets_tests.streaming.beats import NOBODY, NOW, beat

STALE = timedelta(seconds=60)


@pytest.fixture
def file(tmp_path: Path) -> HeartbeatFile:
    return HeartbeatFile(LakeLocation(str(tmp_path)), "security")


def test_it_is_read_back_as_it_was_written_and_only_the_newest(file: HeartbeatFile, tmp_path: Path) -> None:
    assert file.read() is None
    file.write(beat("r1"))
    file.write(newest := beat("r2", phase=Phase.PAUSED))
    assert file.read() == newest
    assert [path.name for path in (tmp_path / "security" / "live").iterdir()] == [FILE]
    told = json.loads((tmp_path / "security" / "live" / FILE).read_text())
    assert told["host"]["process"]["pid"] == newest.host.process.pid


DAMAGES = [b"", b"{}", b"[]", b"\0" * 400, b'{"snapshot": {"stream": "\xff"}}']


@pytest.mark.parametrize("content", DAMAGES)
def test_something_else_in_its_place_is_told_and_not_guessed_at(
    file: HeartbeatFile, tmp_path: Path, content: bytes
) -> None:
    file.write(beat())
    (tmp_path / "security" / "live" / FILE).write_bytes(content)
    with pytest.raises(ValueError, match="not a heartbeat"):
        file.read()


@pytest.mark.parametrize("content", DAMAGES)
def test_a_damaged_file_is_no_sign_of_life_and_is_named(file: HeartbeatFile, tmp_path: Path, content: bytes) -> None:
    file.write(beat())
    (tmp_path / "security" / "live" / FILE).write_bytes(content)
    warnings: list[str] = []
    assert file.read_sound(warnings.append) is None
    (warning,) = warnings
    assert warning.startswith(f"{tmp_path}/security/live/{FILE} is not a heartbeat")
    file.write(newest := beat())
    assert file.read_sound(warnings.append) == newest
    assert warnings == [warning]


def test_what_its_errors_say_is_kept_without_their_colours(file: HeartbeatFile) -> None:
    colored = beat()
    coloured_reason = "DeltaError: \x1b[31mError during planning\x1b[0m\n  of the \x1b[1mplan"
    colored = replace(colored, snapshot=replace(colored.snapshot, reason=coloured_reason))
    file.write(replace(colored, host=replace(colored.host, last_error="\x1b[38;5;9moh\x1b[m")))
    found = file.read()
    assert found is not None
    assert found.snapshot.reason == "DeltaError: Error during planning\n  of the plan"
    assert found.host.last_error == "oh"


def test_colours_that_an_older_process_wrote_are_not_shown(file: HeartbeatFile, tmp_path: Path) -> None:
    file.write(replace(beat(), host=replace(beat().host, last_error="OH")))
    path = tmp_path / "security" / "live" / FILE
    path.write_text(path.read_text().replace("OH", r"\u001b[31moh\u001b[0m"))
    found = file.read()
    assert found is not None
    assert found.host.last_error == "oh"


@pytest.mark.parametrize(
    ("age_s", "turned_s", "is_stale"),
    [(1, 1, False), (60, 60, False), (60.1, 60.1, True), (1, 300, False), (1, 300.1, True)],
)
def test_it_is_stale_when_the_process_is_silent_or_its_loop_stands(
    age_s: float, turned_s: float, is_stale: bool
) -> None:
    assert beat(age_s=age_s, turned_s=turned_s).is_stale(NOW, STALE) is is_stale


def test_a_loop_that_has_not_come_round_yet_is_measured_from_the_start() -> None:
    young = beat()
    young = replace(young, snapshot=replace(young.snapshot, turn_at=None, started_at=NOW - timedelta(seconds=10)))
    assert not young.is_stale(NOW, STALE)
    old = replace(young, snapshot=replace(young.snapshot, started_at=NOW - timedelta(seconds=301)))
    assert old.is_stale(NOW, STALE)


@pytest.mark.parametrize("phase", Phase)
def test_it_is_live_until_it_says_that_it_is_over(phase: Phase) -> None:
    is_over = phase in {Phase.STOPPED, Phase.FAILED, Phase.LOST}
    assert beat(phase=phase).is_live(NOW, STALE) is not is_over


def test_a_process_of_this_machine_that_ended_is_gone_and_of_another_nobody_knows() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        identity = ProcessIdentity.of(process.pid)
        assert beat(process=identity).is_live(NOW, STALE)
        process.kill()
    assert not beat(process=identity).is_live(NOW, STALE)
    assert beat(process=NOBODY, host="another").is_live(NOW, STALE)
