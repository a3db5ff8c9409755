"""The local session: one per process, in UTC, quiet, gone when stopped, and at home without a system Java."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from pyspark.sql import SparkSession

from streamguard_assets.engines.spark.session import SparkSessionError, open_session
from streamguard_assets.jvm.java import find_java
from streamguard_assets.settings import Settings
from streamguard_assets_tests.conftest import REPOSITORY, make_settings

pytestmark = [pytest.mark.spark, pytest.mark.xdist_group("spark")]

SHELL_TOOLS = ("bash", "dirname", "chmod", "ls", "readlink")
"""What Spark's start script and Hadoop's file system call; a PATH of these alone has no Java on it."""


def test_asking_again_gives_the_running_session(spark: SparkSession, spark_settings: Settings) -> None:
    assert open_session(spark_settings) is spark


def test_other_options_in_the_same_process_are_an_error(
    spark: SparkSession, spark_settings: Settings, machine: dict[str, str]
) -> None:
    other = make_settings(spark_settings.state, machine, spark={"master": "local[1]", "shuffle_partitions": 7})

    with pytest.raises(SparkSessionError, match="already runs in this process"):
        open_session(other)

    assert spark.conf.get("spark.sql.shuffle.partitions") == "2"


def test_times_are_utc(spark: SparkSession) -> None:
    row = spark.sql("select cast(timestamp'2026-07-01T12:00:00Z' as string) as noon").first()

    assert row is not None
    assert row["noon"] == "2026-07-01 12:00:00"


def test_delta_keeps_what_was_written(spark: SparkSession, tmp_path: Path) -> None:
    table = str(tmp_path / "a table")
    spark.range(5).write.format("delta").save(table)
    spark.range(5, 8).write.format("delta").mode("append").save(table)

    assert spark.read.format("delta").load(table).count() == 8
    assert spark.read.format("delta").option("versionAsOf", 0).load(table).count() == 5


def test_nothing_is_written_into_the_working_folder(spark: SparkSession, spark_settings: Settings) -> None:
    spark.range(3).write.format("delta").mode("overwrite").saveAsTable("numbers")

    assert (spark_settings.state / "spark" / "warehouse" / "numbers").is_dir()
    assert not [name for name in ("artifacts", "spark-warehouse", "metastore_db", "derby.log") if Path(name).exists()]


def test_the_bundled_java_will_do_and_is_gone_afterwards(spark_settings: Settings, tmp_path: Path) -> None:
    environment = without_system_java(tmp_path / "bin")

    with program("use", tmp_path / "state folder", spark_settings, environment) as process:
        said, errors = process.communicate(timeout=240)

    assert process.returncode == 0, errors
    answer = json.loads(said)
    assert answer["numbers"] == [2, 4, 6]
    assert answer["java"].split(".")[0] == str(find_java(spark_settings.jvm, environment).feature)
    assert answer["children_left"] == []


@pytest.mark.fault
def test_java_does_not_outlive_a_process_that_was_killed(spark_settings: Settings, tmp_path: Path) -> None:
    with program("hold", tmp_path / "state folder", spark_settings, dict(os.environ)) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        assert said, process.stderr.read() if process.stderr else ""
        family = [psutil.Process(pid) for pid in json.loads(said)["children"]]
        process.kill()

    _, alive = psutil.wait_procs(family, timeout=30)

    assert family
    assert alive == []


def test_a_java_that_spark_cannot_start_on_is_named(spark_settings: Settings, tmp_path: Path) -> None:
    # It says who it is when it is asked, and fails at everything else.
    java = tmp_path / "java" / "bin" / "java"
    java.parent.mkdir(parents=True)
    answer = f"    java.home = {java.parents[1]}\\n    java.version = 17.0.1\\n"
    java.write_text(f'#!/bin/sh\ncase "$*" in *-version*) printf "{answer}" >&2; exit 0 ;; esac\nexit 3\n')
    java.chmod(0o755)
    environment = {**without_system_java(tmp_path / "bin"), "JAVA_HOME": str(java.parents[1])}

    with program("use", tmp_path / "state folder", spark_settings, environment) as process:
        _, errors = process.communicate(timeout=240)

    assert process.returncode != 0
    assert "SparkSessionError: Spark did not start under the Java in" in errors


def without_system_java(tools: Path) -> dict[str, str]:
    """This environment with a PATH of ``SHELL_TOOLS`` and nothing else."""
    tools.mkdir()
    for name in SHELL_TOOLS:
        found = shutil.which(name)
        assert found is not None
        (tools / name).symlink_to(found)
    return {**{name: value for name, value in os.environ.items() if name != "JAVA_HOME"}, "PATH": str(tools)}


def program(action: str, state: Path, settings: Settings, environment: dict[str, str]) -> subprocess.Popen[str]:
    module = "streamguard_assets_tests.parity.session_program"
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", module, str(state), str(settings.jar_cache), action],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )
