"""The asset graph of one stream: a user adds a stream by a contract and a setting, never by copying assets."""

from __future__ import annotations

from dagster import AssetsDefinition

from streamguard_assets.orchestration.assets.analyses import analyses_asset
from streamguard_assets.orchestration.assets.batches import batch_assets
from streamguard_assets.orchestration.assets.derived import derived_asset
from streamguard_assets.orchestration.assets.describing import AssetStyle
from streamguard_assets.orchestration.assets.events import events_asset
from streamguard_assets.orchestration.assets.offset_ranges import offset_ranges_asset
from streamguard_assets.orchestration.assets.rollups import rollup_assets
from streamguard_assets.orchestration.assets.summary import summary_asset
from streamguard_assets.settings import Settings
from streamguard_assets.windows.derive import DERIVED
from streamguard_assets.windows.graph import analyses_of


def stream_assets(settings: Settings, stream: str) -> list[AssetsDefinition]:
    """Every asset of ``stream``, in build order."""
    style = AssetStyle(settings, stream)
    assets = [offset_ranges_asset(style), events_asset(style)]
    if "user_features" in style.graph:
        assets += [*(derived_asset(style, name) for name in DERIVED), summary_asset(style)]
    if analyses_of(style.graph):
        assets.append(analyses_asset(style))
    return [*assets, *rollup_assets(style), *batch_assets(settings, stream)]
