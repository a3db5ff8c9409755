"""One window of a derived asset under construction: what it is built from, and its commit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from streamguard_assets.lake.commits import WindowCommit
from streamguard_assets.windows.definition_hashes import definition_hashes
from streamguard_assets.windows.inputs import read_inputs_hash
from streamguard_assets.windows.stream import CODE_VERSION, Stream

ENGINE = "polars"


@dataclass(frozen=True)
class Build:
    """One window of one asset under construction.

    ``inputs_hash`` is taken before anything is read: should an input be replaced meanwhile, the rows are newer than
    the hash, and the planner builds the window once more. The other way round the change would be lost.
    """

    stream: Stream
    asset: str
    window: str
    attempt: str
    definition: str
    inputs_hash: str

    def commit(self, frame: pl.DataFrame, complete: bool, details: Mapping[str, Any]) -> WindowCommit:
        """Replace the window's rows by those of ``frame``."""
        commit = WindowCommit(
            window=self.window,
            attempt=self.attempt,
            complete=complete,
            inputs_hash=self.inputs_hash,
            code_version=CODE_VERSION,
            details={"definition_hash": self.definition, "engine": ENGINE, **details},
        )
        return self.stream.table(self.asset).write(frame, commit)


def begin_build(stream: Stream, asset: str, window: str, attempt: str) -> Build:
    """Take the state of everything that ``asset`` reads for ``window``; read only after it."""
    definition = definition_hashes(stream)[asset]
    node = next(node for node in stream.window_graph if node.name == asset)
    lookback = stream.config.lookback_windows
    contents = {
        name: {key: commit.content_hash for key, commit in stream.table(name).commits().items()} for name in node.reads
    }
    inputs = read_inputs_hash(node, window, stream.cadence, lookback, definition, contents)
    return Build(stream, asset, window, attempt, definition, inputs)
