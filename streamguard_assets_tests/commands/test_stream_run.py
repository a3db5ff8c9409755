"""What ``stream run`` asks for and takes back, and the commands beside a damaged heartbeat; no broker, no real loop."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from streamguard_assets.commands import stream as commands
from streamguard_assets.commands.exit_codes import ExitCode
from streamguard_assets.lake.errors import StreamLost
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.streaming import host
from streamguard_assets.streaming.progress import StreamSnapshot
from streamguard_assets.streaming.supervision.heartbeat import FILE, Heartbeat, Host
from streamguard_assets.streaming.supervision.wanted import NEVER_ASKED, Wanted, WantedState, WantedTable
from streamguard_assets_tests.commands.conftest import Site

Meanwhile = Callable[[], object]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Nobody listens at its address: a command that asks Kafka fails."""
    return Site(tmp_path / "state", "nowhere", "127.0.0.1:9")


@pytest.fixture
def wanted(site: Site) -> WantedTable:
    return WantedTable(LakeLocation(str(site.state / "lake")), "security")


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Callable[[Meanwhile], None]:
    """``loop(meanwhile)``: in place of the stream: two beats, with ``meanwhile`` between them."""

    def install(meanwhile: Meanwhile) -> None:
        def host_stream(*_: Any, on_beat: Callable[[Heartbeat], None], **__: Any) -> None:
            now = datetime.now(UTC)
            beat = Heartbeat(StreamSnapshot("security", "me", now, now), Host.current("0a1b"))
            on_beat(beat)
            meanwhile()
            on_beat(beat)

        monkeypatch.setattr(host, "host_stream", host_stream)

    return install


def ask(table: WantedTable, state: WantedState) -> Wanted:
    return table.change(state, by="ada", reason="the test", now=datetime.now(UTC))


@pytest.mark.parametrize("before", [None, WantedState.STOPPED, WantedState.PAUSED, WantedState.RUNNING])
def test_what_was_wanted_before_is_wanted_again_afterwards(
    site: Site, wanted: WantedTable, loop: Callable[[Meanwhile], None], before: WantedState | None
) -> None:
    earlier = NEVER_ASKED if before is None else ask(wanted, before)
    during: list[WantedState] = []
    loop(lambda: during.append(wanted.current().state))
    assert site.run("stream", "run", "security").status == 0
    assert during == [WantedState.RUNNING]
    assert wanted.current().state is earlier.state


def test_it_is_taken_back_too_when_the_stream_is_interrupted_or_fails(
    site: Site, wanted: WantedTable, loop: Callable[[Meanwhile], None]
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    loop(interrupt)
    assert site.run("stream", "run", "security").status == 0
    assert wanted.current().reason == "stream run has ended"
    ask(wanted, WantedState.PAUSED)

    def fail() -> None:
        raise RuntimeError("the disk is full")

    loop(fail)
    with pytest.raises(RuntimeError, match="the disk is full"):
        site.run("stream", "run", "security")
    assert wanted.current().state is WantedState.PAUSED


@pytest.mark.parametrize("state", WantedState)
def test_what_somebody_asks_for_meanwhile_stands(
    site: Site, wanted: WantedTable, loop: Callable[[Meanwhile], None], state: WantedState
) -> None:
    asked: list[Wanted] = []
    loop(lambda: asked.append(ask(wanted, state)))
    assert site.run("stream", "run", "security").status == 0
    assert [wanted.current()] == asked


def test_who_loses_the_stream_does_not_stop_its_new_owner(
    site: Site, wanted: WantedTable, loop: Callable[[Meanwhile], None]
) -> None:
    def lose() -> None:
        raise StreamLost("live/events", "the other", 2)

    loop(lose)
    answer = site.run("stream", "run", "security")
    assert answer.status == ExitCode.FAILED
    assert "the other has taken the stream over" in answer.stderr
    assert (wanted.current().state, wanted.current().reason) == (WantedState.RUNNING, "stream run")


def test_its_topics_are_prepared_before_it_is_wanted(
    site: Site, wanted: WantedTable, loop: Callable[[Meanwhile], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Path, Wanted]] = []
    monkeypatch.setattr(
        commands, "prepare_topics", lambda settings: seen.append((settings.state_dir, wanted.current()))
    )
    loop(lambda: None)
    assert site.run("stream", "run", "security").status == 0
    assert seen == [(site.state, NEVER_ASKED)]


@pytest.mark.parametrize("content", [b"", b"{}"])
def test_a_damaged_heartbeat_is_shown_and_fails_no_command(
    site: Site, wanted: WantedTable, loop: Callable[[Meanwhile], None], content: bytes
) -> None:
    path = site.state / "lake" / "security" / "live" / FILE
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    answer = site.run("stream", "status", "--json")
    assert answer.status == 0, answer.stderr
    by_name = {record["stream"]: record for record in answer.document}
    assert (by_name["security"]["phase"], by_name["security"]["is_live"]) == ("silent", False)
    assert str(path) in by_name["security"]["last_error"]
    assert by_name["transactions"]["last_error"] == ""
    assert FILE in site.run("stream", "status").stdout
    for command in ("start", "pause", "resume", "stop"):
        assert site.run("stream", command, "security", "--no-wait").status == 0
    loop(lambda: None)
    assert site.run("stream", "run", "security").status == 0


def test_a_start_that_waits_in_vain_names_the_damaged_file(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "START_TIMEOUT_S", 0.0)
    path = site.state / "lake" / "security" / "live" / FILE
    path.parent.mkdir(parents=True)
    path.touch()
    answer = site.run("stream", "start", "security")
    assert answer.status == ExitCode.FAILED
    assert f"{path} is not a heartbeat" in answer.stderr
