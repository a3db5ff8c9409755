"""``stream_until_told STATE BOOTSTRAP_SERVERS TOPIC TRIGGER_MS``: the embedded engine on a topic, until SIGTERM."""

from __future__ import annotations

import signal
import sys
from datetime import UTC, datetime

from streamguard_assets.bench.room import STREAM
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.settings import load_settings
from streamguard_assets.streaming.control import Control
from streamguard_assets.streaming.embedded.engine import run_stream
from streamguard_assets.streaming.progress import Progress
from streamguard_assets.windows.stream import open_stream


def main(state: str, bootstrap_servers: str, topic: str, trigger_ms: str) -> None:
    settings = load_settings(
        state_dir=state,
        kafka={"bootstrap_servers": bootstrap_servers},
        streams={STREAM: {"topic": topic, "contract": "security"}},
        streaming={"trigger_ms": int(trigger_ms), "start": "earliest"},
    )
    stream = open_stream(settings, STREAM, LakeLocation(settings.lake_uri))
    control = Control()
    signal.signal(signal.SIGTERM, lambda *_: control.stop("SIGTERM"))
    run_stream(stream, "bench", control, Progress(STREAM, "bench", _now), now=_now)


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    main(*sys.argv[1:])
