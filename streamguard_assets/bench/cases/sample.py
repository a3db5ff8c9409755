"""A thousand events by ``--max-events`` from a topic of a million: the read, and the way to training data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from streamguard_assets.bench.harness import Case, Figure, Limit
from streamguard_assets.bench.room import WINDOW, Bench
from streamguard_assets.bench.timing import seconds
from streamguard_assets.contracts.offsets import OffsetRange
from streamguard_assets.contracts.windows import window_start
from streamguard_assets.kafka.sampling import plan_sample, read_sample
from streamguard_assets.windows.derive import DERIVED
from streamguard_assets.windows.ingest import Ingest
from streamguard_assets.windows.sample import run_sample
from streamguard_assets.windows.stream import Stream
from streamguard_assets.windows.view import LedgerWindow

TOPIC_EVENTS, SAMPLE = 1_000_000, 1_000
READ_LIMIT_S, PIPELINE_LIMIT_S = 0.05, 0.3
PARTITIONS = 3


@contextmanager
def sample_speed(bench: Bench) -> Iterator[Sequence[Case]]:
    records = bench.records(TOPIC_EVENTS)
    bench.filled_topic("sample", records, PARTITIONS)
    stream = bench.stream("sample")
    folder = bench.folder / "sample-output"
    with _dagsters_share(bench) as beside:
        yield [
            Case(
                "sample_read",
                f"{SAMPLE:,} events by --max-events from a topic of {records:,}: plan and read",
                Figure("read", "s", lambda: seconds(lambda: _read(stream))),
                Limit(f"{READ_LIMIT_S * 1e3:g} ms", READ_LIMIT_S),
                "at_most",
                1.0,
            ),
            Case(
                "sample_pipeline",
                f"{SAMPLE:,} events from Kafka to training data, in a warm process without Dagster",
                Figure(
                    "read, parse, features, model, scores, files",
                    "s",
                    lambda: seconds(lambda: run_sample(stream, SAMPLE, "earliest", folder)),
                ),
                Limit(f"{PIPELINE_LIMIT_S * 1e3:g} ms", PIPELINE_LIMIT_S),
                "at_most",
                1.0,
                beside=beside,
            ),
        ]


@contextmanager
def _dagsters_share(bench: Bench) -> Iterator[tuple[Figure, Figure]]:
    """A window of as many events as a Dagster run, and by the same builders without it: the rest is Dagster's."""
    covered = bench.filled_topic("dagster", SAMPLE, PARTITIONS)
    stream = bench.stream("dagster")
    with bench.dagster.window_run(stream.settings) as run_in_dagster:
        run_in_dagster()  # the ledger is kept and every table made, for both
        yield (
            Figure(
                "all assets of such a window, one Dagster run in this process", "s", lambda: seconds(run_in_dagster)
            ),
            Figure(
                "all assets of such a window, without Dagster", "s", lambda: seconds(lambda: _build(stream, covered))
            ),
        )


def _read(stream: Stream) -> int:
    plan = plan_sample(stream.connection, stream.topic, SAMPLE, "earliest")
    read = sum(len(chunk) for chunk in read_sample(stream.connection, plan, with_keys=True))
    if read != SAMPLE:
        raise AssertionError(f"{SAMPLE} records were asked for and {read} were read")
    return read


def _build(stream: Stream, covered: OffsetRange) -> None:
    with Ingest(stream, "bench", window_start(WINDOW)) as ingest:
        ingest.window(LedgerWindow(WINDOW, covered, closed=True))
    for build in DERIVED.values():
        build(stream, WINDOW, "bench")
