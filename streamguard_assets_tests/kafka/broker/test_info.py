"""``broker.json`` counts while the process that it names is alive, and not a moment longer."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from streamguard_assets.kafka.broker.errors import BrokerError
from streamguard_assets.kafka.broker.files import BrokerFiles
from streamguard_assets.kafka.broker.info import BrokerInfo, running_broker, write_broker_info
from streamguard_assets.processes.identity import ProcessIdentity


@pytest.fixture
def info(tmp_path: Path) -> BrokerInfo:
    BrokerFiles(tmp_path).folder.mkdir()
    here = ProcessIdentity.current()
    return BrokerInfo("127.0.0.1:9092", here.pid, here.create_time, "cluster", None, "/data", "/log")


def test_without_a_file_none_runs(tmp_path: Path) -> None:
    assert running_broker(tmp_path) is None


def test_a_broker_whose_process_lives_is_given_back_as_it_was_written(tmp_path: Path, info: BrokerInfo) -> None:
    write_broker_info(tmp_path, info)
    assert running_broker(tmp_path) == info
    assert info.identity == ProcessIdentity.current()


def test_a_file_whose_pid_belongs_to_another_process_now_counts_for_nothing(tmp_path: Path, info: BrokerInfo) -> None:
    write_broker_info(tmp_path, dataclasses.replace(info, create_time=info.create_time - 3600))
    assert running_broker(tmp_path) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"port": 1}'])
def test_a_file_that_cannot_be_read_is_an_error_that_says_what_to_do(
    tmp_path: Path, info: BrokerInfo, text: str
) -> None:
    write_broker_info(tmp_path, info)
    BrokerFiles(tmp_path).info.write_text(text)
    with pytest.raises(BrokerError, match=r"broker\.json cannot be read .*streamguard kafka stop"):
        running_broker(tmp_path)
