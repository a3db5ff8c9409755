"""Verdicts: which bytes are an event, which are not, why, and where."""

from __future__ import annotations

import json
import struct
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamguard_assets.contracts.decoding import field_reader
from streamguard_assets.contracts.fields import MAX_TIMESTAMP_MS, MIN_TIMESTAMP_MS, as_utc
from streamguard_assets.contracts.rejections import MAX_NESTING
from streamguard_assets.contracts.security import SECURITY
from streamguard_assets.contracts.verdict import CODES, Rejection
from streamguard_assets_tests.contracts.records import EVENT, raw, record, secrepo_truth, secrepo_values


def accepted(value: bytes | None) -> Any:
    verdict = SECURITY.decode(value)
    assert not isinstance(verdict, Rejection), verdict
    return verdict


def rejected(value: bytes | None) -> Rejection:
    verdict = SECURITY.decode(value)
    assert isinstance(verdict, Rejection), verdict
    return verdict


def nested(levels: int) -> msgspec.Raw:
    return raw("[" * levels + "]" * levels)


REJECTED = {
    "no value": (None, "tombstone", None),
    "no bytes": (b"", "empty", None),
    "schema-registry framing": (b"\x00" + struct.pack(">I", 17) + record(), "schema_registry_framing", None),
    "cut framing": (b"\x00\x00", "schema_registry_framing", None),
    "blanks": (b" \n", "not_json", None),
    "words": (b"not json", "not_json", None),
    "byte order mark": (b"\xef\xbb\xbf" + record(), "not_json", None),
    "truncated": (record()[:-1], "not_json", None),
    "truncated UTF-8": (record(user="é")[: record(user="é").index(b"\xc3") + 1], "not_json", None),
    "two documents": (record() + record(), "not_json", None),
    "trailing comma": (record()[:-1] + b",}", "not_json", None),
    "NaN": (record(threat_score=raw("NaN")), "not_json", None),
    "Infinity": (record(threat_score=raw("-Infinity")), "not_json", None),
    "NaN in an unknown field": (record(colour=raw("NaN")), "not_json", None),
    "newline in text": (record(user=raw('"a\nb"')), "not_json", None),
    "list": (b"[" + record() + b"]", "wrong_type", "$"),
    "number": (b"3", "wrong_type", "$"),
    "text": (b'"a"', "wrong_type", "$"),
    "null": (b"null", "wrong_type", "$"),
    "bytes that are no UTF-8": (record(user=raw(b'"\xff"')), "invalid_utf8", "$.user"),
    "the same, in a group": (record(metadata={"domain": raw(b'"\xc3"')}), "invalid_utf8", "$.metadata.domain"),
    "the same, in an unknown field": (record(colour=raw(b'{"a":"\xff"}')), "invalid_utf8", "$.colour"),
    "the same, unknown in a group": (record(metadata={"x": raw(b'"\xff"')}), "invalid_utf8", "$.metadata.x"),
    "the same, in a name": (b'{"\xff":1,' + record()[1:], "invalid_utf8", "$"),
    "surrogate bytes": (record(user=raw(b'"\xed\xa0\x80"')), "invalid_utf8", "$.user"),
    "high surrogate alone": (record(user=raw(r'"\ud800"')), "lone_surrogate", "$"),
    "low surrogate alone, unknown field": (record(colour=raw(r'"\udc00"')), "lone_surrogate", "$"),
    "number as text": (record(metadata={"port": "22"}), "wrong_type", "$.metadata.port"),
    "text as number": (record(user=7), "wrong_type", "$.user"),
    "text as list": (record(source_ip=["10.0.0.7"]), "wrong_type", "$.source_ip"),
    "score as text": (record(threat_score="0.5"), "wrong_type", "$.threat_score"),
    "score as bool": (record(threat_score=True), "wrong_type", "$.threat_score"),
    "integer as bool": (record(metadata={"port": True}), "wrong_type", "$.metadata.port"),
    "integer with a fraction of nought": (record(metadata={"port": 22.0}), "wrong_type", "$.metadata.port"),
    "integer with an exponent": (record(metadata={"port": raw("2e1")}), "wrong_type", "$.metadata.port"),
    "group as text": (record(metadata="{}"), "wrong_type", "$.metadata"),
    "group as list": (record(metadata=[]), "wrong_type", "$.metadata"),
    "timestamp as bool": (record(timestamp=True), "wrong_type", "$.timestamp"),
    "timestamp with a fraction": (record(timestamp=1.5), "wrong_type", "$.timestamp"),
    "2^63": (record(metadata={"port": 2**63}), "out_of_range", "$.metadata.port"),
    "-2^63 - 1": (record(metadata={"port": raw(str(-(2**63) - 1))}), "out_of_range", "$.metadata.port"),
    "5,000 digits": (record(metadata={"port": raw("9" * 5_000)}), "out_of_range", "$.metadata.port"),
    "1e999": (record(threat_score=raw("1e999")), "out_of_range", "$.threat_score"),
    "no zone": (record(timestamp="2026-01-31T14:00:00"), "bad_timestamp", "$.timestamp"),
    "a date": (record(timestamp="2026-01-31"), "bad_timestamp", "$.timestamp"),
    "digits as text": (record(timestamp="1767225600123"), "bad_timestamp", "$.timestamp"),
    "no such day": (record(timestamp="2026-02-30T00:00:00Z"), "bad_timestamp", "$.timestamp"),
    "year 0": (record(timestamp="0000-12-31T00:00:00Z"), "bad_timestamp", "$.timestamp"),
    "before year 1": (record(timestamp=MIN_TIMESTAMP_MS - 1), "bad_timestamp", "$.timestamp"),
    "after year 9999": (record(timestamp=MAX_TIMESTAMP_MS + 1), "bad_timestamp", "$.timestamp"),
    "beyond 64 bits": (record(timestamp=raw("9" * 30)), "bad_timestamp", "$.timestamp"),
    "before year 1 in UTC": (record(timestamp="0001-01-01T00:00:00+00:01"), "bad_timestamp", "$.timestamp"),
    "after year 9999 in UTC": (record(timestamp="9999-12-31T23:59:59-00:01"), "bad_timestamp", "$.timestamp"),
    "a bad first of two": (b'{"user":5,' + record()[1:], "wrong_type", "$.user"),
    "nested too deep": (record(colour=nested(MAX_NESTING)), "too_deep", None),
    "nested deeper than any stack": (record(colour=nested(100_000)), "too_deep", None),
    "never closed": (b'{"a":' + b"[" * 100_000, "too_deep", None),
    **{f"{name} missing": (record(**{name: ...}), "missing_field", f"$.{name}") for name in list(EVENT)[:4]},
    **{f"{name} null": (record(**{name: None}), "missing_field", f"$.{name}") for name in list(EVENT)[:4]},
}


