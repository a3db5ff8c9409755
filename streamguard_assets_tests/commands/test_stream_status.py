"""The table of the streams: readable on a narrow terminal, and there also while the lake does not answer. No Kafka."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from streamguard_assets.commands import stream_status
from streamguard_assets.commands.exit_codes import NO_ANSWER, ExitCode
from streamguard_assets.commands.stream_status import live_table, status_readers, status_view
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.orchestration.storage import lake_location
from streamguard_assets.settings import Settings
from streamguard_assets.streaming.progress import Phase
from streamguard_assets.streaming.supervision.heartbeat import FILE, Heartbeat, HeartbeatFile
from streamguard_assets.streaming.supervision.wanted import WantedState, WantedTable
from streamguard_assets_tests.commands.conftest import Site
from streamguard_assets_tests.conftest import SettingsFactory
from streamguard_assets_tests.streaming.beats import beat

LONG_ERROR = "OSError: No space left on device while the newest micro-batch was written to the table of live events"


@pytest.fixture
def here(tmp_path: Path) -> Site:
    """A state folder whose Kafka is nowhere."""
    return Site(tmp_path / "state", "nowhere", "127.0.0.1:1")


@pytest.fixture
def location(here: Site) -> LakeLocation:
    return LakeLocation(str(here.state / "lake"))


@pytest.fixture
def settings(brokerless_settings: SettingsFactory, here: Site) -> Settings:
    return brokerless_settings(state_dir=here.state)


def busy(stream: str, phase: Phase) -> Heartbeat:
    """A heartbeat of this moment with a value, and a wide one, in every column."""
    now = datetime.now(UTC)
    told = beat(run_id="0a1b2c3d-e4f5", phase=phase)
    snapshot = replace(
        told.snapshot,
        stream=stream,
        at=now,
        turn_at=now,
        started_at=now,
        last_commit_at=now,
        lag_events=1_234_567_890,
        lag_s=86_400.5,
        events_per_s=123_456.7,
        events=9_876_543_210,
        rejected=123_456,
        late=123_456,
        commit_ms_p50=12_345.0,
        commit_ms_p99=123_456.0,
        latency_ms_p50=12_345.0,
        latency_ms_p99=123_456.0,
    )
    return Heartbeat(snapshot, replace(told.host, restarts=12, metrics="127.0.0.1:65535", last_error=LONG_ERROR))


def shown(settings: Settings, width: int) -> list[str]:
    out = Console(file=io.StringIO(), width=width, highlight=False)
    with out.capture() as capture:
        out.print(status_view(status_readers(settings), out))
    return capture.get().splitlines()


@pytest.fixture
def two_busy(settings: Settings) -> Settings:
    for stream, phase in (("security", Phase.RUNNING), ("transactions", Phase.WAITING_FOR_KAFKA)):
        HeartbeatFile(lake_location(settings), stream).write(busy(stream, phase))
    return settings


class TestWidth:
    @pytest.mark.parametrize("width", [80, 100, 132, 250])
    def test_a_stream_is_one_line_with_its_name_its_phase_its_lag_and_its_rate(
        self, two_busy: Settings, width: int
    ) -> None:
        header, *lines = shown(two_busy, width)
        assert {"stream", "does", "lag", "events/s"} <= set(header.split())
        for line, name, phase in zip(
            lines, ("security", "transactions"), ("running", "waiting_for_kafka"), strict=False
        ):
            words = line.split()
            assert words[0] == name
            assert {phase, "1234567890", "123456.7"} <= set(words)

    def test_what_matters_least_gives_way_first(self, two_busy: Settings) -> None:
        narrow, wide = shown(two_busy, 80)[0], shown(two_busy, 250)[0]
        assert "wanted" in narrow
        assert "latency" not in narrow
        assert "commit ms" not in narrow
        assert all(name in wide for name in ("latency ms", "commit ms", "runs as", "metrics", "last commit"))

    def test_the_last_error_stands_below_the_table_with_the_name_of_its_stream_and_whole_words(
        self, two_busy: Settings
    ) -> None:
        _, _, _, *below = shown(two_busy, 80)
        expected = " ".join(f"{stream}: last error: {LONG_ERROR}" for stream in ("security", "transactions"))
        assert " ".join(" ".join(below).split()) == expected
        assert max(map(len, below)) <= 80

    def test_every_field_is_in_the_json_of_a_narrow_terminal(
        self, two_busy: Settings, here: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("COLUMNS", "80")
        answer = here.run("stream", "status", "security", "--json")
        (record,) = answer.document
        told = busy("security", Phase.RUNNING)
        for field in ("lag_events", "events", "rejected", "late", "commit_ms_p99", "latency_ms_p99"):
            assert record[field] == getattr(told.snapshot, field)
        assert (record["last_error"], record["restarts"]) == (LONG_ERROR, 12)


def heartbeat_is_a_folder(location: LakeLocation) -> str:
    folder = Path(location.table("security", "live")) / FILE
    folder.mkdir(parents=True)
    return str(folder)


def newest_entry(location: LakeLocation) -> Path:
    return max((Path(location.table("security", "live/wanted")) / "_delta_log").glob("*.json"))


def wanted_is_junk(location: LakeLocation) -> str:
    table = WantedTable(location, "security")
    table.change(WantedState.RUNNING, by="ada", reason="because", now=datetime.now(UTC))
    newest_entry(location).write_text("junk")
    return table.uri


@pytest.mark.parametrize("harm", [heartbeat_is_a_folder, wanted_is_junk])
class TestFaultOfTheLake:
    def test_is_one_line_with_the_path_beside_the_other_streams(
        self, here: Site, location: LakeLocation, harm: Callable[[LakeLocation], str]
    ) -> None:
        path = harm(location)
        answer = here.run("stream", "status")
        assert answer.status == ExitCode.FAILED
        (line,) = answer.stderr.splitlines()
        assert line.startswith(f"error: {NO_ANSWER}: ")
        assert path in line
        assert [text.split()[0] for text in answer.stdout.splitlines()] == ["stream", "security", "transactions"]

    def test_is_null_in_the_json_and_told_as_the_last_error(
        self, here: Site, location: LakeLocation, harm: Callable[[LakeLocation], str]
    ) -> None:
        path = harm(location)
        answer = here.run("stream", "status", "--json")
        assert answer.status == ExitCode.FAILED
        security, transactions = answer.document
        assert path in security["last_error"]
        assert (security["wanted"], security["is_live"]) in ((None, False), ("stopped", None))
        assert (transactions["wanted"], transactions["last_error"]) == ("stopped", "")

    def test_ends_what_acts_on_the_answer(
        self, here: Site, location: LakeLocation, harm: Callable[[LakeLocation], str]
    ) -> None:
        path = harm(location)
        answer = here.run("stream", "run", "security")
        assert answer.status == ExitCode.FAILED
        (line,) = answer.stderr.splitlines()
        assert line.startswith(f"error: {NO_ANSWER}: ")
        assert path in line


class TestWatch:
    def test_it_goes_on_over_a_fault_and_shows_it_until_the_lake_answers_again(
        self, settings: Settings, location: LakeLocation
    ) -> None:
        wanted_is_junk(location)
        out = Console(file=io.StringIO(), width=200, highlight=False, force_terminal=True)
        with live_table(status_readers(settings), out) as show:
            faulty = written(out)
            assert f"security: {NO_ANSWER}: DeltaError" in faulty
            assert "transactions" in faulty
            newest_entry(location).unlink()
            WantedTable(location, "security").change(WantedState.PAUSED, by="ada", reason="", now=datetime.now(UTC))
            show()
            mended = written(out)
            assert "paused" in mended
            assert NO_ANSWER not in mended
            wanted_is_junk(location)
            show()
            assert NO_ANSWER in written(out)

    def test_it_ends_with_0_only_at_an_interrupt(
        self, here: Site, location: LakeLocation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        looks = 0

        def sleep(_: float) -> None:
            nonlocal looks
            looks += 1
            if looks == 3:
                raise KeyboardInterrupt

        monkeypatch.setattr(stream_status.time, "sleep", sleep)
        heartbeat_is_a_folder(location)
        answer = here.run("stream", "status", "--watch")
        assert (answer.status, looks) == (0, 3)
        assert NO_ANSWER in answer.stdout


def written(out: Console) -> str:
    """What the console has written since it was asked last."""
    assert isinstance(out.file, io.StringIO)
    text = out.file.getvalue()
    out.file.seek(0)
    out.file.truncate()
    return text


@pytest.mark.parametrize("command", [("view", "security"), ("stream", "reconcile", "security")])
def test_a_table_that_is_a_file_is_one_line_that_names_it(
    here: Site, location: LakeLocation, command: tuple[str, ...]
) -> None:
    events = Path(location.table("security", "live/events"))
    events.parent.mkdir(parents=True)
    events.touch()
    answer = here.run(*command)
    assert (answer.status, answer.stdout) == (ExitCode.FAILED, "")
    (line,) = answer.stderr.splitlines()
    assert line.startswith(f"error: {NO_ANSWER}: OSError: ")
    assert str(events) in line
