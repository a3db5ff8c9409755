"""Where the lake is: its address, the options of its store, and the address of each table. Opens nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

_NAME = re.compile(r"[a-z][a-z0-9_]*(/[a-z0-9_]+)*")


def local_path(uri: str) -> Path | None:
    """The path behind a plain path or a ``file://`` address; None for an address in an object store."""
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return None if "://" in uri else Path(uri)


def window_folder(window: str) -> str:
    """The folder of a window inside a table, escaped as Hive, Spark and delta-rs do.

    >>> window_folder("2026-01-31-14:00")
    'window=2026-01-31-14%3A00'
    """
    return f"window={quote(window, safe='')}"


@dataclass(frozen=True, repr=False)
class LakeLocation:
    """The root of the lake: a local folder or an ``s3://``, ``az://``, ``gs://`` address.

    ``storage_options`` are the options of delta-rs and Polars for that store, as plain text (both read the same
    names, for example ``AWS_ENDPOINT_URL``). Several writers of one S3 bucket need conditional puts, which delta-rs
    uses by default; a store without them has to be told apart with its own options.
    """

    uri: str
    storage_options: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        # A relative folder would be another lake in a child process that starts elsewhere.
        if (path := local_path(self.uri)) is not None:
            object.__setattr__(self, "uri", str(path.expanduser().absolute()))

    def __repr__(self) -> str:
        """Names the options but hides their values: they hold keys of the store."""
        options = ", ".join(f"{key}=***" for key in sorted(self.storage_options))
        return f"LakeLocation({self.uri!r}, {{{options}}})"

    @property
    def path(self) -> Path | None:
        """The lake's folder, or None when it is in an object store."""
        return local_path(self.uri)

    def table(self, stream: str, asset: str) -> str:
        """The address of the Delta table ``<lake>/<stream>/<asset>``; ``asset`` may hold slashes."""
        for name in (stream, asset):
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no name of a stream or an asset: lower-case letters, digits, _ and /")
        return f"{self.uri.rstrip('/')}/{stream}/{asset}"
