"""A window of the log becomes rows exactly once, or nothing is committed and the error says why."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from streamguard_assets.contracts.offsets import PartitionReceipt, ReadReceipt
from streamguard_assets.engines.polars.parsing import ParsedChunk, parse_records
from streamguard_assets.kafka.chunks import RawChunk
from streamguard_assets.kafka.errors import RetentionGap, TopicRecreated
from streamguard_assets.kafka.offsets import epoch_ms
from streamguard_assets.kafka.reader import RangeRead
from streamguard_assets.lake.quarantine import QuarantineStager
from streamguard_assets.lake.staging import FileStager
from streamguard_assets.windows import reading
from streamguard_assets.windows.conservation import ConservationError
from streamguard_assets.windows.gaps import acknowledge_gap, lost_offsets, unreachable_windows
from streamguard_assets.windows.ingest import Ingest
from streamguard_assets_tests.conftest import TopicFactory
from streamguard_assets_tests.contracts.records import record
from streamguard_assets_tests.waiting import wait_until
from streamguard_assets_tests.windows.conftest import RigFactory
from streamguard_assets_tests.windows.rig import Rig, at, consume, event, key, replaced

pytestmark = [pytest.mark.broker]

BAD_RECORDS = {
    "not json": b"{not json \xff",
    "empty": b"",
    "tombstone": None,
    "schema registry": b"\x00\x00\x00\x00\x07{}",
    "wrong type": record(user=7),
    "missing": record(event_id=...),
    "bare text": b'"text"',
}
WORKERS: list[dict[str, Any]] = [
    {"workers": 1},
    {"workers": 2, "parallel_from_records": 10, "file_rows": 1_000, "chunk_records": 7},
]


def test_the_rows_of_a_window_are_its_records(rig: Rig) -> None:
    rig.produce([event(1), event(2, event_type="file_access", new="field")], hour=0)
    rig.produce([event(3)], hour=0, partition=1)
    rig.produce([event(4)], hour=1)
    rig.keep(2)
    (commit,) = rig.ingest(0, attempt="run")
    rows = rig.events()
    assert rows.select("window", "kafka_partition", "kafka_offset", "event_id").rows() == [
        (key(0), 0, 0, "e-1"),
        (key(0), 0, 1, "e-2"),
        (key(0), 1, 0, "e-3"),
    ]
    assert rows["kafka_timestamp"].dt.epoch("ms").to_list() == [
        epoch_ms(at(0)),
        epoch_ms(at(0)) + 1_000,
        epoch_ms(at(0)),
    ]
    assert rows["extra"].to_list() == [None, '{"new":"field"}', None]
    assert (commit.rows, commit.complete, commit.attempt.split("-")[0]) == (3, True, "run")
    assert commit.details["range"] == {"topic": rig.topic, "offsets": {"0": [0, 2], "1": [0, 1]}}
    assert (commit.details["delivered"], commit.details["rejected"], commit.details["holes"]) == (3, 0, 0)
    assert commit.details["bytes"] == sum(len(v) for v in (event(1), event(3))) + len(
        event(2, event_type="file_access", new="field")
    )


def test_a_window_built_again_is_the_same(rig: Rig) -> None:
    rig.produce_hours([0, 1], events=20)
    rig.produce([b"bad"], hour=0.5, partition=1)
    rig.keep(2)
    (first,), (second,) = rig.ingest(0), rig.again().ingest(0)
    assert (first.content_hash, first.inputs_hash, first.rows) == (second.content_hash, second.inputs_hash, second.rows)
    assert first.attempt != second.attempt
    assert rig.rejected(0).height == 1
    assert rig.violations() == []


def test_a_run_that_is_resumed_under_its_name_doubles_nothing(rig: Rig) -> None:
    rig.produce([event(1), b"bad"])
    rig.keep(1)
    for _ in range(2):
        rig.again().ingest(0, attempt="resumed")
    assert (rig.events(0).height, rig.rejected(0).height) == (1, 1)
    assert rig.violations() == []


@pytest.mark.parametrize("ingest", WORKERS, ids=["one process", "two workers"])
def test_bad_records_are_kept_byte_for_byte_with_place_and_reason(make_rig: RigFactory, ingest: dict[str, Any]) -> None:
    rig = make_rig(partitions=1, ingest=ingest)
    rig.produce([event(0), *BAD_RECORDS.values(), event(1)], record_key=b"\x00\xff")
    rig.keep(1)
    (commit,) = rig.ingest(0)
    rejected = rig.rejected(0)
    assert rejected["value"].to_list() == list(BAD_RECORDS.values())
    assert rejected["key"].to_list() == [b"\x00\xff"] * len(BAD_RECORDS)
    assert rejected["kafka_offset"].to_list() == list(range(1, len(BAD_RECORDS) + 1))
    assert set(rejected.select("window", "topic", "kafka_partition", "contract_hash").rows()) == {
        (key(0), rig.topic, 0, rig.stream.contract.hash)
    }
    assert rejected["kafka_timestamp"].dt.epoch("ms").to_list() == [
        epoch_ms(at(0)) + 1_000 * offset for offset in rejected["kafka_offset"]
    ]
    assert rejected["reason"].null_count() == rejected["code"].null_count() == 0
    assert dict(zip(rejected["kafka_offset"], rejected["json_path"], strict=True))[5] == "$.user"
    assert rig.offsets(0) == [0, len(BAD_RECORDS) + 1]
    assert (commit.rows, commit.details["rejected"]) == (2, len(BAD_RECORDS))
    assert rig.violations() == []


def test_a_window_of_bad_records_only_is_complete_and_empty(rig: Rig) -> None:
    rig.produce(list(BAD_RECORDS.values()))
    rig.keep(1)
    (commit,) = rig.ingest(0)
    assert (commit.rows, commit.complete, rig.rejected(0).height) == (0, True, len(BAD_RECORDS))
    assert rig.violations() == []


def test_rejected_records_go_to_the_dead_letter_topic(make_rig: RigFactory, fresh_topic: TopicFactory) -> None:
    letters = fresh_topic(partitions=1)
    rig = make_rig(partitions=1, stream={"dead_letter_topic": letters})
    rig.produce([event(1), b"{bad", event(2)], record_key=b"who")
    rig.keep(1)
    (commit,) = rig.ingest(0)
    (letter,) = consume(rig, letters, 1)
    headers: dict[str, Any] = dict(letter.headers() or [])
    assert (letter.key(), letter.value()) == (b"who", b"{bad")
    prefix = "__connect.errors."
    assert {name: headers[prefix + name] for name in ("topic", "partition", "offset", "connector.name", "task.id")} == {
        "topic": rig.topic.encode(),
        "partition": b"0",
        "offset": b"1",
        "connector.name": b"security",
        "task.id": commit.attempt.encode(),
    }
    assert headers[prefix + "exception.message"].decode().startswith(rig.rejected(0)["reason"][0])


def test_aborted_transactions_and_markers_leave_explained_holes(rig: Rig) -> None:
    rig.produce([event(n) for n in range(3)])  # 0-2
    stamps = [epoch_ms(at(0.2)) + n for n in range(4)]
    rig.writer.transaction(rig.topic, stamps, commit=False)  # 3-6, marker 7
    rig.writer.transaction(rig.topic, stamps, commit=True)  # 8-11, marker 12; their values are no events
    rig.produce([event(9)], hour=0.5)  # 13
    rig.produce([event(10)], hour=5)
    rig.keep(6)
    (commit,) = rig.ingest(0)
    (receipt,) = (r for r in ReadReceipt.from_json(commit.details["receipt"]) if r.partition == 0)
    assert receipt.holes == ((3, 8), (12, 13))
    assert rig.offsets(0) == [0, 1, 2, 13]
    assert rig.rejected(0)["kafka_offset"].to_list() == [8, 9, 10, 11]
    assert (commit.complete, commit.details["holes"]) == (True, 6)
    assert rig.violations() == []


@pytest.mark.parametrize("ingest", WORKERS, ids=["one process", "two workers"])
def test_a_compacted_topic_leaves_explained_holes(make_rig: RigFactory, ingest: dict[str, Any]) -> None:
    compact = {"cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.01"}
    rig = make_rig(partitions=1, config=compact, ingest=ingest)
    producer = rig.stream.connection.producer({"enable.idempotence": False}, {"linger.ms": 0})
    for number in range(40):
        stamp = epoch_ms(at(0)) + number * 1_000
        producer.produce(rig.topic, event(number), key=f"k{number % 4}", partition=0, timestamp=stamp)
        producer.flush(30)
    rig.keep(1)

    def compacted() -> bool:
        # A segment is closed by a later record that comes once it is old enough.
        producer.produce(rig.topic, event(99), key="later", partition=0, timestamp=epoch_ms(at(20)))
        producer.flush(30)
        rig.again().ingest(0)
        return rig.events(0).height <= 20

    assert wait_until(compacted, 60)
    commit = rig.again().stream.table("events").commits()[key(0)]
    assert commit.complete
    assert commit.rows + commit.details["holes"] == 40
    assert rig.events(0)["event_id"].to_list()[-4:] == [f"e-{n}" for n in range(36, 40)]
    assert rig.violations() == []


def test_two_workers_build_what_one_process_builds(make_rig: RigFactory) -> None:
    rig = make_rig(partitions=3, ingest=WORKERS[1])
    for partition, events in enumerate((150, 1, 40)):
        rig.produce_hours([0], events=events, partition=partition)
        rig.produce([b"bad"], hour=0.5, partition=partition)
    rig.produce([event(0), event(0)], hour=0.6, partition=2)
    rig.keep(1)
    (shared,) = rig.ingest(0)
    alone_rig = Rig(rig.settings.model_copy(update={"ingest": rig.settings.ingest.model_copy(update={"workers": 1})}))
    (alone,) = alone_rig.ingest(0)
    assert (shared.details["workers"], alone.details["workers"]) == (2, 1)
    assert (shared.content_hash, shared.inputs_hash) == (alone.content_hash, alone.inputs_hash)
    same = ("delivered", "rejected", "holes", "bytes", "soft_rule_hits", "range")
    assert {k: shared.details[k] for k in same} == {k: alone.details[k] for k in same}
    # Ids repeat between partitions, so between workers too.
    assert shared.details["soft_rule_hits"]["repeated_event_id"] == 43
    assert rig.violations() == []


def test_large_records_pass(make_rig: RigFactory) -> None:
    rig = make_rig(config={"max.message.bytes": "8000000"})
    big = "x" * 1_000_000
    rig.produce([event(n, metadata={"file_path": big}) for n in range(5)])
    rig.keep(1)
    (commit,) = rig.ingest(0)
    assert commit.rows == 5
    assert rig.events(0)["metadata"].struct.field("file_path").str.len_bytes().to_list() == [1_000_000] * 5
    assert rig.violations() == []


def test_an_empty_window_has_nothing_to_materialize(rig: Rig) -> None:
    rig.produce_hours([0, 2], events=2)
    rig.keep(3)
    with Ingest(rig.stream, "run", at(1_000)) as ingest:
        assert ingest.window(rig.window(1)) is None
    assert rig.stream.table("events").commits() == {}


def test_an_open_window_is_replaced_when_it_closes_and_never_again_by_less(rig: Rig) -> None:
    rig.produce_hours([0], events=5)
    rig.keep(0.5)
    filling = rig.window(0, now=0.5)
    with Ingest(rig.stream, "early", at(1_000)) as ingest:
        early = ingest.window(filling)
    assert early is not None
    assert (early.complete, early.rows) == (False, 5)
    rig.produce_hours([0], events=7, partition=1)
    rig.keep(1)
    (closed,) = rig.ingest(0)
    assert (closed.complete, closed.rows) == (True, 12)
    with Ingest(rig.stream, "late", at(1_000)) as ingest:
        assert ingest.window(filling) == closed
    assert rig.events(0).height == 12
    assert rig.violations() == []


def test_windows_of_a_topic_that_is_gone_are_refused(rig: Rig) -> None:
    rig.produce_hours([0], events=5)
    rig.keep(1)
    window = rig.window(0)
    rig.recreate_topic()
    rig.produce_hours([3], events=9)  # offsets that the window names are there again, with other records
    with Ingest(rig.stream, "run", at(1_000)) as ingest, pytest.raises(TopicRecreated):
        ingest.window(window)
    assert rig.stream.table("events").commits() == {}


# Retention


def test_a_window_that_retention_reached_is_refused_and_not_overwritten(rig: Rig) -> None:
    rig.produce_hours([0, 1], events=10)
    rig.produce_hours([0, 1], events=10, partition=1)
    rig.keep(2)
    (before,) = rig.ingest(0)
    rig.delete_before(14, partition=1)
    for hour in (0, 1):
        with pytest.raises(RetentionGap, match="partition 1"):
            rig.ingest(hour)
    commits = rig.again().stream.table("events").commits()
    assert commits[key(0)] == before
    assert set(commits) == {key(0)}
    assert rig.events().height == 20
    assert set(unreachable_windows(rig.stream)) == {key(1)}


def test_an_acknowledged_gap_lets_the_rest_be_built(rig: Rig) -> None:
    rig.produce_hours([0, 1], events=10)
    rig.produce_hours([0], events=3, partition=1)
    rig.keep(2)
    rig.delete_before(4)
    (gap,) = acknowledge_gap(rig.stream, key(0), "disk was full", "ana", at(2))
    assert (gap.kafka_partition, gap.start_offset, gap.end_offset) == (0, 0, 4)
    (commit,) = rig.ingest(0)
    assert commit.complete
    assert commit.details["gaps"] == [[0, 0, 4]]
    assert (rig.offsets(0), rig.offsets(0, 1)) == (list(range(4, 10)), [0, 1, 2])
    assert lost_offsets(rig.stream) == {key(0): 4}
    assert rig.violations() == []


def test_retention_that_goes_on_after_a_first_acknowledgement_can_be_acknowledged_again(rig: Rig) -> None:
    rig.produce_hours([0], events=10)
    rig.keep(1)
    for lost in (4, 7):
        rig.delete_before(lost)
        acknowledge_gap(rig.stream, key(0), "disk was full", "ana", at(2))
    (commit,) = rig.ingest(0)
    assert rig.offsets(0) == [7, 8, 9]
    assert lost_offsets(rig.stream) == {key(0): 7}
    assert commit.details["delivered"] == 3
    assert rig.violations() == []


def test_a_complete_window_cannot_be_given_up(rig: Rig) -> None:
    rig.produce_hours([0], events=10)
    rig.keep(1)
    (before,) = rig.ingest(0)
    rig.delete_before(6)
    assert acknowledge_gap(rig.stream, key(0), "by mistake", "ana", at(2)) == []
    with pytest.raises(RetentionGap):
        rig.ingest(0)
    assert rig.again().stream.table("events").commits()[key(0)] == before
    assert lost_offsets(rig.stream) == {}


def test_a_window_that_is_lost_as_a_whole_can_be_built_empty(rig: Rig) -> None:
    rig.produce_hours([0, 1], events=10)
    rig.keep(2)
    rig.delete_before(12)
    acknowledge_gap(rig.stream, key(0), "gone", "ana", at(2))
    (commit,) = rig.ingest(0)
    assert (commit.rows, commit.complete, commit.details["gaps"]) == (0, True, [[0, 0, 10]])
    assert rig.violations() == []


# Planted wrong parts: each is caught before anything is committed, or by the checks afterwards.

Fault = Callable[[ParsedChunk], ParsedChunk]


def loses_a_row(chunk: ParsedChunk) -> ParsedChunk:
    return dataclasses.replace(chunk, accepted=chunk.accepted[1:])


def doubles_a_row(chunk: ParsedChunk) -> ParsedChunk:
    return dataclasses.replace(chunk, accepted=pl.concat([chunk.accepted[:1], chunk.accepted]))


def makes_a_row_up(chunk: ParsedChunk) -> ParsedChunk:
    strange = chunk.accepted[-1:].with_columns(pl.col("kafka_offset") + 1_000)
    return dataclasses.replace(chunk, accepted=pl.concat([chunk.accepted, strange]))


@pytest.mark.parametrize("fault", [loses_a_row, doubles_a_row, makes_a_row_up])
def test_a_parser_that_is_wrong_is_caught_before_the_commit(
    rig: Rig, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.produce_hours([0], events=10)
    rig.keep(1)
    monkeypatch.setattr(reading, "parse_records", lambda *given, **named: fault(parse_records(*given, **named)))
    with pytest.raises(ConservationError, match="was not committed"):
        rig.ingest(0)
    assert_nothing_was_committed(rig)
    monkeypatch.undo()
    assert rig.ingest(0)[0].rows == 10


def assert_nothing_was_committed(rig: Rig) -> None:
    assert rig.again().stream.table("events").commits() == {}
    events = Path(rig.stream.location.table(rig.stream.name, "events"))
    assert list(events.rglob("*.parquet")) == [], "staged files stay behind"


def test_a_reader_that_loses_a_record_is_caught_before_the_commit(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.produce_hours([0], events=10)
    rig.keep(1)
    following = RangeRead.__next__

    def without_its_first_record(read: RangeRead) -> RawChunk:
        chunk = following(read)
        keys = None if chunk.keys is None else chunk.keys[1:]
        return RawChunk(
            chunk.topic, chunk.partition, chunk.offsets[1:], chunk.timestamps_ms[1:], keys, chunk.values[1:]
        )

    monkeypatch.setattr(RangeRead, "__next__", without_its_first_record)
    with pytest.raises(ConservationError, match="neither row, nor hole"):
        rig.ingest(0)
    assert rig.again().stream.table("events").commits() == {}


def test_a_reader_that_stops_early_is_caught_before_the_commit(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.produce_hours([0], events=10)
    rig.keep(1)
    receipt = RangeRead.receipt.fget
    assert receipt is not None

    def short(read: RangeRead) -> ReadReceipt:
        whole = receipt(read)
        cut = [dataclasses.replace(part, position=part.position - 1) for part in whole]
        return ReadReceipt(whole.topic, tuple(cut))

    monkeypatch.setattr(RangeRead, "receipt", property(short))
    with pytest.raises(ConservationError, match="up to 9"):
        rig.ingest(0)
    assert rig.again().stream.table("events").commits() == {}


def test_a_window_whose_neighbour_s_records_are_read_too_is_caught(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.produce_hours([0, 1], events=10)
    rig.keep(2)
    first, second = rig.window(0), rig.window(1)
    wide = replaced(first, range=dataclasses.replace(first.range, ends=second.range.ends))
    stage = reading.stage
    monkeypatch.setattr(
        "streamguard_assets.windows.sharing.stage",
        lambda share: stage(dataclasses.replace(share, range=wide.range)),
    )
    with pytest.raises(ConservationError, match="outside the window's range"):
        rig.ingest(0)
    assert rig.again().stream.table("events").commits() == {}


WRONG_STAGERS: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "loses a row": lambda frame: frame[1:],
    "doubles a row": lambda frame: pl.concat([frame, frame[:1]]),
    "puts a row of the neighbour in": lambda frame: frame.with_columns(
        kafka_offset=pl.when(pl.col("kafka_offset") == 3).then(pl.lit(12)).otherwise("kafka_offset").cast(pl.Int64)
    ),
}


@pytest.mark.parametrize("name", WRONG_STAGERS)
def test_a_writer_that_is_wrong_is_found_by_the_checks_or_before(
    rig: Rig, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The account is taken of what is given to the writer, so what it does wrong itself only the tables can tell."""
    rig.produce_hours([0, 1], events=10)
    rig.keep(2)
    rig.ingest(1)
    write = FileStager._write_pending

    def spoil(stager: FileStager) -> None:
        stager._pending = [WRONG_STAGERS[name](pl.concat(stager._pending))]
        write(stager)

    monkeypatch.setattr(FileStager, "_write_pending", spoil)
    try:
        rig.ingest(0)
    except ConservationError:
        return
    monkeypatch.undo()
    found = rig.violations()
    assert found
    assert {text.split(": ")[0] for text in found} == {key(0)}


def test_a_quarantine_writer_that_loses_a_row_is_found(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.produce([event(0), b"bad", b"worse"])
    rig.keep(1)
    add = QuarantineStager.add
    monkeypatch.setattr(QuarantineStager, "add", lambda stager, frame: add(stager, frame[1:]))
    try:
        rig.ingest(0)
    except ConservationError:
        return
    assert rig.violations()


def test_receipts_in_commits_read_back(rig: Rig) -> None:
    rig.produce_hours([0], events=3)
    rig.keep(1)
    (commit,) = rig.ingest(0)
    assert ReadReceipt.from_json(json.loads(json.dumps(commit.details["receipt"]))) == ReadReceipt(
        rig.topic, (PartitionReceipt(0, 0, 3, 3, 3), PartitionReceipt(1, 0, 0, 0, 0))
    )
