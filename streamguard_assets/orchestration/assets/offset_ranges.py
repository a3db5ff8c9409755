"""The asset ``<stream>/offset_ranges``: the boundary ledger, one offset range per window."""

# No `from __future__ import annotations` here: Dagster reads the annotations of these functions, and refuses texts.

from collections.abc import Mapping

from dagster import (
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    MetadataValue,
    ResourceParam,
)

from streamguard_assets.orchestration.assets.describing import AssetStyle
from streamguard_assets.orchestration.resources import Streams
from streamguard_assets.orchestration.window_run import Metadata, each_window, materialize_windows
from streamguard_assets.windows.keeper import keep_ledger, window_slices


def offset_ranges_asset(style: AssetStyle) -> AssetsDefinition:
    """The ledger of one stream as an asset: materializing a window decides its boundaries, once."""
    key = style.key("offset_ranges")

    @style.asset("offset_ranges")
    def offset_ranges(context: AssetExecutionContext, streams: ResourceParam[Streams]) -> None:
        stream = streams.open(style.stream)
        now = streams.now()
        keep_ledger(stream, now)
        windows = list(context.partition_keys)
        slices = window_slices(stream, windows, now)

        def describe(window: str) -> Mapping[AssetKey, Metadata]:
            streams.progress("offset_ranges", window)
            piece = slices.get(window)
            if piece is None:
                return {key: {"state": MetadataValue.text("before the start of the stream: empty")}}
            return {
                key: {
                    "offsets": MetadataValue.json(piece.range.to_json()["offsets"]),
                    "offsets_covered": MetadataValue.int(piece.range.span),
                    "closed": MetadataValue.bool(piece.closed),
                    "topic": MetadataValue.text(piece.range.topic),
                }
            }

        materialize_windows(context, each_window(windows, describe))

    return offset_ranges
