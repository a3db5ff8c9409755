"""Parsing records to frames: every record in exactly one of them, with the contract's own verdict."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta
from polars.testing import assert_frame_equal

from streamguard_assets.contracts.contract import Contract
from streamguard_assets.contracts.fields import MAX_TIMESTAMP_MS, MIN_TIMESTAMP_MS, Int64, Record, Timestamp
from streamguard_assets.contracts.schemas import REJECTED_SCHEMA
from streamguard_assets.contracts.security import SECURITY
from streamguard_assets.contracts.verdict import Rejection
from streamguard_assets.engines.polars.parsing import ParsedChunk, parse_records
from streamguard_assets.engines.polars.soft_rules import repeated_ids
from streamguard_assets_tests.contracts.records import raw, record, secrepo_truth, secrepo_values

STAMP_MS = 1_767_225_600_000


def parsed(values: Sequence[bytes | None], contract: Contract = SECURITY, first: int = 0) -> ParsedChunk:
    keys = [None if value is None else b"key" for value in values]
    offsets = range(first, first + len(values))
    return parse_records(contract, "security-events", 3, offsets, [STAMP_MS] * len(values), keys, values)


def arrow_types(frame: pl.DataFrame) -> dict[str, pa.DataType]:
    schema = frame.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(frame_schema(frame)).schema
    return dict(zip(schema.names, schema.types, strict=True))


def frame_schema(frame: pl.DataFrame) -> pa.Schema:
    declared = {field.name: field for field in [*SECURITY.events_schema(), *REJECTED_SCHEMA]}
    return pa.schema([declared[name].with_nullable(True) for name in frame.columns])


def test_an_accepted_record_is_a_row_with_its_place_and_its_fields() -> None:
    row = parsed([record(colour="red", metadata={"port": 22, "pid": 7})], first=41).accepted.row(0, named=True)
    assert row == {
        "kafka_partition": 3,
        "kafka_offset": 41,
        "kafka_timestamp": datetime(2026, 1, 1, tzinfo=UTC),
        "event_id": "e-1",
        "timestamp": datetime(2026, 1, 1, 0, 0, 0, 123_000, tzinfo=UTC),
        "event_type": "auth_attempt",
        "user": "ana",
        "source_ip": "10.0.0.7",
        "destination_ip": "10.0.0.1",
        "status": "failed",
        "threat_score": 0.25,
        "metadata": {
            **dict.fromkeys(("user_agent", "geo_location", "protocol", "file_path", "process_name", "domain")),
            "port": 22,
            "bytes_transferred": None,
            "extra": '{"pid":7}',
        },
        "extra": '{"colour":"red"}',
    }


def test_a_rejected_record_is_a_row_with_its_bytes_and_the_reason() -> None:
    value = record(metadata={"port": "ssh"})
    row = parsed([value], first=41).rejected.row(0, named=True)
    assert row == {
        "topic": "security-events",
        "kafka_partition": 3,
        "kafka_offset": 41,
        "kafka_timestamp": datetime(2026, 1, 1, tzinfo=UTC),
        "key": b"key",
        "value": value,
        "reason": "expected integer or null, got str",
        "code": "wrong_type",
        "json_path": "$.metadata.port",
        "contract_hash": SECURITY.hash,
    }


BOTH = [record(), None, b"", record(timestamp="2026-01-31T14:00:00Z"), b"\xff", record(metadata=None)]


@pytest.mark.parametrize("values", [[], BOTH[:1], [None], BOTH, [record(metadata=None)], [record(colour=1)]])
def test_both_frames_always_have_the_columns_of_their_schemas(values: list[bytes | None]) -> None:
    chunk = parsed(values)
    accepted = pl.DataFrame(pa.schema(list(SECURITY.events_schema())[1:]).empty_table())
    assert chunk.accepted.schema == accepted.schema
    assert chunk.rejected.schema == pl.DataFrame(REJECTED_SCHEMA.empty_table()).schema
    assert arrow_types(chunk.accepted).keys() == set(SECURITY.events_schema().names) - {"window"}
    assert len(chunk.event_id_hashes) == chunk.accepted.height


def test_records_keep_their_order_and_each_is_in_one_frame() -> None:
    chunk = parsed(BOTH, first=100)
    assert chunk.accepted["kafka_offset"].to_list() == [100, 103, 105]
    assert chunk.rejected["kafka_offset"].to_list() == [101, 102, 104]
    assert chunk.rejected["value"].to_list() == [None, b"", b"\xff"]
    assert chunk.rejected["key"].to_list() == [None, b"key", b"key"]


def test_numbers_and_texts_as_timestamps_meet_in_one_column() -> None:
    stamps = [0, "1970-01-01T00:00:00.000001Z", MIN_TIMESTAMP_MS, MAX_TIMESTAMP_MS, "9999-12-31T23:59:59.999999Z"]
    column = parsed([record(timestamp=stamp) for stamp in stamps]).accepted["timestamp"]
    assert column.dt.epoch("us").to_list() == [
        0,
        1,
        MIN_TIMESTAMP_MS * 1000,
        MAX_TIMESTAMP_MS * 1000,
        MAX_TIMESTAMP_MS * 1000 + 999,
    ]
    alone = [parsed([record(timestamp=stamp)]).accepted["timestamp"].item() for stamp in stamps]
    assert column.to_list() == alone


def test_absent_and_null_metadata_is_a_null_struct_and_an_empty_one_is_not() -> None:
    values = [record(metadata=...), record(metadata=None), record(metadata={}), record(metadata={"port": 1})]
    column = parsed(values).accepted["metadata"]
    assert column.is_null().to_list() == [True, True, False, False]
    assert column.struct.field("port").to_list() == [None, None, None, 1]
    assert parsed(values[:2]).accepted["metadata"].is_null().all()


@pytest.mark.parametrize("stamp_ms", [-1, -5, MAX_TIMESTAMP_MS + 1, 2**63 - 1])
def test_a_kafka_timestamp_that_no_column_holds_is_null(stamp_ms: int) -> None:
    chunk = parse_records(SECURITY, "t", 0, [1, 2, 3], [STAMP_MS, stamp_ms, stamp_ms], None, [record(), record(), b""])
    assert chunk.accepted["kafka_timestamp"].is_null().to_list() == [False, True]
    assert chunk.rejected["kafka_timestamp"].to_list() == [None]


def test_keys_that_nobody_asked_for_are_null() -> None:
    assert parse_records(SECURITY, "t", 0, [1], [0], None, [b""]).rejected["key"].to_list() == [None]


def test_sequences_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="t-0: offsets, timestamps, keys and values differ in length"):
        parse_records(SECURITY, "t", 0, [1, 2], [0, 0], None, [b""])
    with pytest.raises(ValueError, match="differ in length"):
        parse_records(SECURITY, "t", 0, [1], [0], [], [b""])


def test_soft_rules_are_counted_and_reject_nothing() -> None:
    chunk = parsed(
        [
            record(),
            record(event_type="login", status="unheard of"),
            record(threat_score=1.5),
            record(timestamp=1_767_225_600),  # seconds: 1970
            record(timestamp="2100-01-01T00:00:00Z"),
            record(status=None, threat_score=None),
            b"",
        ]
    )
    assert chunk.soft_rule_hits == {
        "unknown_event_type": 1,
        "unknown_status": 1,
        "threat_score_range": 1,
        "implausible_timestamp": 2,
    }
    assert chunk.accepted.height == 6
    assert set(parsed([]).soft_rule_hits.values()) == {0}


def test_repeated_ids_are_two_events_and_counted_over_the_window() -> None:
    first = parsed([record(event_id=id) for id in ("a", "b", "a")])
    second = parsed([record(event_id=id) for id in ("c", "b")])
    assert first.accepted.height == 3
    assert repeated_ids([first.event_id_hashes, second.event_id_hashes]) == 2
    assert repeated_ids([]) == 0
    assert first.event_id_hashes.dtype == "uint64"


def test_the_hashes_of_ids_are_the_same_in_every_process() -> None:
    code = (
        "import polars as pl; from streamguard_assets.engines.polars.soft_rules import id_hashes;"
        "print(id_hashes(pl.Series(['e-1', 'é'])).tolist())"
    )
    other = json.loads(subprocess.check_output([sys.executable, "-c", code], text=True))
    assert parsed([record(), record(event_id="é")]).event_id_hashes.tolist() == other


def test_real_logins_are_all_there_per_source() -> None:
    truth, chunk = secrepo_truth(), parsed(secrepo_values())
    assert chunk.rejected.is_empty()
    assert chunk.accepted.height == truth["auth_attempts"]
    failed = Counter(chunk.accepted.filter(pl.col("status") == "failed")["source_ip"].to_list())
    assert failed == {source["key"]: source["failed"] for source in truth["by_source_ip"]}
    assert set(chunk.soft_rule_hits.values()) == {0}
    extra = chunk.accepted["metadata"].struct.field("extra")
    assert extra.str.json_path_match("$.process").unique().to_list() == ["sshd"]


values_of_a_stream = st.lists(
    st.sampled_from(
        [
            record(),
            record(timestamp="2026-01-31T14:00:00+01:00"),
            record(timestamp="0001-01-01T00:00:00+01:00"),
            record(metadata=None),
            record(metadata={"pid": 1}),
            record(colour=raw("1e400")),
            record(threat_score=-1),
            record(threat_score="1"),
            record(user=raw(b'"\xff"')),
            b"{",
            b"",
            None,
        ]
    )
    | st.binary(max_size=30),
    max_size=15,
)


@given(values_of_a_stream, st.integers(1, 4))
def test_chunks_of_any_size_give_the_same_rows(values: list[bytes | None], size: int) -> None:
    whole = parsed(values)
    parts = [parsed(values[i : i + size], first=i) for i in range(0, len(values), size)] or [parsed([])]
    assert_frame_equal(whole.accepted, pl.concat(part.accepted for part in parts))
    assert_frame_equal(whole.rejected, pl.concat(part.rejected for part in parts))
    assert whole.soft_rule_hits == dict(sum((Counter(part.soft_rule_hits) for part in parts), Counter())) | {
        name: 0 for name, hits in whole.soft_rule_hits.items() if not hits
    }


@given(values_of_a_stream)
def test_frames_hold_exactly_the_contracts_verdicts(values: list[bytes | None]) -> None:
    chunk = parsed(values)
    verdicts = [SECURITY.decode(value) for value in values]
    rejected = {offset: v for offset, v in enumerate(verdicts) if isinstance(v, Rejection)}
    shown = chunk.rejected.select("kafka_offset", "code", "reason", "json_path", "value").rows()
    assert shown == [(offset, r.code, r.reason, r.json_path, values[offset]) for offset, r in rejected.items()]
    assert chunk.accepted["kafka_offset"].to_list() == [o for o in range(len(values)) if o not in rejected]


class Amount(Record):
    value: float


class Sale(Record):
    sale_id: str
    at: Annotated[Timestamp, Meta(description="when")]
    buyer: str
    amount: Amount
    units: Int64
    shipped_at: Timestamp | None = None
    gift: bool | None = None


SALES = Contract("sales", "Sales", Sale, "buyer", "at", "sale_id")


def test_another_stream_needs_no_other_parser() -> None:
    sale = b'{"sale_id":"s","at":"2026-01-31T14:00:00.5Z","buyer":"b","amount":{"value":1.5},"units":2'
    chunk = parsed([sale + b"}", sale + b',"gift":true,"shipped_at":"2026-02-01T00:00:00+01:00"}'], SALES)
    assert chunk.accepted.drop("kafka_partition", "kafka_offset", "kafka_timestamp").rows() == [
        ("s", datetime(2026, 1, 31, 14, 0, 0, 500_000, UTC), "b", {"value": 1.5, "extra": None}, 2, None, None, None),
        (
            "s",
            datetime(2026, 1, 31, 14, 0, 0, 500_000, UTC),
            "b",
            {"value": 1.5, "extra": None},
            2,
            datetime(2026, 1, 31, 23, tzinfo=UTC),
            True,
            None,
        ),
    ]
    assert chunk.soft_rule_hits == {}
