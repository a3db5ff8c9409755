"""``faulty_sinks SINK …``: small streams that the harness must tell apart, one of them right and the others wrong.

Each takes the arguments of ``chaos.victim`` and writes as much of the live tables as a verification reads. The wrong
ones make the classical mistakes; as long as nobody kills them, their tables are right.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError

from streamguard_assets.chaos.delta_log import STATE
from streamguard_assets.chaos.numbered_events import named_in
from streamguard_assets.chaos.orders import LOST, blow_of, parser
from streamguard_assets.processes.parent import die_with_parent
from streamguard_assets.settings import load_settings
from streamguard_assets.streaming.steps import OnStep, Step

SCHEMA = {"kafka_partition": pl.Int32, "kafka_offset": pl.Int64, "event_id": pl.String, "key": pl.Binary}
BATCH_RECORDS, BATCH_S = 5_000, 0.2
_EMPTY: dict[str, Any] = {
    "sequence": 0,
    "epoch": 0,
    "owner": "nobody",
    "topic_id": "",
    "kind": "take_over",
    "batch": None,
    "starts": {},
    "positions": {},
    "removed": {},
    "details": {},
}

State = Mapping[str, Any]


class LostError(Exception):
    """Another sink has the table; its name is the text."""


class Table:
    """A table whose every commit carries its state. ``fenced``: a commit lands only on the owner's own snapshot."""

    def __init__(self, folder: Path, *, fenced: bool) -> None:
        self._folder, self._fenced = folder, fenced

    def take_over(self, owner: str, starts: Mapping[str, int], rolled_back_to: Mapping[str, int] | None) -> State:
        """Become the owner; rows from ``rolled_back_to`` on are dropped first. Whoever comes last wins."""
        if not (self._folder / "_delta_log").exists():
            write_deltalake(self._folder, pl.DataFrame(schema=SCHEMA), mode="ignore")
        while True:
            table, state = self._current()
            positions = {**starts, **state["positions"]}
            new = {"owner": owner, "epoch": state["epoch"] + 1, "starts": starts, "positions": positions}
            try:
                state = self._write(table, state, pl.DataFrame(schema=SCHEMA), kind="take_over", batch=None, **new)
            except CommitFailedError:
                continue
            for partition, offset in (rolled_back_to or {}).items():
                DeltaTable(self._folder).delete(f"kafka_partition = {partition} AND kafka_offset >= {offset}")
            return state

    def append(self, own: State, rows: pl.DataFrame, batch: State) -> State:
        """One commit of rows and of the positions behind them. ``LostError`` when the fence holds."""
        while True:
            table, standing = self._current()
            if self._fenced and standing["epoch"] != own["epoch"]:
                raise LostError(standing["owner"])
            positions = {**own["positions"], **{p: high for p, (_, high) in batch["ranges"].items()}}
            before = standing if self._fenced else own
            try:
                return self._write(table, before, rows, kind="append", batch=batch, positions=positions)
            except CommitFailedError:
                if not self._fenced:
                    raise

    def _write(self, table: DeltaTable, before: State, rows: pl.DataFrame, **changes: Any) -> State:
        state = {**before, "sequence": before["sequence"] + 1, **changes}
        properties = CommitProperties(
            custom_metadata={STATE: json.dumps(state)}, max_commit_retries=0 if self._fenced else 50
        )
        write_deltalake(table, rows, mode="append", commit_properties=properties)
        return state

    def _current(self) -> tuple[DeltaTable, State]:
        """A snapshot, and the newest state up to it."""
        table = DeltaTable(self._folder)
        for version in range(table.version(), -1, -1):
            for line in (self._folder / "_delta_log" / f"{version:020d}.json").read_text().splitlines():
                info = json.loads(line).get("commitInfo", {})
                if STATE in info:
                    return table, json.loads(info[STATE])
        return table, _EMPTY


class Sink:
    """The right order: rejected rows, then rows and offsets in one commit, on one's own snapshot only."""

    fenced = True
    isolation = "read_committed"

    def __init__(self, live: Path, owner: str, on_step: OnStep) -> None:
        self.on_step = on_step
        self._live, self._owner = live, owner
        self._events = Table(live / "events", fenced=self.fenced)
        self._quarantine = Table(live / "quarantine", fenced=self.fenced)

    def run(self, consumer: Consumer, topic: str, partitions: int, stop: threading.Event) -> None:
        """Until ``stop``; ``LostError`` when another sink has taken over."""
        starts = {str(partition): 0 for partition in range(partitions)}
        self._state = self._events.take_over(self._owner, starts, None)
        at = dict(self.positions())
        self._rejected_state = self._quarantine.take_over(self._owner, starts, at)
        consumer.assign([TopicPartition(topic, int(p), offset) for p, offset in at.items()])
        while not stop.is_set():
            self.on_step(Step.BEFORE_READ)
            messages = consumer.consume(BATCH_RECORDS, BATCH_S)
            batch, good, bad = _batch(messages, at)
            if any(low < high for low, high in batch["ranges"].values()):
                self.on_step(Step.AFTER_READ)
                self.land(batch, good, bad)
                at = {p: high for p, (_, high) in batch["ranges"].items()}
                self.on_step(Step.AFTER_REPORT)

    def positions(self) -> Mapping[str, int]:
        """Where to go on."""
        return self._state["positions"]

    def land(self, batch: State, good: pl.DataFrame, bad: pl.DataFrame) -> None:
        """Put one micro-batch into the tables."""
        self.pass_step(Step.AFTER_WRITE, good)
        self.commit_rows(batch, good, bad)
        self.pass_step(Step.AFTER_COMMIT, good)

    def commit_rows(self, batch: State, good: pl.DataFrame, bad: pl.DataFrame) -> None:
        self._rejected_state = self._quarantine.append(self._rejected_state, bad, batch)
        self.pass_step(Step.AFTER_QUARANTINE, good)
        self._state = self._events.append(self._state, good, batch)

    def pass_step(self, step: Step, good: pl.DataFrame) -> None:
        """Counts only with rows in hand: a kill over a batch of mere holes would lose and double nothing."""
        if good.height:
            self.on_step(step)


