"""One class, and everything that follows from it: columns, schemas, hash."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

import deltalake
import msgspec
import polars as pl
import pyarrow as pa
import pytest
from msgspec import Meta

from streamguard_assets.contracts.contract import Contract
from streamguard_assets.contracts.fields import Int64, Record, Timestamp
from streamguard_assets.contracts.registry import CONTRACTS, contract
from streamguard_assets.contracts.security import SECURITY, SecurityEvent
from streamguard_assets.contracts.soft_rules import repeated, unknown_value
from streamguard_assets.contracts.verdict import Rejection
from streamguard_assets_tests.contracts.records import record


class Price(Record):
    amount: float
    currency: str | None = None


class Order(Record):
    """What the next stream may look like: ISO timestamps, a second one, a boolean, a required group."""

    order_id: Annotated[str, Meta(description="id of the order")]
    ordered_at: Annotated[Timestamp, Meta(description="when")]
    customer: str
    price: Price
    quantity: Int64
    paid_at: Timestamp | None = None
    gift: bool | None = None


def orders(event: type[Record] = Order, **changes: Any) -> Contract:
    declared = Contract("orders", "Orders", event, "customer", "ordered_at", "order_id")
    return replace(declared, **changes) if changes else declared


ORDER = b'{"order_id":"o","ordered_at":"2026-01-31T14:00:00Z","customer":"c","price":{"amount":1},"quantity":2'


def types_of(schema: pa.Schema) -> dict[str, pa.DataType]:
    return dict(zip(schema.names, schema.types, strict=True))


def test_security_has_the_columns_of_the_stream() -> None:
    metadata = pa.struct(
        [(name, pa.string()) for name in ("user_agent", "geo_location")]
        + [("port", pa.int64())]
        + [(name, pa.string()) for name in ("protocol", "file_path", "process_name", "domain")]
        + [("bytes_transferred", pa.int64()), ("extra", pa.string())]
    )
    assert types_of(SECURITY.arrow_schema()) == {
        "event_id": pa.string(),
        "timestamp": pa.timestamp("us", "UTC"),
        "event_type": pa.string(),
        "user": pa.string(),
        "source_ip": pa.string(),
        "destination_ip": pa.string(),
        "status": pa.string(),
        "threat_score": pa.float64(),
        "metadata": metadata,
        "extra": pa.string(),
    }
    required = [field.name for field in SECURITY.arrow_schema() if not field.nullable]
    assert required == ["event_id", "timestamp", "event_type", "user"]


def test_the_events_table_begins_with_the_window_and_the_place_in_kafka() -> None:
    schema = SECURITY.events_schema()
    assert types_of(pa.schema(list(schema)[:4])) == {
        "window": pa.string(),
        "kafka_partition": pa.int32(),
        "kafka_offset": pa.int64(),
        "kafka_timestamp": pa.timestamp("us", "UTC"),
    }
    assert schema.names[4:] == SECURITY.arrow_schema().names


@pytest.mark.parametrize("declared", [*CONTRACTS.values(), orders()], ids=lambda declared: declared.name)
def test_every_engine_gets_the_same_schema(declared: Contract) -> None:
    arrow, delta, spark = declared.arrow_schema(), declared.delta_schema(), declared.spark_schema()
    assert spark.jsonValue() == json.loads(delta.to_json())
    assert pa.schema(delta.to_arrow()).equals(arrow.remove_metadata(), check_metadata=False)
    assert delta == deltalake.Schema.from_arrow(arrow)
    types = {"string": pa.string(), "bigint": pa.int64(), "double": pa.float64(), "boolean": pa.bool_()}
    types |= {"timestamp": pa.timestamp("us", "UTC"), "int": pa.int32(), "date": pa.date32()}
    assert arrow.names == [column.name for column in declared.columns + declared.derived_columns]
    for place, column in enumerate(declared.columns + declared.derived_columns):
        assert spark[place].name == arrow.field(place).name == column.name
        assert spark[place].nullable == arrow.field(place).nullable == (not column.required)
        assert spark[place].metadata.get("comment", "") == column.description
        if column.kind != "group":
            assert types[spark[place].dataType.simpleString()] == arrow.field(place).type
    polars = pl.DataFrame(arrow.empty_table())
    assert polars.schema.names() == arrow.names
    assert pa.schema(polars.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(arrow).schema).equals(arrow)


@pytest.mark.parametrize("declared", CONTRACTS.values(), ids=lambda declared: declared.name)
def test_every_column_says_what_it_is(declared: Contract) -> None:
    for column in declared.columns + declared.derived_columns:
        assert column.description, column.name
        assert all(inner.description for inner in column.fields)


def test_what_a_column_of_a_group_is_about_goes_along_to_spark() -> None:
    metadata: Any = SECURITY.spark_schema()["metadata"].dataType
    comments = {field.name: field.metadata["comment"] for field in metadata.fields}
    assert comments["port"] == "destination port"


def test_declaring_a_contract_imports_no_spark() -> None:
    code = "import sys; import streamguard_assets.contracts.registry; print('pyspark' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


@pytest.mark.parametrize("seed", ["0", "1", "random"])
def test_the_hash_is_the_same_in_every_process(seed: str) -> None:
    code = "from streamguard_assets.contracts.registry import contract; print(contract('security').hash)"
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    assert subprocess.check_output([sys.executable, "-c", code], text=True, env=environment).strip() == SECURITY.hash


def test_the_hash_changes_with_whatever_changes_a_row() -> None:
    class Renamed(Record):
        order_id: str
        ordered_at: Timestamp
        customer: str
        total: Price
        quantity: Int64

    class Reordered(Record):
        order_id: str
        customer: str
        ordered_at: Timestamp
        price: Price
        quantity: Int64

    class Optional(Record):
        order_id: str
        ordered_at: Timestamp
        customer: str
        price: Price | None = None
        quantity: Int64 | None = None

    class WithoutZones(Record):
        order_id: str
        ordered_at: Annotated[datetime, Meta(tz=False)]
        customer: str
        price: Price
        quantity: Int64

    variants = (Order, Renamed, Reordered, Optional, WithoutZones)
    assert len({orders(event).hash for event in variants}) == len(variants)
    assert orders(name="purchases").hash != orders().hash


def test_the_hash_changes_with_the_columns_that_the_pipeline_makes() -> None:
    class Delivery(Record):
        order_id: str
        customer: str
        ordered_at: Timestamp
        due_at: Timestamp

    variants = [{}, {"event_date": "day"}, {"event_date": "date"}, {"ingested_at": "paid_at"}]
    assert len({orders(**changes).hash for changes in variants}) == len(variants)
    by_order, by_delivery = (orders(Delivery, event_date="day", time_column=at) for at in ("ordered_at", "due_at"))
    assert by_order.hash != by_delivery.hash


def test_the_hash_of_security_is_the_one_under_which_windows_were_built() -> None:
    assert SECURITY.hash == "1cc74c0d2e9fcce5"
    assert (SECURITY.derived_columns, SECURITY.provenance_columns) == ((), ())


def test_the_date_of_the_event_is_the_last_column_and_never_null() -> None:
    schema = orders(event_date="day").events_schema()
    assert schema.names == [*orders().events_schema().names, "day"]
    assert (schema.field("day").type, schema.field("day").nullable) == (pa.date32(), False)


def test_a_member_that_is_called_like_the_derived_date_is_an_unknown_field() -> None:
    event: Any = orders(event_date="day").decode(ORDER + b',"day":"2020-01-01"}')
    assert event.extra == '{"day":"2020-01-01"}'


def test_the_hash_does_not_change_with_words_and_soft_rules() -> None:
    class Reworded(Order):
        customer: Annotated[str, Meta(description="who ordered")]  # type: ignore[misc]

    assert "who ordered" in {column.description for column in orders(Reworded).columns}
    same_order = sorted(orders(Reworded).columns, key=lambda column: column.name)
    assert [c.definition for c in same_order] == [
        c.definition for c in sorted(orders().columns, key=lambda column: column.name)
    ]
    assert orders(soft_rules=(repeated("order_id"),), description="other words").hash == orders().hash


def test_the_machinery_reads_another_stream_as_well() -> None:
    event: Any = orders().decode(ORDER + b',"paid_at":"2026-01-31T14:00:00+02:00","gift":true,"price_id":7}')
    assert (event.price.amount, event.quantity, event.gift, event.extra) == (1.0, 2, True, '{"price_id":7}')
    assert event.paid_at.hour == 12


@pytest.mark.parametrize("unknown", ["", ',"colour":1'])
def test_a_required_group_is_required_with_and_without_unknown_fields(unknown: str) -> None:
    absent = ORDER.replace(b'"price":{"amount":1},', b"") + f"{unknown}}}".encode()
    null = ORDER.replace(b'{"amount":1}', b"null") + f"{unknown}}}".encode()
    for value in (absent, null):
        verdict = orders().decode(value)
        assert isinstance(verdict, Rejection)
        assert (verdict.code, verdict.json_path) == ("missing_field", "$.price")
    inner = orders().decode(ORDER.replace(b'"amount":1', b'"currency":"EUR"') + f"{unknown}}}".encode())
    assert isinstance(inner, Rejection)
    assert inner.json_path == "$.price.amount"


def test_text_without_a_zone_is_utc_in_a_contract_that_allows_it() -> None:
    class Log(Record):
        id: str
        at: Annotated[datetime, Meta(tz=False)]
        user: str

    log = Contract("log", "", Log, "user", "at", "id")
    event: Any = log.decode(b'{"id":"1","at":"2026-01-31T14:00:00","user":"u"}')
    assert event.at.isoformat() == "2026-01-31T14:00:00+00:00"


def test_a_contract_goes_to_other_processes() -> None:
    SECURITY.decode(record())  # the decoder that it builds cannot be pickled
    received = pickle.loads(pickle.dumps(SECURITY))  # noqa: S301
    assert received.hash == SECURITY.hash
    assert received.decode(record()) == SECURITY.decode(record())


def test_contracts_are_found_by_name() -> None:
    assert contract("security") is SECURITY
    with pytest.raises(LookupError, match=r"no contract 'securty'; known contracts: .*security"):
        contract("securty")


class NullWithoutDefault(Record):
    a: str | None


class DefaultWithoutNull(Record):
    a: str = ""


class Bounded(Record):
    a: Annotated[str, Meta(max_length=5)]


class Unbounded(Record):
    a: int


class Listed(Record):
    a: list[str]


class Aliased(Record):
    a: str = msgspec.field(name="b")


class Reserved(Record):
    kafka_offset: Int64


class Unusual(Record):
    a: Annotated[int, Meta(ge=0, le=2**31 - 1)]


class InstantInside(Record):
    inner: NullWithoutDefault


class At(Record):
    at: Timestamp


class InstantDeep(Record):
    inner: At


class Lossy(Record, forbid_unknown_fields=False):
    a: str


@pytest.mark.parametrize(
    ("event", "problem"),
    [
        (NullWithoutDefault, r"\$\.a: write"),
        (DefaultWithoutNull, r"\$\.a: write"),
        (Bounded, r"\$\.a: StrType has no column"),
        (Unbounded, r"\$\.a: IntType has no column"),
        (Unusual, r"\$\.a: IntType has no column"),
        (Listed, r"\$\.a: ListType has no column"),
        (Aliased, r"\$\.a: columns are named as in JSON"),
        (Reserved, r"\$\.kafka_offset: 'kafka_offset' is the name"),
        (InstantInside, r"\$\.inner\.a: write"),
        (InstantDeep, r"\$\.inner\.at: instants belong at the top"),
        (Lossy, r"\$: .*must be a Record that forbids unknown fields"),
    ],
)
def test_a_class_that_would_lose_something_is_refused_where_it_is_declared(event: type[Record], problem: str) -> None:
    with pytest.raises((TypeError, ValueError), match=problem):
        Contract("broken", "", event, "a", "a", "a")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"user_column": "nobody"}, "'nobody' must be a required text column"),
        ({"time_column": "paid_at"}, "'paid_at' must be a required timestamp column"),
        ({"id_column": "quantity"}, "'quantity' must be a required text column"),
        ({"soft_rules": (repeated("customer"), repeated("customer"))}, "two soft rules have the same name"),
        ({"soft_rules": (unknown_value("colour", ("red",)),)}, "reads columns that are not there"),
        ({"event_date": "customer"}, "'customer' is a column already"),
        ({"event_date": "window"}, "'window' is a column already"),
        ({"ingested_at": "shipped_at"}, "'shipped_at' must be an optional timestamp column"),
        ({"ingested_at": "ordered_at"}, "'ordered_at' must be an optional timestamp column"),
        ({"ingested_at": "gift"}, "'gift' must be an optional timestamp column"),
    ],
)
def test_roles_and_rules_must_fit_the_columns(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        orders(**changes)


def test_security_knows_its_kinds_of_event() -> None:
    assert SECURITY.event_types == (
        "auth_attempt",
        "network_connection",
        "file_access",
        "process_execution",
        "dns_query",
    )
    assert SECURITY.event is SecurityEvent
