"""From a value that cannot be decoded to the rejection that says why: codes, words and JSON paths."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

import msgspec

from streamguard_assets.contracts.fields import INT32_BOUNDS
from streamguard_assets.contracts.verdict import Code, Rejection

MAX_NESTING = 64
"""Deepest nesting of objects and lists. The decoder's own limit is what is left of the caller's stack, which would
make the verdict depend on who asks."""

_HEADER_BYTES = 5  # a zero and the schema's id, big-endian
_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_PLACED = re.compile(r"(?P<what>.*) - at `(?P<path>\$[^`]*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<name>.*)`", re.DOTALL)
_NULL = re.compile(r"Expected `(?P<wanted>[^`]*)`, got `null`")
_MISMATCH = re.compile(r"Expected `(?P<wanted>[^`]*)`, got `(?P<got>[^`]*)`")
_BOUND = re.compile(r"Expected `(int|float)` [<>]=? (?P<limit>.*)|Integer value out of range|Number out of range")
_LIMITS_OF_32_BITS = {str(limit) for limit in INT32_BOUNDS}
_DATETIME = re.compile(r"Invalid RFC3339 encoded datetime|Expected `datetime` .*")
_NAMES = {"datetime": "ISO-8601 text", "int": "integer", "float": "number", "str": "text", "bool": "true or false"}


def unreadable(value: bytes | None) -> Rejection | None:
    """The rejection of a value that no decoder need look at; None when it may be JSON."""
    if value is None:
        return Rejection("tombstone", "the record has no value (a tombstone); this stream is not a compacted table")
    if not value:
        return Rejection("empty", "the value has zero bytes")
    if value[0] == 0:
        return _framed(value)
    if _nests_deeper_than(MAX_NESTING, value):
        return Rejection("too_deep", f"objects or lists are nested deeper than {MAX_NESTING} levels")
    return None


def explained(error: Exception, value: bytes, timestamps: Mapping[str, Collection[str]]) -> Rejection:
    """The rejection for what the decoder said of a value.

    ``timestamps`` are the paths of instants, with the forms in which each may be written: they tell a number or text
    that is no instant from any other number out of bounds.
    """
    if isinstance(error, UnicodeDecodeError):
        return not_utf8("$")
    if isinstance(error, RecursionError):
        return Rejection("too_deep", "objects or lists are nested too deep to be read")
    if isinstance(error, msgspec.ValidationError):
        return _invalid(str(error), timestamps)
    if isinstance(error, msgspec.DecodeError):
        return _malformed(str(error), value)
    return Rejection("undecodable", f"the decoder gave up: {type(error).__name__}")


def not_utf8(json_path: str) -> Rejection:
    """The rejection of bytes that are no UTF-8, at the place where they stand."""
    return Rejection("invalid_utf8", "a field or its name holds bytes that are not UTF-8", json_path)


def beyond_the_calendar(json_path: str) -> Rejection:
    """The rejection of a timestamp whose zone carries it out of the years that columns can hold."""
    return Rejection("bad_timestamp", "the instant lies outside the years 0001 to 9999 in UTC", json_path)


def _framed(value: bytes) -> Rejection:
    if len(value) < _HEADER_BYTES:
        return Rejection("schema_registry_framing", "the value begins with byte 0, like schema-registry framing")
    schema_id = int.from_bytes(value[1:_HEADER_BYTES], "big")
    reason = (
        f"the value begins with schema-registry framing (byte 0, schema id {schema_id}); "
        "this stream takes plain JSON: configure the producer with a JSON serializer without schema registry"
    )
    return Rejection("schema_registry_framing", reason)


def _nests_deeper_than(levels: int, value: bytes) -> bool:
    if value.count(b"{") + value.count(b"[") <= levels:  # true of nearly every record: two counts instead of a scan
        return False
    depth = 0
    for bracket in re.findall(rb"[\[\]{}]", _TEXT.sub(b"", value)):
        depth += 1 if bracket in b"[{" else -1
        if depth > levels:
            return True
    return False


def _invalid(message: str, timestamps: Mapping[str, Collection[str]]) -> Rejection:
    placed = _PLACED.fullmatch(message)
    what, path = (placed["what"], placed["path"]) if placed else (message, "$")
    if missing := _MISSING.fullmatch(what):
        return Rejection("missing_field", f"required field `{missing['name']}` is absent", f"{path}.{missing['name']}")
    if path != "$" and _NULL.fullmatch(what):
        return Rejection("missing_field", f"required field `{path.rpartition('.')[2]}` is null", path)
    if mismatch := _MISMATCH.fullmatch(what):
        return Rejection("wrong_type", f"expected {_words(mismatch['wanted'])}, got {mismatch['got']}", path)
    if path in timestamps and (_DATETIME.fullmatch(what) or _BOUND.fullmatch(what)):
        return Rejection("bad_timestamp", _timestamp_reason(what, timestamps[path]), path)
    if bound := _BOUND.fullmatch(what):
        bits = "32 bits" if bound["limit"] in _LIMITS_OF_32_BITS else "64 bits, finite"
        return Rejection("out_of_range", f"the number does not fit its column: {bits}", path)
    return Rejection("undecodable", what, path)


def _words(wanted: str) -> str:
    """``int | null`` in the words of people who write JSON."""
    return " or ".join(_NAMES.get(name, name) for name in wanted.split(" | "))


def _timestamp_reason(what: str, forms: Collection[str]) -> str:
    if "timezone" in what:
        return "the text has no zone; write it like 2026-01-31T14:00:00Z"
    if _BOUND.fullmatch(what):
        return "as epoch milliseconds the number lies outside the years 0001 to 9999"
    if "epoch_ms" in forms:
        return "neither epoch milliseconds nor ISO-8601 text with a zone, like 2026-01-31T14:00:00Z"
    return "not ISO-8601 text with a zone, like 2026-01-31T14:00:00Z"


def _malformed(message: str, value: bytes) -> Rejection:
    if any(escape["lone"] for escape in _ESCAPE.finditer(value)):
        code: Code = "lone_surrogate"
        return Rejection(code, "a \\u escape is half of a surrogate pair, which no text can hold", "$")
    # "Input data …" goes on after a colon elsewhere; "JSON is malformed" keeps its capitals.
    reason = message if message[1:2].isupper() else message[:1].lower() + message[1:]
    return Rejection("not_json", reason)
