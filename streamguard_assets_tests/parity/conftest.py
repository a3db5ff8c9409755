"""One local Spark for the suite. All its tests carry ``xdist_group("spark")``, so that one worker starts one JVM."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession

from streamguard_assets.engines.spark.session import open_session, stop_session
from streamguard_assets.settings import Settings
from streamguard_assets_tests.conftest import make_settings

# Tests run many small queries once: compiling them well costs more than running them badly.
JAVA_OPTIONS = "-XX:TieredStopAtLevel=1"


@pytest.fixture(scope="session")
def spark_settings(machine: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Settings:
    state = tmp_path_factory.mktemp("spark") / "state folder"  # the space is deliberate
    return make_settings(state, machine, spark={"master": "local[1]", "shuffle_partitions": 2})


@pytest.fixture(scope="session")
def spark(spark_settings: Settings) -> Iterator[SparkSession]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JDK_JAVA_OPTIONS", JAVA_OPTIONS)
        session = open_session(spark_settings)
    yield session
    stop_session()
