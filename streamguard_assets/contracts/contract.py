"""The contract of a stream: one event class, and everything that is derived from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from streamguard_assets.contracts import schemas, table_schemas
from streamguard_assets.contracts.columns import RESERVED_NAMES, Column, columns_of, date_column, extra_column
from streamguard_assets.contracts.decoding import DECODER_REVISION, Decoded, StrictDecoder
from streamguard_assets.contracts.fields import Record
from streamguard_assets.contracts.soft_rules import SoftRule
from streamguard_assets.contracts.verdict import Rejection

if TYPE_CHECKING:
    import deltalake
    from pyspark.sql.types import StructType


@dataclass(frozen=True)
class Contract:
    """What an event of a stream is. A stream is added by a module that makes one of these.

    ``event`` declares the fields. ``user_column``, ``time_column`` and ``id_column`` say which of them tell who did
    it, when, and what the producer calls it. ``event_types`` are the known kinds of event, where a stream has kinds;
    features count each of them. A contract can be sent to other processes.

    Two columns may be made by the pipeline. ``event_date`` names a column that no record holds: the UTC date of the
    time column. ``ingested_at`` names an optional instant of the event that is set when the record is ingested,
    whatever the record says; it tells when a row was made and not what it says, so no content hash knows it.

    ``ValueError`` or ``TypeError`` at once when the parts do not fit together.
    """

    name: str
    description: str
    event: type[Record]
    user_column: str
    time_column: str
    id_column: str
    event_types: tuple[str, ...] = ()
    soft_rules: tuple[SoftRule, ...] = ()
    event_date: str | None = None
    ingested_at: str | None = None

    def __post_init__(self) -> None:
        roles = {self.user_column: "text", self.time_column: "timestamp", self.id_column: "text"}
        for name, kind in roles.items():
            if not any(c.name == name and c.kind == kind and c.required for c in self.columns):
                raise ValueError(f"contract {self.name}: {name!r} must be a required {kind} column")
        self._check_made_columns()
        names = [rule.name for rule in self.soft_rules]
        if len(set(names)) < len(names):
            raise ValueError(f"contract {self.name}: two soft rules have the same name: {', '.join(names)}")
        known = {column.name for column in self.columns}
        for rule in self.soft_rules:
            if not known.issuperset(rule.columns):
                raise ValueError(f"contract {self.name}: soft rule {rule.name} reads columns that are not there")

    def _check_made_columns(self) -> None:
        if self.event_date in RESERVED_NAMES.union(column.name for column in self.columns):
            raise ValueError(f"contract {self.name}: {self.event_date!r} is a column already, and cannot be derived")
        optional = [c.name for c in self.columns if c.kind == "timestamp" and not c.required]
        if self.ingested_at is not None and self.ingested_at not in optional:
            raise ValueError(f"contract {self.name}: {self.ingested_at!r} must be an optional timestamp column")

    def __getstate__(self) -> dict[str, Any]:
        """The declaration alone: what is derived from it (decoders cannot be pickled) is derived again."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The columns that the event class declares, in its order, and ``extra``."""
        return (*columns_of(self.event), extra_column("the event"))

    @cached_property
    def derived_columns(self) -> tuple[Column, ...]:
        """The columns that are computed from others; they follow those of the event."""
        return () if self.event_date is None else (date_column(self.event_date, self.time_column),)

    @property
    def provenance_columns(self) -> tuple[str, ...]:
        """Names of the columns that say how a row came about; contents are hashed and compared without them."""
        return () if self.ingested_at is None else (self.ingested_at,)

    @cached_property
    def hash(self) -> str:
        """16 hexadecimal digits that change when some bytes could get another verdict or another row.

        Equal in every process and on every machine. Descriptions and soft rules are not part of it: they change no
        row, and rewording one must not rebuild every window.
        """
        definition = {
            "name": self.name,
            "decoder_revision": DECODER_REVISION,
            "columns": [column.definition for column in self.columns],
            # Only where there are any: the hashes of contracts without them stay as they are, and so do their windows.
            **({"event_date": [self.event_date, self.time_column]} if self.event_date else {}),
            **({"ingested_at": self.ingested_at} if self.ingested_at else {}),
        }
        text = json.dumps(definition, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def decode(self, value: bytes | None) -> Record | Rejection:
        """The verdict of one record's value: the event, or why it is rejected. Never raises, for any bytes.

        Timestamps of the event are epoch milliseconds or datetimes in UTC, as the producer wrote them; unknown
        fields are in ``extra`` of the event and of its groups, as the text of a JSON object.
        """
        return self._decoder.decode(value)

    def decode_all(self, values: Sequence[bytes | None]) -> Decoded:
        """The verdicts of many values; each is what ``decode`` says of it alone."""
        return self._decoder.decode_all(values)

    def arrow_schema(self) -> pa.Schema:
        """The columns of accepted events, derived ones last; descriptions are the field metadata ``comment``."""
        return schemas.arrow_schema(self.columns + self.derived_columns)

    def events_schema(self) -> pa.Schema:
        """The columns of the stream's ``events`` table: window, place in Kafka, then the contract's."""
        return pa.schema([schemas.WINDOW_FIELD, *schemas.KAFKA_FIELDS, *self.arrow_schema()])

    def delta_schema(self) -> deltalake.Schema:
        """``arrow_schema`` as Delta writes it."""
        return table_schemas.delta_schema(self.arrow_schema())

    def spark_schema(self) -> StructType:
        """``arrow_schema`` for Spark; pyspark is imported by this call only, and no JVM starts."""
        return table_schemas.spark_schema(self.arrow_schema())

    @cached_property
    def _decoder(self) -> StrictDecoder:
        return StrictDecoder(self.event, self.columns)
