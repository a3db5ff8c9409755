"""The asset graph of one stream: a user adds a stream by a contract and a setting, never by copying assets."""

from __future__ import annotations

from dagster import AssetsDefinition

from streamguard_assets.orchestration.assets.derived import derived_asset
from streamguard_assets.orchestration.assets.describing import AssetStyle
from streamguard_assets.orchestration.assets.events import events_asset
from streamguard_assets.orchestration.assets.offset_ranges import offset_ranges_asset
from streamguard_assets.orchestration.assets.summary import summary_asset
from streamguard_assets.settings import Settings
from streamguard_assets.windows.derive import DERIVED


def stream_assets(settings: Settings, stream: str) -> list[AssetsDefinition]:
    """Every asset of ``stream``, in build order."""
    style = AssetStyle(settings, stream)
    return [
        offset_ranges_asset(style),
        events_asset(style),
        *(derived_asset(style, name) for name in DERIVED),
        summary_asset(style),
    ]
