"""``spark_report STATE_DIR JAR_CACHE EVENTS``: a warm local Spark that computes the eight analyses when it is asked.

``EVENTS`` is a Parquet file, kept in Spark's memory from the start. Every line on standard input is answered with the
seconds that one report took; the first answer comes unasked and says that it is ready. In a process of its own,
because a process has one Spark session, and because its JVM is none of the subject's memory.
"""

from __future__ import annotations

import sys

from streamguard_assets.bench.spark_report import spark_report
from streamguard_assets.bench.timing import seconds
from streamguard_assets.engines.spark.session import open_session, stop_session
from streamguard_assets.settings import load_settings

HEAP_MB = 3_072
"""Room enough that the peer is not measured collecting garbage."""


def main(state_dir: str, jar_cache: str, events: str) -> None:
    session = open_session(
        load_settings(state_dir=state_dir, jvm={"jar_cache_dir": jar_cache}, spark={"driver_memory_mb": HEAP_MB})
    )
    try:
        kept = session.read.parquet(events).cache()
        print(seconds(kept.count), flush=True)
        for _ in sys.stdin:
            print(seconds(lambda: spark_report(kept)), flush=True)
    finally:
        stop_session()


if __name__ == "__main__":
    main(*sys.argv[1:])
