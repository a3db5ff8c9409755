"""The columns that an event class declares: the one description from which every schema is derived."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from msgspec import inspect

from streamguard_assets.contracts.fields import INT32_BOUNDS, INT64_BOUNDS, TIMESTAMP_BOUNDS_MS, Record

Kind = Literal["text", "integer32", "integer", "number", "boolean", "timestamp", "date", "group"]
"""``integer`` has 64 bits. A ``date`` is never read from a record: only a derived column is one."""

EXTRA = "extra"
RESERVED_NAMES = frozenset({EXTRA, "window", "kafka_partition", "kafka_offset", "kafka_timestamp"})
"""Names of columns that every events table has beside those of its contract."""


@dataclass(frozen=True)
class Column:
    """One column. ``required`` means neither absent nor null; ``fields`` are the columns inside a group; ``forms``
    are the ways in which an instant may be written."""

    name: str
    kind: Kind
    required: bool
    description: str
    fields: tuple[Column, ...] = ()
    forms: tuple[str, ...] = ()

    @property
    def definition(self) -> dict[str, Any]:
        """What of this column decides about verdicts and rows; descriptions do not."""
        inner = [field.definition for field in self.fields]
        return {
            "name": self.name,
            "kind": self.kind,
            "required": self.required,
            "fields": inner,
            "forms": list(self.forms),
        }


def extra_column(of: str) -> Column:
    """The column that keeps the members of ``of`` that the contract does not name."""
    return Column(EXTRA, "text", False, f"JSON object of the fields of {of} that the contract does not name")


def date_column(name: str, of: str) -> Column:
    """The column that holds the UTC date of the instant in ``of``; by it readers skip days."""
    return Column(name, "date", True, f"UTC date of `{of}`")


def columns_of(event: type[Record]) -> tuple[Column, ...]:
    """The columns of an event class, in its order, each group closed by its ``extra``.

    ``TypeError`` names a field whose type has no column, ``ValueError`` one with a reserved name.
    """
    return tuple(_columns(event, "$"))


def _columns(record: type, path: str) -> Iterator[Column]:
    info = inspect.type_info(record)
    if not (isinstance(info, inspect.StructType) and issubclass(record, Record) and info.forbid_unknown_fields):
        raise TypeError(f"{path}: {record!r} must be a Record that forbids unknown fields, or they would be lost")
    for field in info.fields:
        place = f"{path}.{field.name}"
        if field.name in RESERVED_NAMES:
            raise ValueError(f"{place}: {field.name!r} is the name of a column that every events table has")
        if field.encode_name != field.name:
            raise ValueError(f"{place}: columns are named as in JSON, so the field cannot be read as another name")
        column = _column(field, place)
        if column.kind == "timestamp" and path != "$":
            raise TypeError(f"{place}: instants belong at the top of an event, where they are brought to UTC")
        yield column


def _column(field: inspect.Field, place: str) -> Column:
    declared, description = _without_annotation(field.type)
    options = declared.types if isinstance(declared, inspect.UnionType) else (declared,)
    present = [option for option in options if not isinstance(option, inspect.NoneType)]
    nullable = len(present) < len(options)
    if nullable == field.required:
        raise TypeError(f"{place}: write `T` for a required field and `T | None = None` for any other")
    kind = _kind(present, place)
    fields: tuple[Column, ...] = ()
    if kind == "group":
        (group,) = present
        assert isinstance(group, inspect.StructType)
        fields = (*_columns(group.cls, place), extra_column(field.name))
    forms = tuple(_FORMS[getattr(option, "tz", "epoch")] for option in present) if kind == "timestamp" else ()
    return Column(field.name, kind, field.required, description, fields, forms)


def _without_annotation(declared: inspect.Type) -> tuple[inspect.Type, str]:
    if not isinstance(declared, inspect.Metadata):
        return declared, ""
    return declared.type, (declared.extra_json_schema or {}).get("description", "")


_FORMS = {"epoch": "epoch_ms", True: "iso_with_zone", False: "iso_without_zone", None: "iso"}


def _kind(types: list[inspect.Type], place: str) -> Kind:
    """The kind of column for the types that a field may have.

    Only types that a column holds without loss are allowed, and no narrower bounds: a value that is well-formed but
    odd is for a soft rule to count, not for the decoder to reject.
    """
    match types:
        case [inspect.StrType(min_length=None, max_length=None, pattern=None)]:
            return "text"
        case [inspect.BoolType()]:
            return "boolean"
        case [inspect.FloatType(gt=None, ge=None, lt=None, le=None, multiple_of=None)]:
            return "number"
        case [inspect.StructType()]:
            return "group"
        case [inspect.IntType(gt=None, ge=low, lt=None, le=high, multiple_of=None)] if (low, high) == INT64_BOUNDS:
            return "integer"
        case [inspect.IntType(gt=None, ge=low, lt=None, le=high, multiple_of=None)] if (low, high) == INT32_BOUNDS:
            return "integer32"
        case [inspect.DateTimeType()]:
            return "timestamp"
        case [inspect.IntType(ge=low, le=high), inspect.DateTimeType()] if (low, high) == TIMESTAMP_BOUNDS_MS:
            return "timestamp"
    names = " | ".join(type(option).__name__ for option in types)
    allowed = "str, bool, float, Int32, Int64, Timestamp, ZonedTimestamp or a Record, unbounded"
    raise TypeError(f"{place}: {names} has no column; use {allowed}")


def groups_of(record: type[Record]) -> dict[str, type[Record]]:
    """The classes of the groups directly inside an event or a group, by field name."""
    info = inspect.type_info(record)
    assert isinstance(info, inspect.StructType)
    groups: dict[str, type[Record]] = {}
    for field in info.fields:
        declared, _ = _without_annotation(field.type)
        for option in declared.types if isinstance(declared, inspect.UnionType) else (declared,):
            if isinstance(option, inspect.StructType) and issubclass(option.cls, Record):
                groups[field.name] = option.cls
    return groups
