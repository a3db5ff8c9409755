"""``ingest_window STATE BOOTSTRAP_SERVERS TOPIC WINDOW``: a whole topic into one window, as the asset does it."""

from __future__ import annotations

import sys

from streamguard_assets.bench.room import STREAM
from streamguard_assets.contracts.offsets import OffsetRange
from streamguard_assets.contracts.windows import window_start
from streamguard_assets.kafka.offsets import last_stable_offsets
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.settings import load_settings
from streamguard_assets.windows.ingest import Ingest
from streamguard_assets.windows.stream import open_stream
from streamguard_assets.windows.view import LedgerWindow


def main(state: str, bootstrap_servers: str, topic: str, window: str) -> None:
    settings = load_settings(
        state_dir=state,
        kafka={"bootstrap_servers": bootstrap_servers},
        streams={STREAM: {"topic": topic, "contract": "security", "start": window_start(window)}},
    )
    stream = open_stream(settings, STREAM, LakeLocation(settings.lake_uri))
    ends = last_stable_offsets(stream.connection, topic)
    covered = OffsetRange(topic, dict.fromkeys(ends, 0), ends)
    with Ingest(stream, "bench", window_start(window)) as ingest:
        commit = ingest.window(LedgerWindow(window, covered, closed=True))
    print(commit.rows if commit is not None else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
