"""The eight analyses in one warm process: against a limit, and against the same written by hand on local Spark."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from streamguard_assets.analytics.analyses.registry import ANALYSES
from streamguard_assets.analytics.analyses.report import run_analyses
from streamguard_assets.bench.harness import Case, Figure, Limit
from streamguard_assets.bench.room import Bench
from streamguard_assets.bench.timing import seconds
from streamguard_assets.bench.transactions import transaction_frame

TRANSACTIONS, LIMIT_S, TIMES_FASTER = 1_000_000, 2.0, 5.0


@contextmanager
def analyses_speed(bench: Bench) -> Iterator[Sequence[Case]]:
    rows = bench.records(TRANSACTIONS)
    events = transaction_frame(rows)
    path = bench.folder / "transactions.parquet"
    events.write_parquet(path)
    ours = Figure("eight analyses", "s", lambda: seconds(lambda: run_analyses(events.lazy(), ANALYSES.values())))
    with _warm_spark(bench, path) as spark_s:
        yield [
            Case(
                "analyses",
                f"the eight analyses of {rows:,} transactions, in memory",
                ours,
                Limit(f"{LIMIT_S:g} s", LIMIT_S),
                "at_most",
                1.0,
            ),
            Case(
                "analyses_spark",
                f"the eight analyses of {rows:,} transactions, here and by hand on local Spark",
                ours,
                Figure("the same on local Spark", "s", spark_s),
                "at_most",
                1.0 / TIMES_FASTER,
            ),
        ]


@contextmanager
def _warm_spark(bench: Bench, events: Path) -> Iterator[Callable[[], float]]:
    """How to ask a running Spark for one report; the seconds that it took."""
    program = "streamguard_assets.bench.programs.spark_report"
    command = [sys.executable, "-m", program, str(bench.folder), str(bench.base.jar_cache), str(events)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        asked, answers = process.stdin, process.stdout
        assert asked is not None
        assert answers is not None

        def answer() -> float:
            line = answers.readline()
            if not line:
                raise RuntimeError(f"the Spark of the bench ended with status {process.wait()}; it said why above")
            return float(line)

        def report() -> float:
            print(file=asked, flush=True)
            return answer()

        answer()
        try:
            yield report
        finally:
            asked.close()
