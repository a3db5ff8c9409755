"""The pre-commit hooks and the script of the checks name tools that the project pins."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).parents[2]
SCRIPT = REPOSITORY / ".ci" / "run"
COMMAND_PACKAGES: dict[str, str] = {"lint-imports": "import-linter"}


def pinned() -> set[str]:
    groups = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["dependency-groups"]
    return {pin.partition("==")[0].partition("[")[0] for pin in groups["dev"]}


def commands(text: str) -> set[str]:
    found: set[str] = set(re.findall(r"uv run ([\w-]+)", text))
    return {COMMAND_PACKAGES.get(command, command) for command in found} - {"streamguard"}


def test_hooks_are_local_and_run_pinned_tools() -> None:
    configuration = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text())
    hooks = [hook for repository in configuration["repos"] for hook in repository["hooks"]]

    assert {repository["repo"] for repository in configuration["repos"]} == {"local"}
    assert commands(" ".join(hook["entry"] for hook in hooks)) <= pinned()
    assert {hook["entry"].split()[2] for hook in hooks} == {"ruff", "pyright", "lint-imports"}


def test_the_script_is_executable_and_sound_bash() -> None:
    assert os.access(SCRIPT, os.X_OK)
    subprocess.run(["bash", "-n", str(SCRIPT)], check=True)


def test_the_script_runs_pinned_tools_and_stops_at_the_first_failure() -> None:
    text = SCRIPT.read_text()

    assert commands(text) <= pinned()
    assert {"ruff", "pyright", "import-linter", "pytest"} <= commands(text)
    assert "set -euo pipefail" in text
