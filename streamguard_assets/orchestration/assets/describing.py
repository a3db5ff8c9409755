"""How an asset presents itself in the Dagster UI: keys, groups, owners, kinds, column schema and lineage."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa
from dagster import (
    AssetDep,
    AssetKey,
    AssetsDefinition,
    AssetSpec,
    BackfillPolicy,
    MetadataValue,
    TableColumn,
    TableColumnConstraints,
    TableColumnDep,
    TableColumnLineage,
    TableSchema,
    TimeWindowPartitionsDefinition,
    asset,
)

from streamguard_assets.contracts.schemas import COMMENT
from streamguard_assets.lake.catalog import LakeTable
from streamguard_assets.orchestration.keys import asset_key
from streamguard_assets.orchestration.partitions import window_partitions
from streamguard_assets.settings import Settings
from streamguard_assets.windows.graph import Graph, configured_contract, configured_graph
from streamguard_assets.windows.lineage import column_sources
from streamguard_assets.windows.stream import CODE_VERSION
from streamguard_assets.windows.tables import table_schema

OWNER = "team:streamguard"


@dataclass(frozen=True)
class AssetStyle:
    """The presentation of every asset of one stream."""

    settings: Settings
    stream: str

    @property
    def partitions(self) -> TimeWindowPartitionsDefinition:
        return window_partitions(self.settings, self.stream)

    @cached_property
    def graph(self) -> Graph:
        return configured_graph(self.settings, self.stream)

    def key(self, asset: str) -> AssetKey:
        return asset_key(self.stream, asset)

    def spec(self, asset: str) -> AssetSpec:
        """The specification of one asset of a multi-asset; it carries no partitions, those are the whole's."""
        fields = self._fields(asset)
        return AssetSpec(self.key(asset), **fields)

    def asset(self, name: str, **more: Any) -> Callable[[Callable[..., Any]], AssetsDefinition]:
        """The decorator of an asset that is alone in its op; with ``ins`` the parents are inputs and not mere deps."""
        fields = self._fields(name)
        if "ins" in more:
            del fields["deps"]
        decorated: Any = asset(
            key=self.key(name),
            partitions_def=self.partitions,
            # A backfill of many windows is one run, with one pass over the log.
            backfill_policy=BackfillPolicy.single_run(),
            **fields,
            **more,
        )
        return decorated

    def _fields(self, asset: str) -> dict[str, Any]:
        node = self.graph[asset]
        return {
            "description": node.description,
            "group_name": self.stream,
            "owners": [OWNER],
            "kinds": set(node.kinds),
            "code_version": CODE_VERSION,
            "tags": {"streamguard/stream": self.stream},
            "metadata": self._metadata(asset),
            "deps": [self._dep(parent) for parent in node.parents],
        }

    def _dep(self, parent: str) -> AssetDep:
        # By its own window only, also where a window reads a lookback. With a mapping over the lookback, a backfill
        # of a week would also rebuild the 23 windows after it (the 167 for the model), in a second run: Dagster joins
        # assets in one run only when they target the same windows. And it looks up the data version of each mapped
        # window. What a lookback changes downstream is found by the plan, by content.
        return AssetDep(self.key(parent))

    def _metadata(self, asset: str) -> dict[str, Any]:
        metadata: dict[str, Any] = {
            "topic": self.settings.stream(self.stream).topic,
            "sql": MetadataValue.md(
                f'`streamguard sql "select * from {LakeTable(self.stream, asset).sql_name} limit 10"`'
            ),
        }
        rules = configured_contract(self.settings, self.stream)
        metadata["dagster/column_schema"] = column_schema(table_schema(asset, rules))
        if sources := column_sources(asset, rules):
            metadata["dagster/column_lineage"] = self._lineage(sources)
        return metadata

    def _lineage(self, sources: Mapping[str, list[tuple[str, str]]]) -> TableColumnLineage:
        return TableColumnLineage(
            {
                column: [TableColumnDep(self.key(asset), parent_column) for asset, parent_column in parents]
                for column, parents in sources.items()
            }
        )


def column_schema(schema: pa.Schema) -> TableSchema:
    """Columns as the UI shows them, with their descriptions."""
    return TableSchema(
        columns=[
            TableColumn(
                name=field.name,
                type=str(field.type).replace("large_", ""),  # Arrow's offsets are no concern of a reader
                description=(field.metadata or {}).get(COMMENT, b"").decode() or None,
                constraints=TableColumnConstraints(nullable=field.nullable),
            )
            for field in schema
        ]
    )
