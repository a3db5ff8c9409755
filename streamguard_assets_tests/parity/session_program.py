"""Run as a program by ``test_session``, because a process has one session: opens one, uses it, says what it saw.

``session_program.py STATE_DIR JAR_CACHE use|hold``. One JSON object per line on standard output. ``hold`` waits for
standard input to close with the session open, to be killed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
from pyspark.sql import SparkSession

from streamguard_assets.engines.spark.session import open_session, stop_session
from streamguard_assets.settings import Settings, load_settings


def doubled(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield pa.RecordBatch.from_pydict({"number": [2 * number for number in batch["number"].to_pylist()]})


def use(settings: Settings, table: str) -> None:
    spark = open_session(settings)
    numbers = spark.createDataFrame(pa.table({"number": [1, 2, 3]})).coalesce(1)
    numbers.mapInArrow(doubled, "number long").write.format("delta").save(table)
    read = spark.read.format("delta").load(table).toArrow()["number"].to_pylist()
    java = java_version(spark)
    stop_session()
    say(java=java, numbers=sorted(read), children_left=children())


def hold(settings: Settings) -> None:
    open_session(settings)
    say(children=children())
    sys.stdin.read()


def java_version(spark: SparkSession) -> str:
    jvm = spark.sparkContext._jvm
    assert jvm is not None
    return getattr(jvm, "java.lang.System").getProperty("java.version")


def children() -> list[int]:
    return [child.pid for child in psutil.Process().children(recursive=True)]


def say(**what: Any) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    state, jar_cache, action = sys.argv[1:]
    own = load_settings(
        state_dir=state, jvm={"jar_cache_dir": jar_cache}, spark={"master": "local[1]", "shuffle_partitions": 2}
    )
    hold(own) if action == "hold" else use(own, str(Path(state) / "numbers"))
