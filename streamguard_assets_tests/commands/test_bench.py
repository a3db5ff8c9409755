"""``streamguard bench`` names its suites, refuses unknown ones, and says by its status when a target is missed."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from typer.testing import CliRunner

from streamguard_assets.bench import suites
from streamguard_assets.bench.harness import Case, Figure, Limit
from streamguard_assets.commands.bench import app


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory):
    monkeypatch.setenv("STREAMGUARD_STATE_DIR", str(tmp_path_factory.mktemp("state")))
    return lambda *arguments: CliRunner().invoke(app, arguments)


class OneCase:
    """A suite of one case that takes ``value`` seconds by its own word."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __call__(self, room: object) -> OneCase:
        return self

    def __enter__(self) -> Sequence[Case]:
        figure = Figure("ours", "s", lambda: self.value)
        return [Case("quick", "a case", figure, Limit("1 s", 1.0), "at_most", 1.0)]

    def __exit__(self, *_: object) -> None:
        return None


def test_suites_are_listed(run) -> None:
    assert json.loads(run("--list", "--json").stdout) == list(suites.SUITES)


def test_an_unknown_suite_is_a_usage_error(run) -> None:
    finished = run("--only", "fetaures")

    assert finished.exit_code == 2
    assert "no suite fetaures" in finished.stderr


def test_a_target_that_is_met_is_a_success(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(suites.SUITES, "quick", OneCase(0.5))

    finished = run("--only", "quick", "--json")

    assert finished.exit_code == 0
    assert json.loads(finished.stdout)["results"][0]["met"] is True


def test_a_target_that_is_missed_fails_and_is_named(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(suites.SUITES, "quick", OneCase(2.0))

    finished = run("--only", "quick")

    assert finished.exit_code == 1
    assert "target missed: quick" in finished.stderr
    assert "limit: 1 s" in finished.stdout


def test_fewer_than_five_repetitions_are_refused(run) -> None:
    assert run("--repetitions", "4").exit_code == 2
