"""``streamguard view`` and ``stream reconcile``: what programs read, and how it ends. Neither asks Kafka."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from streamguard_assets.commands.stream_care import reconcile
from streamguard_assets_tests.commands.conftest import Answer, Site
from streamguard_assets_tests.conftest import SettingsFactory
from streamguard_assets_tests.streaming.reconciliation.test_reconcile import PLACE
from streamguard_assets_tests.streaming.two_paths import (
    START,
    TwoPaths,
    expected,
    instant_of,
    offsets_of,
    places,
    window_of,
)


@pytest.fixture
def here(tmp_path: Path) -> Site:
    """A state folder whose Kafka is nowhere."""
    return Site(tmp_path / "state", "nowhere", "127.0.0.1:1")


@pytest.fixture
def paths(brokerless_settings: SettingsFactory, here: Site) -> TwoPaths:
    """Two windows, and a stream that saw both and the next."""
    made = TwoPaths.of(brokerless_settings(state_dir=here.state))
    made.close(2)
    made.build(0, 1)
    made.stream_windows(0, 3)
    return made


def reconciled(here: Site, *arguments: str) -> Answer:
    app = typer.Typer()
    app.command()(reconcile)
    result = CliRunner().invoke(app, ["transactions", *arguments], env=here.variables)
    return Answer(result.exit_code, result.stdout, result.stderr)


class TestView:
    def test_the_newest_events_are_shown_in_their_order_from_windows_and_live_rows(
        self, here: Site, paths: TwoPaths
    ) -> None:
        answer = here.run("view", "transactions", "--limit", "1000", "--json")
        assert answer.status == 0, answer.stderr
        found = [(row["kafka_partition"], row["kafka_offset"]) for row in answer.document]
        assert sorted(found) == expected(map(offsets_of, range(3)))
        stamps = [row["event_timestamp"] for row in answer.document]
        assert stamps == sorted(stamps)
        assert {row["source"] for row in answer.document} == {"window", "live"}
        assert "offsets looked at: 60 in windows" in answer.stderr
        assert "30 more in the live table" in answer.stderr
        few = here.run("view", "transactions", "--limit", "2", "--json").document
        assert few == answer.document[-2:]

    def test_offsets_of_rejected_records_are_not_called_rows(
        self, here: Site, brokerless_settings: SettingsFactory
    ) -> None:
        made = TwoPaths.of(brokerless_settings(state_dir=here.state))
        made.stream_windows(0, 1)
        answer = here.run("view", "transactions", "--until", "2000-01-01", "--json")
        assert answer.document == []
        assert answer.stderr.startswith("0 events; offsets looked at: 0 in windows (version None), 30 more")
        assert "rejected records among them" in answer.stderr
        assert "rows" not in answer.stderr

    def test_bounds_are_event_times(self, here: Site, paths: TwoPaths) -> None:
        bounds = ["--since", "2026-01-30-21:00", "--until", "2026-01-30T22:00Z"]
        answer = here.run("view", "transactions", "--limit", "1000", "--csv", *bounds)
        rows = list(csv.DictReader(io.StringIO(answer.stdout)))
        found = sorted((int(row["kafka_partition"]), int(row["kafka_offset"])) for row in rows)
        assert found == expected([offsets_of(1)])
        assert instant_of(*found[0]) > START

    def test_a_stream_with_nothing_in_the_lake_says_so(self, here: Site) -> None:
        answer = here.run("view", "security", "--json")
        assert (answer.status, answer.document) == (0, [])
        assert "nothing is in the lake yet" in answer.stderr


class TestQuarantine:
    def test_rejected_records_that_only_the_stream_has_seen_are_listed_too(self, here: Site, paths: TwoPaths) -> None:
        answer = here.run("quarantine", "list", "transactions", "--json", "--limit", "100")
        assert answer.status == 0, answer.stderr
        found = {(row["kafka_partition"], row["kafka_offset"]): row["window"] for row in answer.document}
        assert sorted(found) == expected(map(offsets_of, range(3)), rejected=True)
        live = sorted(place for place, window in found.items() if window is None)
        assert live == expected([offsets_of(2)], rejected=True)
        partition, offset = live[0]
        shown = here.run("quarantine", "show", "transactions", str(partition), str(offset), "--json").document
        assert (shown["window"], shown["kafka_offset"]) == (None, offset)
        assert shown["value"]

    def test_of_one_window_are_those_that_it_holds(self, here: Site, paths: TwoPaths) -> None:
        answer = here.run("quarantine", "list", "transactions", "--window", window_of(1), "--json")
        assert {row["window"] for row in answer.document} == {window_of(1)}


class TestReconcile:
    def test_what_agrees_ends_with_0_and_removes_nothing_by_itself(self, here: Site, paths: TwoPaths) -> None:
        answer = reconciled(here, "--json")
        assert answer.status == 0, answer.stderr
        assert [row["verdict"] for row in answer.document] == ["same", "same"]
        assert places(paths.events.scan()) == expected(map(offsets_of, range(3)))

    def test_what_differs_ends_with_1_and_names_it(self, here: Site, paths: TwoPaths) -> None:
        paths.raw("live/events").delete(PLACE)
        answer = reconciled(here, "--json")
        assert answer.status == 1
        assert [row["finding"] for row in answer.document] == [None, "events: 1 missing in partition 0: 21"]

    def test_with_remove_what_is_proven_and_due_goes(self, here: Site, paths: TwoPaths) -> None:
        answer = reconciled(here, "--remove")
        assert answer.status == 0, answer.stderr
        assert f"removed {len(expected(map(offsets_of, range(2))))} events" in answer.stderr
        assert places(paths.events.scan()) == expected([offsets_of(2)])

    def test_a_stream_that_never_ran_has_nothing_to_compare(self, here: Site) -> None:
        answer = reconciled(here, "--json")
        assert (answer.status, answer.document) == (0, [])
        assert "nothing to compare" in answer.stderr


class TestCheck:
    def test_the_gate_in_ci_holds_live_rows_too(self, here: Site, paths: TwoPaths) -> None:
        good = here.run("check", "transactions", "--json")
        assert good.status == 0, good.stdout
        assert {row["check"]: row["result"] for row in good.document}["live_reconciliation"] == "ok"
        paths.raw("live/events").delete(PLACE)
        harmed = here.run("check", "transactions", "--json")
        assert harmed.status == 1
        (broken,) = [row for row in harmed.document if row["result"] == "FAILED"]
        assert broken["check"] == "live_reconciliation"
        assert "1 missing in partition 0: 21" in broken["findings"][0]