@pytest.mark.parametrize("case", REJECTED)
def test_what_is_no_event_is_rejected_with_code_and_place(case: str) -> None:
    value, code, json_path = REJECTED[case]
    verdict = rejected(value)
    assert (verdict.code, verdict.json_path) == (code, json_path)
    assert verdict.code in CODES
    assert verdict.reason


def test_framing_is_named_with_its_schema_id() -> None:
    reason = rejected(b"\x00" + struct.pack(">I", 70_001) + b"\x02\x06ana").reason
    assert "schema-registry" in reason
    assert "70001" in reason


def test_reasons_never_quote_values() -> None:
    secret = "hunter2"
    for value in (
        record(threat_score=secret),
        record(timestamp=secret),
        record(metadata=secret),
        record(metadata={"port": secret}),
        f"{{{secret}".encode(),
    ):
        assert secret not in str(rejected(value))


@pytest.mark.parametrize("score", [0, 1, -5, 2.5, 10**22])
def test_a_score_may_be_any_finite_number(score: float) -> None:
    assert accepted(record(threat_score=score)).threat_score == float(score)


@pytest.mark.parametrize("name", ["source_ip", "destination_ip", "status", "threat_score", "metadata"])
def test_optional_fields_may_be_null_or_absent(name: str) -> None:
    assert getattr(accepted(record(**{name: None})), name) is None
    assert getattr(accepted(record(**{name: ...})), name) is None


