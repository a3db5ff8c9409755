"""A process whose heartbeat cannot be written is asked itself, and believed only if it is the same."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.settings import StreamingSettings
from streamguard_assets.streaming.metrics import served_metrics
from streamguard_assets.streaming.progress import Phase, StreamSnapshot
from streamguard_assets.streaming.supervision.heartbeat import FILE, Heartbeat, HeartbeatFile
from streamguard_assets.streaming.supervision.sign_of_life import last_sign
from streamguard_assets_tests.streaming.beats import NOW, ago, beat

STALE = timedelta(seconds=60)
SETTINGS = StreamingSettings.model_validate({})


@pytest.fixture
def file(tmp_path: Path) -> HeartbeatFile:
    return HeartbeatFile(LakeLocation(str(tmp_path)), "security")


@pytest.fixture
def serving() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def served(stack: ExitStack, heartbeat: Heartbeat, answer: StreamSnapshot) -> Heartbeat:
    """``heartbeat`` of a process whose metrics tell of ``answer``."""
    address = stack.enter_context(served_metrics(SETTINGS, lambda: answer))
    return replace(heartbeat, host=replace(heartbeat.host, metrics=address))


def sign(file: HeartbeatFile, at: datetime = NOW) -> Heartbeat | None:
    """The last sign of life of a file that is sound."""
    return last_sign(file, at, STALE, pytest.fail)


def is_stale(file: HeartbeatFile, at: datetime = NOW) -> bool:
    found = sign(file, at)
    assert found is not None
    return found.is_stale(at, STALE)


def test_a_stream_that_waits_for_its_lake_is_heard(file: HeartbeatFile, serving: ExitStack) -> None:
    late = beat(age_s=500)
    waiting = replace(late.snapshot, phase=Phase.WAITING_FOR_LAKE, turn_at=ago(20))
    file.write(served(serving, late, waiting))
    found = sign(file)
    assert found is not None
    assert (found.snapshot.at, found.snapshot.turn_at) == (NOW, ago(20))
    assert not found.is_stale(NOW, STALE)


def test_a_loop_that_hangs_is_found_out_all_the_same(file: HeartbeatFile, serving: ExitStack) -> None:
    late = beat(age_s=500)
    file.write(served(serving, late, replace(late.snapshot, turn_at=ago(400))))
    assert is_stale(file)


def test_another_process_at_the_same_address_is_not_believed(file: HeartbeatFile, serving: ExitStack) -> None:
    late = beat(age_s=500)
    other = replace(late.snapshot, started_at=ago(5), turn_at=ago(1))
    file.write(served(serving, late, other))
    assert is_stale(file)


def test_silence_stays_silence(file: HeartbeatFile) -> None:
    assert sign(file) is None
    late = beat(age_s=500)
    file.write(late)
    assert is_stale(file)
    with socket.socket() as deaf:  # as one that is stopped: the system accepts, and nobody answers
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        address = f"127.0.0.1:{deaf.getsockname()[1]}"
        file.write(replace(late, host=replace(late.host, metrics=address)))
        assert is_stale(file)


def test_nobody_is_asked_while_the_heartbeat_is_fresh_or_the_stream_is_over(file: HeartbeatFile) -> None:
    for heartbeat in (beat(), beat(age_s=500, phase=Phase.STOPPED)):
        nowhere = replace(heartbeat, host=replace(heartbeat.host, metrics="256.0.0.1:1"))
        file.write(nowhere)
        assert sign(file) == nowhere


def test_a_damaged_heartbeat_is_none_and_is_told(file: HeartbeatFile, tmp_path: Path) -> None:
    file.write(beat())
    (tmp_path / "security" / "live" / FILE).write_bytes(b"")
    warnings: list[str] = []
    assert last_sign(file, NOW, STALE, warnings.append) is None
    assert FILE in warnings[0]
