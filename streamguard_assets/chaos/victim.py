"""``victim --stream NAME --owner NAME …``: the stream in the foreground, until SIGTERM or a blow that it deals itself.

``--step S --pass N`` kills this very process with SIGKILL when it comes to the named step for the n-th time: no other
way hits a point between two commits for sure. Settings come from the environment, as for any process.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from streamguard_assets.chaos.orders import LOST, blow_of, parser
from streamguard_assets.lake.errors import StreamLost
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.processes.parent import die_with_parent
from streamguard_assets.settings import load_settings
from streamguard_assets.streaming.control import Control
from streamguard_assets.streaming.embedded.engine import run_stream
from streamguard_assets.streaming.progress import Progress
from streamguard_assets.windows.stream import open_stream


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser("victim", (__doc__ or "").splitlines()[0]).parse_args(arguments)
    die_with_parent(options.parent)
    control = Control()
    signal.signal(signal.SIGTERM, lambda *_: control.stop("SIGTERM"))
    settings = load_settings()
    stream = open_stream(settings, options.stream, LakeLocation(settings.lake_uri))
    progress = Progress(stream.name, options.owner, _now)
    try:
        run_stream(stream, options.owner, control, progress, now=_now, on_step=blow_of(options))
    except StreamLost as lost:
        print(f"lost: {lost}", file=sys.stderr, flush=True)
        return LOST
    return 0


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    sys.exit(main())