def test_of_a_name_written_twice_the_last_counts() -> None:
    assert accepted(record()[:-1] + b',"user":"ben"}').user == "ben"
    assert accepted(record()[:-1] + b',"colour":1,"colour":2}').extra == '{"colour":2}'


def test_blanks_around_and_inside_are_json() -> None:
    pretty = json.dumps(EVENT, indent=2).encode()
    assert accepted(b"\n" + pretty + b" \r\n") == accepted(record())


def test_a_record_of_a_megabyte_is_read() -> None:
    assert len(accepted(record(user="x" * 1_000_000)).user) == 1_000_000
    assert len(accepted(record(colour="x" * 1_000_000)).extra) > 1_000_000


def test_int64_is_held_to_its_ends() -> None:
    for port in (-(2**63), 2**63 - 1):
        assert accepted(record(metadata={"port": port})).metadata.port == port


def test_unknown_fields_are_kept_as_they_were_written() -> None:
    text = r'{"a":1e400,"b":123456789012345678901234567890,"c":-0.0,"d":[1, {"e":null}],"f":"\u00e9\/"}'
    event = accepted(record(colour=raw(text), metadata={"port": 22, "pid": raw("1.50")}))
    assert event.extra == '{"colour":' + text + "}"
    assert event.metadata.extra == '{"pid":1.50}'
    assert event.metadata.port == 22


def test_events_without_unknown_fields_have_no_extra() -> None:
    assert accepted(record()).extra is None
    assert accepted(record()).metadata.extra is None
    assert accepted(record(colour=1)).metadata.extra is None
    assert accepted(record(metadata={"pid": 1})).extra is None


@pytest.mark.parametrize("value", [5, "text", None, {"extra": 1}])
def test_a_field_that_is_called_extra_is_unknown_like_any_other(value: Any) -> None:
    event = accepted(record(extra=value, metadata={"extra": value}))
    assert json.loads(event.extra) == {"extra": value}
    assert json.loads(event.metadata.extra) == {"extra": value}


def test_nesting_up_to_the_limit_is_kept() -> None:
    assert accepted(record(colour=nested(MAX_NESTING - 1))).extra.count("[") == MAX_NESTING - 1


def test_brackets_inside_texts_do_not_nest() -> None:
    text = '\\"[{' * 1_000
    assert json.loads(accepted(record(colour=text)).extra) == {"colour": text}


def test_an_escaped_backslash_before_u_is_no_surrogate() -> None:
    assert rejected(rb'{"user":"\\ud800",}').code == "not_json"
    assert accepted(record(user=raw(r'"\ud83d\ude00"'))).user == "😀"


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-01-31T14:00:00Z", datetime(2026, 1, 31, 14, tzinfo=UTC)),
        ("2026-01-31t14:00:00.123456z", datetime(2026, 1, 31, 14, 0, 0, 123_456, tzinfo=UTC)),
        ("2026-01-31 14:00:00+05:30", datetime(2026, 1, 31, 8, 30, tzinfo=UTC)),
        ("2026-01-31T23:30:00-0100", datetime(2026, 2, 1, 0, 30, tzinfo=UTC)),
        ("2026-01-31T14:00:00.1234567Z", datetime(2026, 1, 31, 14, 0, 0, 123_457, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59.999999Z", datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
    ],
)
def test_iso_8601_with_a_zone_is_an_instant_in_utc(text: str, instant: datetime) -> None:
    stamp = accepted(record(timestamp=text)).timestamp
    assert stamp == instant
    assert stamp.tzinfo is UTC


@pytest.mark.parametrize("stamp", [0, -1, 1_767_225_600, 4_102_444_800_000, MIN_TIMESTAMP_MS, MAX_TIMESTAMP_MS])
def test_numbers_are_epoch_milliseconds_and_never_guessed_to_be_seconds(stamp: int) -> None:
    assert accepted(record(timestamp=stamp)).timestamp == stamp


def test_text_without_a_zone_means_utc_where_a_contract_allows_it() -> None:
    assert as_utc(datetime(2026, 1, 31, 14)) == datetime(2026, 1, 31, 14, tzinfo=UTC)


