"""Commands as a person calls them: a fresh process, and what it tells of itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from streamguard_assets.bench.room import Bench
from streamguard_assets.settings import CONFIG_VARIABLE, ENV_PREFIX

PARTITIONS = 3
TIMEOUT_S = 600


def told(bench: Bench, *arguments: str, servers: str | None = None) -> Any:
    """What the command says of itself; ``AssertionError`` with its words when it fails."""
    nothing = bench.folder / "no-settings.toml"
    nothing.touch()  # else a streamguard.toml in the working folder would count
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX)},
        CONFIG_VARIABLE: str(nothing),
        f"{ENV_PREFIX}STATE_DIR": str(bench.folder / "commands"),
        f"{ENV_PREFIX}KAFKA__TOPIC_PARTITIONS": str(PARTITIONS),
        **({f"{ENV_PREFIX}KAFKA__BOOTSTRAP_SERVERS": servers} if servers else {}),
    }
    program = [sys.executable, "-m", "streamguard_assets.cli", *arguments, "--json"]
    finished = subprocess.run(program, env=environment, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    if finished.returncode:
        raise AssertionError(finished.stderr.strip())
    return json.loads(finished.stdout)
