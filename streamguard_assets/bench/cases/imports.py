"""What loading the definitions costs a fresh process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from streamguard_assets.bench.harness import Case, Figure, Limit
from streamguard_assets.bench.room import Bench

IMPORT_LIMIT_S = 2.5
PROGRAM = """
import sys, time
began = time.perf_counter()
import {module}
took = time.perf_counter() - began
heavy = [name for name in ("pyspark", "py4j") if name in sys.modules]
if heavy:
    raise SystemExit("{module} imports " + ", ".join(heavy))
print(took)
"""


@contextmanager
def import_time(bench: Bench) -> Iterator[Sequence[Case]]:
    environment = {**os.environ, "STREAMGUARD_STATE_DIR": str(bench.folder / "import")}
    yield [
        Case(
            "import_definitions",
            "import streamguard_assets.definitions in a fresh process; an import of Spark would fail it",
            Figure("import", "s", lambda: _import_s("streamguard_assets.definitions", environment)),
            Limit(f"{IMPORT_LIMIT_S:g} s", IMPORT_LIMIT_S),
            "at_most",
            1.0,
            beside=(Figure("import dagster alone", "s", lambda: _import_s("dagster", environment)),),
        )
    ]


def _import_s(module: str, environment: dict[str, str]) -> float:
    program = [sys.executable, "-c", PROGRAM.format(module=module)]
    finished = subprocess.run(program, env=environment, capture_output=True, text=True, check=False, timeout=120)
    if finished.returncode:
        raise AssertionError(finished.stderr.strip())
    return float(finished.stdout)