def test_real_logins_are_all_accepted_and_nothing_of_them_is_lost() -> None:
    truth = secrepo_truth()
    values = secrepo_values()
    events = [accepted(value) for value in values]
    assert len(events) == truth["auth_attempts"]
    for value, event in zip(values, events, strict=True):
        document = json.loads(value)
        kept = json.loads(event.metadata.extra)
        assert set(kept) == {"host", "process", "pid", "line", "invalid_user"}
        assert kept == {name: document["metadata"][name] for name in kept}
        assert event.extra is None


def test_a_field_reader_takes_only_names() -> None:
    with pytest.raises(ValueError, match="is not the name of a field"):
        field_reader("a] + [1")


texts = st.text(max_size=20)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
almost_events = st.builds(lambda changes: record(**changes), st.dictionaries(st.sampled_from(list(EVENT)), json_values))


@st.composite
def damaged_records(draw: st.DrawFn) -> bytes:
    """A good record with a few bytes overwritten: closer to the decoder's edges than bytes out of nowhere."""
    value = bytearray(record(colour={"a": "é"}))
    for place, byte in draw(st.lists(st.tuples(st.integers(0, len(value) - 1), st.integers(0, 255)), max_size=4)):
        value[place] = byte
    return bytes(value[: draw(st.integers(0, len(value)))] if draw(st.booleans()) else value)


any_values = st.none() | st.binary(max_size=200) | almost_events | damaged_records()


@given(any_values)
def test_any_bytes_give_a_verdict(value: bytes | None) -> None:
    verdict = SECURITY.decode(value)
    if isinstance(verdict, Rejection):
        assert verdict.code in CODES
        assert verdict.code != "undecodable", verdict
    else:
        assert isinstance(verdict, SECURITY.event)


@given(st.lists(any_values, max_size=12))
def test_a_verdict_does_not_depend_on_its_neighbours(values: list[bytes | None]) -> None:
    decoded = SECURITY.decode_all(values)
    together = dict(zip(decoded.positions.tolist(), decoded.events, strict=True)) | dict(decoded.rejections)
    assert list(decoded.positions) == sorted(decoded.positions)
    assert [position for position, _ in decoded.rejections] == sorted(position for position, _ in decoded.rejections)
    assert sorted(together) == list(range(len(values)))
    for position, value in enumerate(values):
        alone, among = SECURITY.decode(value), together[position]
        assert among == alone
        assert getattr(among, "extra", None) == getattr(alone, "extra", None)


def test_timestamps_beyond_the_calendar_cost_only_their_own_record() -> None:
    beyond, elsewhere = record(timestamp="0001-01-01T00:00:00+01:00"), record(timestamp="2026-01-31T14:00:00+01:00")
    decoded = SECURITY.decode_all([record(), beyond, b"", elsewhere, beyond, record()])
    assert decoded.positions.tolist() == [0, 3, 5]
    assert [(position, r.code) for position, r in decoded.rejections] == [
        (1, "bad_timestamp"),
        (2, "empty"),
        (4, "bad_timestamp"),
    ]
    assert decoded.events[1].timestamp == datetime(2026, 1, 31, 13, tzinfo=UTC)  # type: ignore[attr-defined]


@given(
    st.fixed_dictionaries(
        {
            "event_id": texts,
            "timestamp": st.integers(MIN_TIMESTAMP_MS, MAX_TIMESTAMP_MS),
            "event_type": texts,
            "user": texts,
        },
        optional={
            "source_ip": texts | st.none(),
            "threat_score": st.floats(allow_nan=False, allow_infinity=False),
            "metadata": st.none() | st.fixed_dictionaries({}, optional={"port": st.integers(-(2**63), 2**63 - 1)}),
        },
    )
)
def test_what_a_producer_wrote_is_what_the_event_holds(fields: dict[str, Any]) -> None:
    event = accepted(json.dumps(fields).encode())
    kept = msgspec.json.decode(msgspec.json.encode(event))
    assert {name: kept[name] for name in fields if name != "metadata"} == {
        name: value for name, value in fields.items() if name != "metadata"
    }
    if fields.get("metadata") is not None:
        assert kept["metadata"].items() >= fields["metadata"].items()
