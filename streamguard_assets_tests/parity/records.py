"""Raw records, good and bad, of two partitions: what both parsers are asked about."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import polars as pl

from streamguard_assets_tests.contracts.records import raw
from streamguard_assets_tests.contracts.transaction_records import retail_values, transaction

GOOD = b'{"event_id":"e%d","timestamp":1769868000026,"event_type":"dns_query","user":"u","metadata":{"port":53}}'
REQUIRED = b'"event_id":"e","timestamp":1769868000026,"event_type":"auth_attempt"'

VALUES: tuple[bytes | None, ...] = (
    GOOD % 1,
    None,
    b"",
    b"not json",
    b"null",
    b"[1]",
    b"\x00\x00\x00\x00\x07" + GOOD % 2,
    GOOD[:40],
    b'{"user":"\xff",' + REQUIRED + b"}",
    b'{"user":"\xe2\x82",' + REQUIRED + b"}",
    b'{"user":"\\ud800",' + REQUIRED + b"}",
    b'{"user":"u",' + REQUIRED + b',"new":"\xff"}',
    b'{"user":"u",' + REQUIRED + b',"threat_score":"0.5"}',
    b'{"user":"u",' + REQUIRED + b',"threat_score":true}',
    b'{"user":"u",' + REQUIRED + b',"threat_score":NaN}',
    b'{"user":"u",' + REQUIRED + b',"threat_score":1}',
    b'{"user":"u",' + REQUIRED + b',"threat_score":1e999}',
    b'{"user":7,' + REQUIRED + b"}",
    b'{"user":null,' + REQUIRED + b"}",
    b"{" + REQUIRED + b"}",
    b'{"user":"a","user":"b",' + REQUIRED + b"}",
    b'{"user":"u",' + REQUIRED + b',"metadata":{"port":9223372036854775808}}',
    b'{"user":"u",' + REQUIRED + b',"metadata":{"port":22,"colour":"red","nested":{"a":[1,2.5,null]}}}',
    b'{"user":"u",' + REQUIRED + b',"colour":"red","\xc3\xa9":[]}',
    b'{"user":"u",' + REQUIRED + b',"deep":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    b'{"user":"u","event_id":"e","event_type":"x","timestamp":"2026-01-31T14:00:00+02:00"}',
    b'{"user":"u","event_id":"e","event_type":"x","timestamp":"2026-01-31T14:00:00"}',
    b'{"user":"u","event_id":"e","event_type":"x","timestamp":0}',
    b'{"user":"u","event_id":"e","event_type":"x","timestamp":-86400001}',
    b'{"user":"u","event_id":"e","event_type":"x","timestamp":4102444800000}',
    b'{"user":"' + b"u" * 100_000 + b'",' + REQUIRED + b"}",
    b" \n" + GOOD % 3 + b"\n",
    GOOD % 4 + GOOD % 5,
    GOOD % 6,
)


TRANSACTIONS: tuple[bytes | None, ...] = (
    transaction(),
    None,
    b"",
    transaction(discount_percent=None, card_network=..., fraud_score=1),
    transaction(event_timestamp="2026-02-01T01:30:00+05:30"),
    transaction(event_timestamp="1969-12-31T23:59:59.999999Z"),
    transaction(event_timestamp="1900-03-01T00:00:00-01:00"),
    transaction(event_timestamp="2026-01-31T14:00:00"),
    transaction(event_timestamp=1_769_868_000_000),
    transaction(event_timestamp=None),
    transaction(processing_timestamp="2001-01-01T00:00:00+01:00"),
    transaction(processing_timestamp="2001-01-01"),
    transaction(processing_timestamp=0, batch_id="batch-1"),
    transaction(batch_id="batch-1"),
    transaction(quantity=2**31 - 1),
    transaction(quantity=-(2**31)),
    transaction(quantity=2**31),
    transaction(quantity=2.0),
    transaction(quantity="2"),
    transaction(unit_price=40, total_amount=raw("1e999")),
    transaction(unit_price=raw("1e-320"), total_amount=-0.0),
    transaction(is_fraudulent=None),
    transaction(is_fraudulent="no"),
    transaction(city="Zürich 😀", invoice_no="536365", event_date="1999-01-01"),
    transaction(city=raw(b'"\xff"')),
    transaction(city=...),
    *retail_values()[:20],
)

RECORDS: dict[str, tuple[bytes | None, ...]] = {"security": VALUES, "transactions": TRANSACTIONS}
"""What is asked about, by contract."""


def record_frame(values: Sequence[bytes | None] = VALUES) -> pl.DataFrame:
    """``values`` as records of two partitions, keys and Kafka timestamps of every kind in between."""
    rows = len(values)
    stamp = datetime(2026, 1, 31, 14, tzinfo=UTC)
    none = datetime(1969, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)  # how Kafka says that there is none: -1 ms
    return pl.DataFrame(
        {
            "topic": ["security-events"] * rows,
            "partition": pl.Series([number % 2 for number in range(rows)], dtype=pl.Int32),
            "offset": [1_000 + 3 * number for number in range(rows)],
            "timestamp": pl.Series(
                [none if n % 5 == 4 else stamp for n in range(rows)], dtype=pl.Datetime("us", "UTC")
            ),
            "key": pl.Series([None if number % 3 else b"\x00key\xff" for number in range(rows)], dtype=pl.Binary),
            "value": pl.Series(values, dtype=pl.Binary),
        }
    )
