"""The command line as a whole: every command is listed, teaches by its help, and costs only what it needs."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup
from typer.testing import CliRunner

from streamguard_assets import cli
from streamguard_assets.commands.exit_codes import CommandError
from streamguard_assets.commands.lazy import LazyCommand
from streamguard_assets_tests.conftest import REPOSITORY

LAZY = cli.Commands.commands_by_name
FENCE = "```"
HEAVY = ("dagster", "polars", "pyarrow", "deltalake", "duckdb", "sklearn", "skops", "matplotlib", "pandas", "pyspark")
WIDTH = 120


def _help(*command: str) -> str:
    result = CliRunner().invoke(cli.app, [*command, "--help"], env={"COLUMNS": str(WIDTH)})
    assert result.exit_code == 0, result.output
    return result.stdout


def _paths() -> list[tuple[str, ...]]:
    """Every command, as it is typed."""
    found: list[tuple[str, ...]] = []
    for name in LAZY:
        loaded = _group().loaded(name)
        found.append((name,))
        if isinstance(loaded, TyperGroup):
            found.extend((name, inner) for inner in loaded.commands)
    return found


def _group() -> cli.Commands:
    group = typer.main.get_command(cli.app)
    assert isinstance(group, cli.Commands)
    return group


def _docstring(path: tuple[str, ...]) -> str:
    command = _group().loaded(path[0])
    if len(path) == 2:
        command = command.commands[path[1]]
    return inspect.cleandoc(command.help or "")


def _example_lines(text: str) -> list[str]:
    fenced = text.split(FENCE)[1::2]
    return [line.strip() for block in fenced for line in block.splitlines() if line.strip()]


class TestHelp:
    def test_it_lists_every_command_in_one_line_each(self) -> None:
        lines = _help().splitlines()
        for name, command in LAZY.items():
            (line,) = [line for line in lines if line.startswith(f"│ {name} ")]
            assert command.summary.replace("`", "") in line

    @pytest.mark.parametrize("path", _paths(), ids=" ".join)
    def test_examples_stand_as_lines_of_their_own(self, path: tuple[str, ...]) -> None:
        shown = _help(*path)
        lines = [line.strip() for line in shown.splitlines()]
        for example in _example_lines(_docstring(path)):
            assert example in lines
        assert FENCE not in shown
        assert "\b" not in shown

    @pytest.mark.parametrize("name", [n for n in LAZY if n not in {"down", "kafka", "lake", "quarantine", "bench"}])
    def test_every_command_that_takes_options_shows_an_example(self, name: str) -> None:
        assert f"streamguard {name}" in _help(name)

    def test_a_word_that_is_no_command_ends_with_2_and_the_nearest_one(self) -> None:
        result = CliRunner().invoke(cli.app, ["materialise"])
        assert (result.exit_code, result.stdout) == (2, "")
        assert "materialize" in result.stderr


class TestImports:
    @staticmethod
    def loaded_by(statement: str, folder: Path) -> set[str]:
        """Which heavy libraries are in a new process after ``statement``."""
        report = f"print(*(m for m in {HEAVY!r} if m in sys.modules), file=sys.stderr)"
        result = subprocess.run(
            [sys.executable, "-c", f"import sys\n{statement}\n{report}"],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=folder,
            check=True,
        )
        return set(result.stderr.split())

    @pytest.mark.parametrize("arguments", [["--help"], ["version"], ["config", "broker.port"], ["kafka", "status"]])
    def test_a_small_command_loads_nothing_heavy(self, arguments: list[str], tmp_path: Path) -> None:
        call = f"from streamguard_assets.cli import app\ntry:\n    app({arguments!r})\nexcept SystemExit: pass"
        assert self.loaded_by(call, tmp_path) == set()

    def test_a_question_to_the_lake_loads_no_dagster_and_no_model(self, tmp_path: Path) -> None:
        call = "from streamguard_assets.cli import app\ntry:\n    app(['lake', 'tables'])\nexcept SystemExit: pass"
        assert self.loaded_by(call, tmp_path) & {"dagster", "sklearn", "skops", "matplotlib", "pyspark"} == set()


class TestErrors:
    """Every command's expected errors end in one place."""

    @pytest.fixture
    def failing(self, monkeypatch: pytest.MonkeyPatch):
        def plant(error: Exception) -> int:
            def fail() -> None:
                raise error

            monkeypatch.setattr(LazyCommand, "load", lambda self: fail)
            result = CliRunner().invoke(cli.app, ["windows"], catch_exceptions=False)
            assert (result.stdout, result.stderr) == ("", f"error: {error}\n")
            return result.exit_code

        return plant

    def test_an_expected_error_is_a_text_and_a_status(self, failing) -> None:
        assert failing(CommandError("no such window")) == 1

    def test_a_defect_keeps_its_traceback(self, failing) -> None:
        with pytest.raises(ZeroDivisionError):
            failing(ZeroDivisionError())


def test_the_readme_names_every_command() -> None:
    text = (REPOSITORY / "README.md").read_text()
    assert [name for name in [*LAZY, "version"] if f"`{name}" not in text] == []