class _OffsetsApart(Sink):
    """Offsets in a place of their own, as in a consumer group: two writes that a kill can part."""

    @property
    def _file(self) -> Path:
        return self._live / "offsets.json"

    def positions(self) -> Mapping[str, int]:
        return json.loads(self._file.read_text()) if self._file.exists() else super().positions()

    def commit_offsets(self, batch: State) -> None:
        draft = self._file.with_suffix(".new")
        draft.write_text(json.dumps({p: high for p, (_, high) in batch["ranges"].items()}))
        draft.replace(self._file)


class OffsetsFirst(_OffsetsApart):
    """At most once: a kill after the offsets and before the rows loses the rows."""

    def land(self, batch: State, good: pl.DataFrame, bad: pl.DataFrame) -> None:
        self.commit_offsets(batch)
        super().land(batch, good, bad)


class RowsFirst(_OffsetsApart):
    """At least once: a kill after the rows and before the offsets doubles the rows."""

    def land(self, batch: State, good: pl.DataFrame, bad: pl.DataFrame) -> None:
        super().land(batch, good, bad)
        self.commit_offsets(batch)


class Fenceless(Sink):
    """Exact alone. Frozen and woken beside its heir, it goes on where it was."""

    fenced = False


class Uncommitted(Sink):
    """Reads what no transaction has committed yet, and may never."""

    isolation = "read_uncommitted"


SINKS: dict[str, type[Sink]] = {
    "right": Sink,
    "offsets_first": OffsetsFirst,
    "rows_first": RowsFirst,
    "fenceless": Fenceless,
    "uncommitted": Uncommitted,
}


def main(arguments: Sequence[str] | None = None) -> int:
    words = parser("faulty_sinks", (__doc__ or "").splitlines()[0])
    words.add_argument("sink", choices=SINKS)
    options = words.parse_args(arguments)
    die_with_parent(options.parent)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    settings = load_settings()
    topic = settings.stream(options.stream).topic
    sink = SINKS[options.sink](Path(settings.lake_uri) / options.stream / "live", options.owner, blow_of(options))
    consumer = Consumer(
        {
            "bootstrap.servers": settings.kafka.bootstrap_servers,
            "group.id": "chaos-sink",
            "enable.auto.commit": False,
            "isolation.level": sink.isolation,
            "enable.partition.eof": True,
        }
    )
    try:
        sink.run(consumer, topic, len(consumer.list_topics(topic, 30).topics[topic].partitions), stop)
    except LostError as lost:
        print(f"lost: the stream belongs to {lost}", file=sys.stderr, flush=True)
        return LOST
    finally:
        consumer.close()
    return 0


def _batch(messages: list[Message], at: Mapping[str, int]) -> tuple[State, pl.DataFrame, pl.DataFrame]:
    """What ``messages`` cover from ``at`` on, and their good and bad records."""
    reached, seen = dict(at), {partition: set() for partition in at}
    records = []
    for message in messages:
        partition, offset, error = str(message.partition()), message.offset() or 0, message.error()
        if error is None:
            seen[partition].add(offset)
            records.append(message)
        elif error.code() != KafkaError._PARTITION_EOF:
            continue
        reached[partition] = max(reached[partition], offset + (error is None))
    ranges = {partition: (at[partition], high) for partition, high in reached.items()}
    holes = {p: [(o, o + 1) for o in range(low, high) if o not in seen[p]] for p, (low, high) in ranges.items()}
    rows = pl.DataFrame([_row(message) for message in records], schema={**SCHEMA, "is_good": pl.Boolean}, orient="row")
    good, bad = (rows.filter(pl.col("is_good") == wanted).drop("is_good") for wanted in (True, False))
    batch = {"ranges": ranges, "rows": good.height, "rejected": bad.height, "holes": holes, "gaps": {}}
    return batch, good, bad


def _row(message: Message) -> tuple[Any, ...]:
    key = message.key()
    event_id, is_good = named_in(key if isinstance(key, bytes) else None)
    return message.partition(), message.offset(), event_id, key, is_good


if __name__ == "__main__":
    sys.exit(main())
