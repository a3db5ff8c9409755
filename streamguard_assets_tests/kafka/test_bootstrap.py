"""The cluster of the settings comes first, then the local broker; without either there is an error that helps."""

from __future__ import annotations

import dataclasses

import pytest

from streamguard_assets.kafka.bootstrap import bootstrap_servers
from streamguard_assets.kafka.broker.errors import BrokerError
from streamguard_assets.kafka.broker.files import BrokerFiles
from streamguard_assets.kafka.broker.info import BrokerInfo, write_broker_info
from streamguard_assets.processes.identity import ProcessIdentity
from streamguard_assets_tests.conftest import SettingsFactory


def _local_broker() -> BrokerInfo:
    here = ProcessIdentity.current()
    return BrokerInfo("127.0.0.1:1234", here.pid, here.create_time, "cluster", None, "/data", "/log")


def test_the_cluster_of_the_settings_comes_first(brokerless_settings: SettingsFactory) -> None:
    settings = brokerless_settings(kafka={"bootstrap_servers": "one:9092,two:9092"})
    BrokerFiles(settings.state).folder.mkdir(parents=True)
    write_broker_info(settings.state, _local_broker())
    assert bootstrap_servers(settings) == "one:9092,two:9092"


def test_else_the_local_broker_is_found(brokerless_settings: SettingsFactory) -> None:
    settings = brokerless_settings()
    BrokerFiles(settings.state).folder.mkdir(parents=True)
    write_broker_info(settings.state, _local_broker())
    assert bootstrap_servers(settings) == "127.0.0.1:1234"


@pytest.mark.parametrize("left_over", [False, True])
def test_else_the_error_says_what_to_do(brokerless_settings: SettingsFactory, left_over: bool) -> None:
    settings = brokerless_settings()
    if left_over:
        BrokerFiles(settings.state).folder.mkdir(parents=True)
        write_broker_info(settings.state, dataclasses.replace(_local_broker(), create_time=1.0))
    with pytest.raises(BrokerError, match=r"no broker is running .*streamguard kafka start.*KAFKA__BOOTSTRAP_SERVERS"):
        bootstrap_servers(settings)
