"""The live tables of a stream as Dagster shows them: assets that no run materializes, with their observations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
from dagster import AssetSpec, MetadataValue

from streamguard_assets.lake.catalog import LakeTable
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.orchestration.assets.describing import OWNER, column_schema
from streamguard_assets.orchestration.keys import asset_key
from streamguard_assets.settings import Settings
from streamguard_assets.streaming.live_tables import live_dashboard, live_events, live_quarantine
from streamguard_assets.streaming.reconciliation.verdicts import SCHEMA as RECONCILED_SCHEMA
from streamguard_assets.windows.stream import Stream, open_stream


@dataclass(frozen=True)
class LiveAsset:
    """One live table: its name below the stream, what it holds, its columns, and the assets that it is made of."""

    name: str
    description: str
    schema: pa.Schema
    parents: tuple[str, ...] = ()


def live_asset_specs(settings: Settings, stream: str) -> list[AssetSpec]:
    """The live tables of ``stream``; without them observations and checks of live tables would hang in the air."""
    # Of the tables only the columns are asked, so it need not be known yet how to reach the lake.
    opened = open_stream(settings, stream, LakeLocation(settings.lake_uri))
    return [_spec(opened, asset) for asset in _live_assets(opened)]


def _live_assets(stream: Stream) -> Iterator[LiveAsset]:
    yield LiveAsset(
        "live/events",
        "Accepted events as the stream job writes them, until complete windows hold them.",
        live_events(stream).schema,
    )
    yield LiveAsset(
        "live/quarantine",
        "Records that the stream job rejected, with their raw bytes.",
        live_quarantine(stream).schema,
    )
    if (dashboard := live_dashboard(stream)) is not None:
        yield LiveAsset(
            "live/dashboard",
            "The sliding dashboard that the stream job keeps up to date.",
            dashboard.schema,
            ("live/events",),
        )
    yield LiveAsset(
        "live/reconciled",
        "Whether live rows and complete windows say the same, per window.",
        RECONCILED_SCHEMA,
        ("live/events", "live/quarantine", "events", "quarantine"),
    )


def _spec(stream: Stream, asset: LiveAsset) -> AssetSpec:
    return AssetSpec(
        asset_key(stream.name, asset.name),
        deps=[asset_key(stream.name, parent) for parent in asset.parents],
        description=asset.description,
        group_name=f"{stream.name}_live",
        owners=[OWNER],
        kinds={"deltalake"},
        tags={"streamguard/stream": stream.name},
        metadata={
            "topic": stream.topic,
            "sql": MetadataValue.md(
                f'`streamguard sql "select * from {LakeTable(stream.name, asset.name).sql_name} limit 10"`'
            ),
            "dagster/column_schema": column_schema(asset.schema),
        },
    )
