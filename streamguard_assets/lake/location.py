"""Where the lake is: its address, the options of its store, and the address of each table. Opens nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

_STREAM = re.compile(r"[a-z][a-z0-9_]*")
_ASSET = re.compile(r"[a-z][a-z0-9_]*(/[a-z0-9_]+(-[a-z0-9_]+)*)*")
"""Folders below the first may have hyphens: a batch's id is one (``batches/batch-20260131-0a1b2c3d/raw``)."""

_NULL_FOLDER = "__HIVE_DEFAULT_PARTITION__"
_MAX_FOLDER_CHARACTERS = 160
"""Longest escaped value in a folder's name; file systems end at 255 bytes, and a category may be any text."""


def local_path(uri: str) -> Path | None:
    """The path behind a plain path or a ``file://`` address; None for an address in an object store."""
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return None if "://" in uri else Path(uri)


def window_folder(window: str) -> str:
    """The folder of a window inside a table.

    >>> window_folder("2026-01-31-14:00")
    'window=2026-01-31-14%3A00'
    """
    return partition_folder("window", window)


def partition_folder(column: str, value: str | None) -> str:
    """The folder of the rows whose ``column`` is ``value``, escaped as Hive, Spark and delta-rs do.

    Delta takes the value from its log and never from the name, so one that is too long for a name is cut.

    >>> partition_folder("category", "toys & games")
    'category=toys%20%26%20games'
    """
    name = _NULL_FOLDER if value is None else quote(value, safe="")
    if len(name) > _MAX_FOLDER_CHARACTERS:
        digest = blake2b(name.encode(), digest_size=8).hexdigest()
        name = f"{name[:_MAX_FOLDER_CHARACTERS]}-{digest}"
    return f"{column}={name}"


def folder_tells(value: str | None) -> bool:
    """Whether the name of the folder alone tells ``value``, for readers that do not ask the log."""
    return value is None or (value != _NULL_FOLDER and len(quote(value, safe="")) <= _MAX_FOLDER_CHARACTERS)


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
        for name, form in ((stream, _STREAM), (asset, _ASSET)):
            if not form.fullmatch(name):
                raise ValueError(f"{name!r} is no name of a stream or an asset: lower-case letters, digits, _ and /")
        return f"{self.uri.rstrip('/')}/{stream}/{asset}"
