"""Timestamp and key are read from whatever bytes are to be produced, bad ones included."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamguard_assets.contracts.envelope import Envelope
from streamguard_assets.contracts.registry import CONTRACTS, contract

SECURITY = Envelope(contract("security"))


@pytest.mark.parametrize(
    ("value", "timestamp_ms"),
    [
        (b'{"timestamp": 1417336924000, "user": "ada"}', 1417336924000),
        (b'{"timestamp": "2026-01-31T01:00:00.0019+01:00"}', 1769817600001),
        (b'{"timestamp": 5, "user": 7, "event_type": null}', 5),
        (b'{"timestamp": 0}', None),
        (b'{"timestamp": -5}', None),
        (b'{"timestamp": "1969-12-31T23:59:59Z"}', None),
        (b'{"timestamp": "2026-01-31T01:00:00"}', None),
        (b'{"timestamp": "0001-01-01T00:00:00+05:00"}', None),
        (b'{"timestamp": 1.5}', None),
        (b'{"timestamp": true}', None),
        (b'{"user": "ada"}', None),
        (b'{"timestamp": 14173', None),
        (b"\x00\x00\x00\x00\x07{}", None),
        (b"", None),
        (b"[" * 100_000, None),
    ],
)
def test_the_time_of_an_event_or_none(value: bytes, timestamp_ms: int | None) -> None:
    assert SECURITY.timestamp_ms(value) == timestamp_ms


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (b'{"user": "ada", "timestamp": "never"}', b"ada"),
        ('{"user": "çelik"}'.encode(), "çelik".encode()),
        (b'{"user": ""}', b""),
        (b'{"user": 7}', None),
        (b'{"user": null}', None),
        (b"{}", None),
        (b'{"user": "ada"', None),
    ],
)
def test_the_user_of_an_event_or_none(value: bytes, key: bytes | None) -> None:
    assert SECURITY.key(value) == key


def test_each_contract_says_where_time_and_user_stand() -> None:
    envelope = Envelope(contract("transactions"))
    value = b'{"customer_id": "c-42", "event_timestamp": "2026-01-31T19:30:00.5+05:30", "quantity": "bad"}'
    assert (envelope.timestamp_ms(value), envelope.key(value)) == (1_769_868_000_500, b"c-42")
    assert envelope.timestamp_ms(b'{"event_timestamp": 1769868000500}') is None


@given(st.binary() | st.text().map(str.encode))
def test_no_bytes_raise(value: bytes) -> None:
    for known in CONTRACTS.values():
        envelope = Envelope(known)
        assert envelope.timestamp_ms(value) is None or envelope.timestamp_ms(value) > 0  # pyright: ignore
        assert envelope.key(value) is None or isinstance(envelope.key(value), bytes)
