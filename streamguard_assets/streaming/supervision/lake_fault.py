"""What a lake says that does not answer, in one line, for people who only look; defects are told apart from it."""

from __future__ import annotations

import re
import traceback
from itertools import takewhile
from types import FrameType

from deltalake.exceptions import DeltaError
from polars.exceptions import ComputeError

from streamguard_assets.streaming.supervision.heartbeat import plain

_LAKE = "streamguard_assets.lake."
_STORE_MODULES = (_LAKE, "deltalake.", "polars.")
_UNREADABLE_FILE = "parquet: "
"""How Polars begins when a file is no Parquet. Its other ComputeErrors are of a query that is wrong."""
_RUST_FRAME = re.compile(r"\s*\d+: ")
"""delta-rs appends its stack where the environment asks Rust for one."""


def lake_fault(error: BaseException) -> str | None:
    """The kind of ``error``, what it says and which table or file it is about; None when it is no fault of the lake.

    A fault of the lake is an error of delta-rs, a file that is no Parquet, or an error of the operating system that
    came up in the lake's code: a socket or a file of somebody else fails with the same types.
    """
    if not _is_of_the_lake(error):
        return None
    lines = takewhile(lambda line: not _RUST_FRAME.match(line), plain(str(error)).splitlines())
    text = f"{type(error).__name__}: {' '.join(' '.join(lines).split())}"
    uri = _uri_at_work(error)
    return text if uri is None or uri in text else f"{text} ({uri})"


def _is_of_the_lake(error: BaseException) -> bool:
    match error:
        case DeltaError():
            return True
        case ComputeError():
            return str(error).startswith(_UNREADABLE_FILE)
        case BrokenPipeError():
            return False  # the reader of our output has gone
        case OSError():
            return any(_is_in(frame, *_STORE_MODULES) for frame, _ in traceback.walk_tb(error.__traceback__))
    return False


def _uri_at_work(error: BaseException) -> str | None:
    """The address that the lake's innermost function was called for: delta-rs often says what, and not where."""
    uris = [
        frame.f_locals.get("uri") or getattr(frame.f_locals.get("self"), "uri", None)
        for frame, _ in traceback.walk_tb(error.__traceback__)
        if _is_in(frame, _LAKE)
    ]
    return next((uri for uri in reversed(uris) if isinstance(uri, str)), None)


def _is_in(frame: FrameType, *packages: str) -> bool:
    return f"{frame.f_globals.get('__name__')}.".startswith(packages)
