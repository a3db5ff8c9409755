"""What a materialization tells its reader: one translation of a window's commit into Dagster metadata."""

from __future__ import annotations

import json
from typing import Any

from dagster import MetadataValue

from streamguard_assets.lake.commits import WindowCommit

HIDDEN_DETAILS = frozenset({"receipt"})
"""Details that stay in the commit: a receipt lists every hole and would fill the page of a busy topic."""


def commit_metadata(commit: WindowCommit, seconds: float | None = None) -> dict[str, MetadataValue]:
    """Metadata of one materialized window: rows, table version, hashes and every detail that its commit holds.

    ``seconds`` is the time that this window took; with it come the events per second.
    """
    metadata: dict[str, MetadataValue] = {
        "dagster/row_count": MetadataValue.int(commit.rows),
        "complete": MetadataValue.bool(commit.complete),
        "content_hash": MetadataValue.text(commit.content_hash),
        "inputs_hash": MetadataValue.text(commit.inputs_hash),
        "attempt": MetadataValue.text(commit.attempt),
        "code_version": MetadataValue.text(commit.code_version),
    }
    if commit.version is not None:
        metadata["table_version"] = MetadataValue.int(commit.version)
    if seconds is not None:
        metadata["seconds"] = MetadataValue.float(round(seconds, 4))
        delivered = commit.details.get("delivered")
        if isinstance(delivered, int) and seconds > 0:
            metadata["events_per_s"] = MetadataValue.float(round(delivered / seconds, 1))
    for name, value in commit.details.items():
        if name not in HIDDEN_DETAILS and value is not None:
            metadata[name] = as_metadata(value)
    return metadata


def as_metadata(value: Any) -> MetadataValue:
    """The metadata type that the UI shows ``value`` best with; dictionaries and lists become JSON."""
    match value:
        case bool():
            return MetadataValue.bool(value)
        case int():
            return MetadataValue.int(value)
        case float():
            return MetadataValue.float(value)
        case str():
            return MetadataValue.text(value)
        case _:
            return MetadataValue.json(json.loads(json.dumps(value, default=str)))
