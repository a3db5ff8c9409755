"""The local Spark session: one per process, made from settings, stopped by the one who made it.

The environment that Spark reads while it starts (``JAVA_HOME``, ``SPARK_HOME``, …) is set for that moment only, so
that a session leaves nothing behind in the process that asked for it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from pyspark import SparkConf, SparkContext
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from streamguard_assets.jvm.jar_set import spark_jars
from streamguard_assets.jvm.jars import OnJarProgress, ensure_jars
from streamguard_assets.jvm.java import find_java
from streamguard_assets.jvm.spark_java import spark_java_home
from streamguard_assets.settings import Settings

APPLICATION_NAME = "streamguard"
LOG_CONFIGURATION = Path(__file__).with_name("log4j2.properties")
FINGERPRINT = "spark.streamguard.fingerprint"
JVM_EXIT_TIMEOUT_S = 20.0

_lock = threading.Lock()


class SparkSessionError(Exception):
    """Spark could not be started, or another session already runs in this process."""


def session_options(settings: Settings, jars: Sequence[Path]) -> dict[str, str]:
    """Every ``spark.*`` option of the local session; ``spark.options`` of the settings has the last word.

    ``jars`` are files on disk, already verified: ``spark.jars.packages`` would fetch by itself, unverified, and
    would ignore the user's mirror.
    """
    state = settings.state / "spark"
    return {
        "spark.app.name": APPLICATION_NAME,
        "spark.master": settings.spark.master,
        "spark.jars": ",".join(str(jar) for jar in jars),
        "spark.driver.memory": f"{settings.spark.driver_memory_mb}m",
        "spark.driver.extraJavaOptions": _java_options(state),
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.local.dir": str(state / "tmp"),
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        # One Arrow batch is one chunk of the parser; the default of 10,000 falls out of the CPU's cache.
        "spark.sql.execution.arrow.maxRecordsPerBatch": str(settings.ingest.chunk_records),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": str(settings.spark.shuffle_partitions),
        "spark.sql.warehouse.dir": str(state / "warehouse"),
        # Delta spreads the state of a table over 50 tasks by default: seconds per read on one machine.
        "spark.databricks.delta.snapshotPartitions": "2",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        **settings.spark.options,
    }


def open_session(settings: Settings, on_progress: OnJarProgress | None = None) -> SparkSession:
    """Start Spark as the settings say and give its session; the running one if it was made with the same options.

    Finds Java and fetches the jars first if they are missing (``JavaNotFound``, ``JarsUnavailable``).
    ``SparkSessionError`` if this process already runs a session with other options (Spark would silently reuse it
    and ignore ours), or if Spark does not come up.
    """
    java = find_java(settings.jvm)
    java_home = spark_java_home(java, settings.state)
    options = session_options(settings, ensure_jars(spark_jars(), settings, java=java, on_progress=on_progress))
    fingerprint = _fingerprint(options, java_home)
    with _lock:
        running = _running_session()
        return _start(settings, java_home, options, fingerprint) if running is None else _checked(running, fingerprint)


def stop_session() -> None:
    """Stop the session of this process and wait for its JVM to be gone. Does nothing when there is none.

    ``SparkSession.stop`` alone leaves the JVM and its heap in place until this process ends.
    """
    with _lock:
        session = _running_session()
        if session is not None:
            session.stop()
        gateway, SparkContext._gateway, SparkContext._jvm = SparkContext._gateway, None, None
        if gateway is None:
            return
        gateway.shutdown()
        process: subprocess.Popen[bytes] | None = getattr(gateway, "proc", None)
        if process is not None:
            _end(process)


def _running_session() -> SparkSession | None:
    return SparkSession.getActiveSession() or SparkSession._instantiatedSession


def _start(settings: Settings, java_home: Path, options: Mapping[str, str], fingerprint: str) -> SparkSession:
    for folder in ("tmp", "warehouse"):
        (settings.state / "spark" / folder).mkdir(parents=True, exist_ok=True)
    conf = SparkConf(loadDefaults=False).setAll([*options.items(), (FINGERPRINT, fingerprint)])
    with _environment(_start_environment(java_home)):
        try:
            return SparkSession.builder.config(conf=conf).getOrCreate()
        except PySparkException as error:
            raise SparkSessionError(
                f"Spark did not start under the Java in {java_home}: {error}. "
                "Its own message stands above; `streamguard config` shows the jvm.* and spark.* settings in use."
            ) from error


def _end(process: subprocess.Popen[bytes]) -> None:
    """The JVM leaves when its standard input closes; one that hangs in a shutdown hook is killed."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(JVM_EXIT_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _checked(running: SparkSession, fingerprint: str) -> SparkSession:
    if running.sparkContext.getConf().get(FINGERPRINT) != fingerprint:
        raise SparkSessionError(
            "a Spark session with other options already runs in this process; "
            "stop it first (engines.spark.session.stop_session), or use another process"
        )
    return running


def _fingerprint(options: Mapping[str, str], java_home: Path) -> str:
    """Kept in the session itself: Spark rewrites options as it starts, so they cannot be compared afterwards."""
    return hashlib.sha256(json.dumps([str(java_home), dict(options)], sort_keys=True).encode()).hexdigest()


def _java_options(state: Path) -> str:
    """Options of the driver's JVM. Quoted, because a state folder may have spaces in its name."""
    properties = {
        "user.timezone": "UTC",
        "java.io.tmpdir": str(state / "tmp"),
        "derby.system.home": str(state / "warehouse"),
        "log4j2.configurationFile": LOG_CONFIGURATION.as_uri(),
    }
    return " ".join(f'"-D{name}={value}"' for name, value in properties.items())


def _start_environment(java_home: Path) -> dict[str, str]:
    package = importlib.util.find_spec("pyspark")
    assert package is not None
    assert package.submodule_search_locations is not None
    return {
        "JAVA_HOME": str(java_home),
        "SPARK_HOME": package.submodule_search_locations[0],  # not that of another Spark on this machine
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": sys.executable,  # the workers must see the same packages as this process
        "PYSPARK_SUBMIT_ARGS": "pyspark-shell",
    }


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
