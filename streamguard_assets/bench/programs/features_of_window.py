"""``features_of_window LAKE WINDOW``: the events of one window from the lake to features, as the asset does it."""

from __future__ import annotations

import sys

from streamguard_assets.analytics.user_features.lookback import window_features
from streamguard_assets.analytics.user_features.rows import EVENT_COLUMNS
from streamguard_assets.bench.room import STREAM
from streamguard_assets.contracts.registry import contract
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.lake.window_table import WindowTable


def main(lake: str, window: str) -> None:
    security = contract("security")
    table = WindowTable(LakeLocation(lake), STREAM, "events", security.events_schema())
    events = table.scan([window]).select("window", *EVENT_COLUMNS)
    features = window_features(events, window, [window], security.event_types).collect()
    print(features.height)


if __name__ == "__main__":
    main(*sys.argv[1:])
