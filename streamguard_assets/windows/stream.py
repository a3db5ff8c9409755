"""One configured stream with everything it is made of: settings, contract, topic and tables.

The bundle that assets, commands and checks are handed, so that none of them puts the pieces together again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

import polars as pl
import pyarrow as pa
from filelock import FileLock

from streamguard_assets import __version__
from streamguard_assets.contracts.contract import Contract
from streamguard_assets.contracts.windows import Cadence, window_key
from streamguard_assets.kafka.bootstrap import bootstrap_servers
from streamguard_assets.kafka.client import KafkaConnection
from streamguard_assets.lake.gaps import GapRegister
from streamguard_assets.lake.ledger import Ledger
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.lake.quarantine import Quarantine
from streamguard_assets.lake.schema import polars_schema
from streamguard_assets.lake.tables import stored_schema, table_exists
from streamguard_assets.lake.window_table import WindowTable
from streamguard_assets.settings import Settings, StreamSettings
from streamguard_assets.windows.graph import Graph, configured_contract, configured_graph
from streamguard_assets.windows.inputs import WindowAsset, window_graph
from streamguard_assets.windows.tables import provenance_columns, table_schema

CODE_VERSION = __version__


@dataclass(frozen=True)
class Stream:
    """A stream ready for use. ``connect`` is called only when Kafka is needed, so tables open without a broker."""

    name: str
    settings: Settings
    location: LakeLocation
    connect: Callable[[], KafkaConnection]

    @property
    def config(self) -> StreamSettings:
        return self.settings.stream(self.name)

    @property
    def topic(self) -> str:
        return self.config.topic

    @property
    def cadence(self) -> Cadence:
        return Cadence(self.config.window_minutes)

    @cached_property
    def contract(self) -> Contract:
        return configured_contract(self.settings, self.name)

    @cached_property
    def graph(self) -> Graph:
        """The assets of the stream by name, in build order."""
        return configured_graph(self.settings, self.name)

    @cached_property
    def window_graph(self) -> tuple[WindowAsset, ...]:
        """The planned assets of the stream, in the order in which a run builds them."""
        return window_graph(self.graph)

    @cached_property
    def connection(self) -> KafkaConnection:
        return self.connect()

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(self.location, self.name, self.topic, self.cadence, CODE_VERSION)

    @cached_property
    def quarantine(self) -> Quarantine:
        return Quarantine(self.location, self.name)

    @cached_property
    def gaps(self) -> GapRegister:
        return GapRegister(self.location, self.name)

    @cached_property
    def _tables(self) -> dict[str, WindowTable]:
        return {}

    def table(self, asset: str) -> WindowTable:
        """The window table of one built-in asset, kept open: a reopened one reads its log from the beginning."""
        schema, provenance = table_schema(asset, self.contract), provenance_columns(asset, self.contract)
        return self.kept_table(asset, schema, self.graph[asset].description, provenance)

    def kept_table(self, name: str, schema: pa.Schema, description: str, provenance: Sequence[str] = ()) -> WindowTable:
        """A window table of the stream that need not be an asset's, kept open under its name."""
        if name not in self._tables:
            self._tables[name] = WindowTable(
                self.location,
                self.name,
                name,
                schema,
                description,
                provenance=provenance,
                file_rows=self.settings.ingest.file_rows,
            )
        return self._tables[name]

    def user_table(self, name: str, schema: pa.Schema | None) -> WindowTable:
        """The window table of an asset that somebody added beside the built-in ones.

        Its columns are those of the rows being written (``schema``), or, to read it, those that it has.
        """
        location = self.location.table(self.name, name)
        known = schema if schema is not None else stored_schema(location, self.location.storage_options)
        return WindowTable(self.location, self.name, name, known, file_rows=self.settings.ingest.file_rows)

    def user_table_exists(self, name: str) -> bool:
        return table_exists(self.location.table(self.name, name), self.location.storage_options)

    def polars_schema(self, asset: str) -> dict[str, pl.DataType]:
        """Columns of a built-in asset's table as Polars types."""
        return polars_schema(table_schema(asset, self.contract))

    @property
    def first_window(self) -> str | None:
        """The window at which the stream begins, or None while nothing is decided."""
        boundaries = self.ledger.boundaries()
        return window_key(boundaries[0].instant) if boundaries else None

    @property
    def exports_folder(self) -> Path:
        """Where ``training_data`` is exported: beside the tables of a local lake, else in the state folder."""
        root = self.location.path or self.settings.state / "exports"
        return root / self.name / "training_data_export"


def open_stream(settings: Settings, name: str, location: LakeLocation) -> Stream:
    """The stream ``name`` over the lake at ``location``; Kafka is not asked until something needs it.

    Raises:
        SettingsError: there is no such stream, or its contract or an analysis is unknown.
    """
    configured_graph(settings, name)
    return Stream(name, settings, location, lambda: kafka_connection(settings))


def kafka_connection(settings: Settings) -> KafkaConnection:
    """The cluster of the settings, or the local broker of the state folder if one runs.

    Raises:
        BrokerError: no cluster is set and no local broker runs.
    """
    return KafkaConnection.from_settings(settings.kafka, bootstrap_servers(settings))


def decided_start(settings: Settings, stream: str) -> datetime | None:
    """The first boundary of a stream: its setting, else what the first command decided and stored; or None."""
    if (configured := settings.stream(stream).start) is not None:
        return Cadence(settings.stream(stream).window_minutes).floor(configured)
    stored = _read_starts(settings).get(stream)
    return datetime.fromisoformat(stored) if stored else None


def store_start(settings: Settings, stream: str, start: datetime) -> None:
    """Keep the first boundary in the state folder, so that definitions load without asking Kafka."""
    if _read_starts(settings).get(stream) == start.isoformat():
        return
    path = _starts_file(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):  # two streams decide at once: neither may drop the other's start
        starts = {**_read_starts(settings), stream: start.isoformat()}
        # Written beside and renamed: a reader that met half a file would take the stream for a new one.
        beside = path.with_suffix(".new")
        beside.write_text(json.dumps(starts, indent=2))
        beside.replace(path)


def _starts_file(settings: Settings) -> Path:
    return settings.state / "starts.json"


def _read_starts(settings: Settings) -> dict[str, str]:
    path = _starts_file(settings)
    return json.loads(path.read_text()) if path.exists() else {}
