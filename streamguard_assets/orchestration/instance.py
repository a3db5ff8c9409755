"""The Dagster instance of the state folder: its home, its configuration and the environment of its processes."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from streamguard_assets.settings import Settings, environment_variable

if TYPE_CHECKING:
    from dagster import DagsterInstance

CONFIGURATION = "dagster.yaml"
_RELATIVE_HOME = re.compile(r"\.streamguard/dagster(/\w+)?")

_RUN_SLOTS = re.compile(r"(max_concurrent_runs: )(\d+)")
RUNS_PER_STREAM = 4
"""A long-lived stream run keeps its slot for ever, and the plan has up to three window runs under way."""


def run_slots(settings: Settings) -> int:
    """Runs that must be able to go on at once, so that batches never take the slot of a stream or a window."""
    return RUNS_PER_STREAM * len(settings.streams) + settings.batches.max_concurrent


def dagster_home(settings: Settings) -> Path:
    """The folder with the instance's configuration and storage; made, and its configuration written, when absent."""
    home = settings.state / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    target = home / CONFIGURATION
    # The file names folders relative to the checkout, for plain `dagster dev`; processes of `up` may run anywhere.
    text = _RELATIVE_HOME.sub(lambda folder: json.dumps(f"{home}{folder[1] or ''}"), _configuration_text())
    text = _RUN_SLOTS.sub(lambda usual: f"{usual[1]}{max(run_slots(settings), int(usual[2]))}", text)
    if not target.exists() or target.read_text() != text:
        # Beside and renamed: a daemon that starts now must not read half a file.
        beside = home / f".{CONFIGURATION}.{os.getpid()}"
        beside.write_text(text)
        beside.replace(target)
    return home


def process_environment(settings: Settings) -> dict[str, str]:
    """The environment for Dagster's processes: this one's, with absolute paths, since they may run elsewhere."""
    home = dagster_home(settings)
    return {
        **os.environ,
        "DAGSTER_HOME": str(home),
        environment_variable("state_dir"): str(settings.state),
        "DAGSTER_DISABLE_TELEMETRY": "yes",
        # Sensors and run processes write to a file: without this their lines arrive when the process ends.
        "PYTHONUNBUFFERED": "1",
    }


@contextmanager
def dagster_instance(settings: Settings) -> Iterator[DagsterInstance]:
    """The instance of the state folder, or the one that ``DAGSTER_HOME`` names when the user has set it."""
    from dagster import DagsterInstance  # takes a second; the commands that only start processes do not need it

    if "DAGSTER_HOME" in os.environ:
        with DagsterInstance.get() as instance:
            yield instance
        return
    with DagsterInstance.from_config(str(dagster_home(settings))) as instance:
        yield instance


def _configuration_text() -> str:
    """The instance's configuration; ``dagster.yaml`` beside the package is a link to the same file."""
    return (files("streamguard_assets.deploy") / CONFIGURATION).read_text()
