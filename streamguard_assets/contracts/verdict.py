"""What a contract says of a record that it does not accept: a code for machines, a reason for people, a place.

Accepted records have no class of their own: their verdict is the decoded event.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Code = Literal[
    "tombstone",  # the record has no value at all
    "empty",  # a value of zero bytes
    "schema_registry_framing",  # a serializer's binary header stands where JSON was expected
    "not_json",  # breaks the grammar of JSON, or ends too early; NaN and Infinity are not JSON
    "invalid_utf8",  # bytes that are no UTF-8, in any field or name
    "lone_surrogate",  # half of a \u surrogate pair: a text that UTF-8 cannot hold
    "too_deep",  # nested deeper than MAX_NESTING
    "wrong_type",  # a number as text, text as a number, a list at the top, …
    "missing_field",  # a required field is absent or null
    "out_of_range",  # a number that its column cannot hold
    "bad_timestamp",  # no zone, no date, or an instant outside the years 0001 to 9999
    "undecodable",  # refused by the decoder for a cause that has no code yet
]
CODES: tuple[str, ...] = get_args(Code)


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a record was not accepted.

    ``reason`` never quotes values of the record (they may be personal data), only names, types and byte positions.
    ``json_path`` is like ``$.metadata.port``, ``$`` for the whole document, None when the text is no JSON at all.
    """

    code: Code
    reason: str
    json_path: str | None = None
