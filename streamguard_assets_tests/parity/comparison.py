"""Equal rows, for two engines: whole numbers, texts and instants exactly, fractions to 1e-9, order ignored."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

RELATIVE = 1e-9
"""Engines may add floats in another order; more than this is another result."""


def assert_same_rows(expected: pa.Table, actual: pa.Table) -> None:
    """Same column names and types (string widths aside), and the same rows in any order."""
    assert actual.column_names == expected.column_names
    types = {
        name: (plain(expected.schema.field(name).type), plain(actual.schema.field(name).type))
        for name in expected.column_names
    }
    assert {name: t for name, t in types.items() if t[0] != t[1]} == {}, "types differ (expected, actual)"
    assert actual.num_rows == expected.num_rows
    for number, (theirs, ours) in enumerate(zip(_ordered(expected), _ordered(actual), strict=True)):
        for name in expected.column_names:
            assert same(theirs[name], ours[name]), (
                f"row {number} {ours}: {name} is {ours[name]!r}, expected {theirs[name]!r}"
            )


def same(expected: Any, actual: Any) -> bool:
    """Equal values, NaN to NaN and null to null; fractions within ``RELATIVE``, also inside lists and structs."""
    if isinstance(expected, float) and isinstance(actual, float):
        return (math.isnan(expected) and math.isnan(actual)) or math.isclose(expected, actual, rel_tol=RELATIVE)
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        return expected.keys() == actual.keys() and all(same(expected[key], actual[key]) for key in expected)
    if isinstance(expected, list) and isinstance(actual, list):
        return len(expected) == len(actual) and all(map(same, expected, actual))
    return type(expected) is type(actual) and expected == actual


def plain(declared: pa.DataType) -> pa.DataType:
    """The type without the width of its string offsets, which is the engine's own affair and no one else's."""
    if pa.types.is_large_string(declared) or pa.types.is_string_view(declared):
        return pa.string()
    if pa.types.is_large_binary(declared) or pa.types.is_binary_view(declared):
        return pa.binary()
    if pa.types.is_list(declared) or pa.types.is_large_list(declared):
        return pa.list_(plain(declared.value_type))
    if pa.types.is_struct(declared):
        return pa.struct([(field.name, plain(field.type)) for field in declared])
    return declared


def _ordered(table: pa.Table) -> list[dict[str, Any]]:
    """Rows sorted by everything but their fractions, which may differ in the last bits; those only break ties."""
    return sorted(table.to_pylist(), key=lambda row: (_exact_part(row), repr(row)))


def _exact_part(row: Mapping[str, Any]) -> str:
    return repr({name: value for name, value in row.items() if not isinstance(value, float)})
