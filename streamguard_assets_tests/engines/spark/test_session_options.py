"""The options of a local session are made from settings; what only shows in a running session is in ``parity``."""

import os
from pathlib import Path

import pytest

from streamguard_assets.engines.spark.session import _environment, session_options
from streamguard_assets.settings import Settings, load_settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(state_dir=tmp_path / "state folder", spark={"driver_memory_mb": 768, "shuffle_partitions": 3})


def test_everything_that_spark_writes_lies_in_the_state_folder(settings: Settings) -> None:
    options = session_options(settings, [])

    for name in ("spark.local.dir", "spark.sql.warehouse.dir"):
        assert Path(options[name]).is_relative_to(settings.state)
    assert f'"-Djava.io.tmpdir={settings.state}/spark/tmp"' in options["spark.driver.extraJavaOptions"]


def test_jars_are_files_and_nothing_is_fetched_by_spark_itself(settings: Settings) -> None:
    options = session_options(settings, [Path("/jars/a.jar"), Path("/jars/b.jar")])

    assert options["spark.jars"] == "/jars/a.jar,/jars/b.jar"
    assert not [name for name in options if name.startswith("spark.jars.")]


def test_sizes_follow_the_settings(settings: Settings) -> None:
    options = session_options(settings, [])

    assert options["spark.driver.memory"] == "768m"
    assert options["spark.sql.shuffle.partitions"] == "3"
    assert options["spark.sql.execution.arrow.maxRecordsPerBatch"] == str(settings.ingest.chunk_records)


def test_times_are_utc_and_there_is_no_web_page(settings: Settings) -> None:
    options = session_options(settings, [])

    assert options["spark.sql.session.timeZone"] == "UTC"
    assert options["spark.ui.enabled"] == "false"


def test_the_users_own_options_win(tmp_path: Path) -> None:
    settings = load_settings(state_dir=tmp_path, spark={"options": {"spark.ui.enabled": "true"}})

    assert session_options(settings, [])["spark.ui.enabled"] == "true"


def test_the_environment_is_as_before_when_spark_has_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", "/before")
    monkeypatch.delenv("SPARK_LOCAL_IP", raising=False)

    with _environment({"JAVA_HOME": "/inside", "SPARK_LOCAL_IP": "127.0.0.1"}):
        assert os.environ["JAVA_HOME"] == "/inside"

    assert os.environ["JAVA_HOME"] == "/before"
    assert "SPARK_LOCAL_IP" not in os.environ
