"""Sites to run batches on: a topic, a lake and an instance of their own for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from dagster import DagsterInstance
from dagster._core.test_utils import instance_for_test

from streamguard_assets_tests.batches.conftest import make_rig as make_rig
from streamguard_assets_tests.batches.conftest import rig as rig
from streamguard_assets_tests.batches.rig import RigFactory, transactions
from streamguard_assets_tests.orchestration.batches.site import BatchSite

CONFIGURATION = {
    "concurrency": {"pools": {"granularity": "run"}, "runs": {"max_concurrent_runs": 20}},
    "run_launcher": {"module": "dagster._core.test_utils", "class": "MockedRunLauncher"},
    "telemetry": {"enabled": False},
}
"""As the instance of the state folder, but that runs are taken and never started."""


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    """An instance with a queue, on disk."""
    with instance_for_test(overrides=CONFIGURATION) as made:
        yield made


@pytest.fixture
def site(make_rig: RigFactory, instance: DagsterInstance) -> BatchSite:
    """A topic of two partitions with 30 transactions and a record that is none."""
    rig = make_rig()
    rig.produce([*transactions(20), b"{"])
    rig.produce(transactions(10, first=20), partition=1)
    return BatchSite(rig, instance)
