"""The local broker: one per state folder, found by everybody, gone with its owner, its data kept."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable

import psutil
import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from streamguard_assets.kafka.broker import lifecycle
from streamguard_assets.kafka.broker.errors import BrokerError
from streamguard_assets.kafka.broker.files import BrokerFiles
from streamguard_assets.kafka.broker.info import BrokerInfo, running_broker
from streamguard_assets.kafka.broker.lifecycle import OwnedBroker, start_broker, stop_broker
from streamguard_assets.kafka.broker.ports import HOST, BrokerPorts, choose_ports, read_ports
from streamguard_assets.kafka.client import KafkaConnection
from streamguard_assets.kafka.topics import FOR_EVER_MS, TopicLayout, create_topic
from streamguard_assets.processes.identity import ProcessIdentity
from streamguard_assets.settings import Settings
from streamguard_assets_tests.conftest import TopicFactory, make_kafka_settings
from streamguard_assets_tests.waiting import wait_until

pytestmark = [pytest.mark.broker, pytest.mark.fault]

STARTER = """
import json, sys, time
from dataclasses import asdict
from streamguard_assets.kafka.broker.lifecycle import OwnedBroker, start_broker
from streamguard_assets.settings import load_settings

settings = load_settings(**json.loads(sys.argv[1]))
info = start_broker(settings) if sys.argv[2] == "service" else OwnedBroker(settings).start()
print(json.dumps(asdict(info)), flush=True)
if sys.argv[2] == "owned":
    time.sleep(600)
"""


def _starter(settings: Settings, form: str) -> subprocess.Popen[str]:
    """Another process that starts the broker of ``settings`` and prints who it is."""
    overrides = settings.model_dump(mode="json", include={"state_dir", "jvm", "broker"}, exclude_none=True)
    command = [sys.executable, "-c", STARTER, json.dumps(overrides), form]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _told(starter: subprocess.Popen[str]) -> BrokerInfo:
    assert starter.stdout is not None
    return BrokerInfo(**json.loads(starter.stdout.readline()))


def _guard_of(info: BrokerInfo) -> ProcessIdentity:
    parent = psutil.Process(info.pid).parent()
    assert parent is not None
    assert "streamguard_assets.processes.guard" in parent.cmdline()
    return ProcessIdentity.of(parent.pid)


def _produce(info: BrokerInfo, topic: str, *values: bytes) -> None:
    producer = Producer({"bootstrap.servers": info.bootstrap_servers})
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(30) == 0


def _values(info: BrokerInfo, topic: str) -> list[bytes]:
    """Everything in partition 0, until its end."""
    options = {"bootstrap.servers": info.bootstrap_servers, "group.id": "test", "enable.partition.eof": True}
    consumer = Consumer(options)
    consumer.assign([TopicPartition(topic, 0, 0)])
    values = []
    while True:
        message = consumer.poll(30)
        assert message is not None, "the broker gave nothing"
        if (error := message.error()) is not None:
            assert error.code() == KafkaError._PARTITION_EOF
            consumer.close()
            return values
        values.append(message.value())


def _topic_with(info: BrokerInfo, *values: bytes) -> str:
    connection = KafkaConnection.from_settings(make_kafka_settings(info.bootstrap_servers))
    create_topic(connection, "kept", TopicLayout(partitions=1, replication=1, retention_ms=FOR_EVER_MS))
    _produce(info, "kept", *values)
    return "kept"


def test_a_service_survives_its_starter_is_shared_and_ends_when_it_is_stopped(own: Settings) -> None:
    with _starter(own, "service") as starter:
        info = _told(starter)
    assert starter.returncode == 0
    assert running_broker(own.state) == info
    assert info.owner_pid is None

    with _starter(own, "service") as second:
        assert _told(second) == info
    with OwnedBroker(own) as shared:
        assert shared == info
    assert info.identity.is_alive(), "who did not start it does not end it"

    assert stop_broker(own)
    assert not info.identity.is_alive()
    assert running_broker(own.state) is None
    assert not stop_broker(own)


def test_two_processes_that_start_at_once_get_one_broker(own: Settings) -> None:
    with _starter(own, "service") as one, _starter(own, "service") as other:
        assert _told(one) == _told(other)
    assert (one.returncode, other.returncode) == (0, 0)


def test_an_owned_broker_ends_with_its_owner_and_a_killed_owner_too(own: Settings) -> None:
    with OwnedBroker(own) as info:
        assert info.owner_pid == os.getpid()
        guard = _guard_of(info)
    assert not info.identity.is_alive()
    assert running_broker(own.state) is None
    assert wait_until(lambda: not guard.is_alive())

    with _starter(own, "owned") as owner:
        info = _told(owner)
        guard = _guard_of(info)
        owner.kill()
    assert wait_until(lambda: not info.identity.is_alive() and not guard.is_alive(), 30)
    assert running_broker(own.state) is None


def test_a_broker_whose_guard_is_killed_ends(own: Settings) -> None:
    with OwnedBroker(own) as info:
        os.kill(_guard_of(info).pid, signal.SIGKILL)
        assert wait_until(lambda: not info.identity.is_alive())
        assert running_broker(own.state) is None


def test_data_and_address_are_kept_between_starts(own: Settings) -> None:
    with OwnedBroker(own) as before:
        topic = _topic_with(before, b"one", b"two")
    with OwnedBroker(own) as after:
        assert after.pid != before.pid
        assert after.bootstrap_servers == before.bootstrap_servers
        assert after.cluster_id == before.cluster_id
        assert _values(after, topic) == [b"one", b"two"]


def test_a_broker_that_was_killed_starts_again_with_what_it_had(own: Settings) -> None:
    killed = start_broker(own)
    topic = _topic_with(killed, b"one")
    os.kill(killed.pid, signal.SIGKILL)
    assert wait_until(lambda: running_broker(own.state) is None)
    assert BrokerFiles(own.state).info.exists(), "nobody was there to clean up"
    again = start_broker(own)
    assert again.pid != killed.pid
    assert _values(again, topic) == [b"one"]


def test_a_broker_whose_starter_was_killed_before_it_was_ready_is_replaced(own: Settings) -> None:
    forgotten = start_broker(own)
    BrokerFiles(own.state).info.unlink()
    assert running_broker(own.state) is None
    found = start_broker(own)
    assert found.pid != forgotten.pid
    assert not forgotten.identity.is_alive(), "it held the data folder"


def test_the_port_of_last_time_gives_way_when_another_program_has_it(own: Settings) -> None:
    with OwnedBroker(own) as info:
        taken = int(info.bootstrap_servers.split(":")[1])
    with socket.create_server((HOST, taken)), OwnedBroker(own) as moved:
        assert int(moved.bootstrap_servers.split(":")[1]) != taken


def test_a_port_that_is_lost_between_choice_and_bind_is_replaced(
    own: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen: list[BrokerPorts] = []

    def unlucky(wanted: int, last: BrokerPorts | None) -> BrokerPorts:
        ports = choose_ports(wanted, last)
        chosen.append(ports)
        return BrokerPorts(taken, ports.controller) if len(chosen) == 1 else ports

    monkeypatch.setattr(lifecycle, "choose_ports", unlucky)
    with socket.create_server((HOST, 0)) as thief:
        taken = thief.getsockname()[1]
        with OwnedBroker(own):
            assert len(chosen) == 2
            assert read_ports(BrokerFiles(own.state).ports) == chosen[1]


def test_a_port_that_was_set_and_is_taken_is_named_with_its_key(own: Settings) -> None:
    with socket.create_server((HOST, 0)) as other:
        port = other.getsockname()[1]
        fixed = own.model_copy(update={"broker": own.broker.model_copy(update={"port": port})})
        with pytest.raises(BrokerError, match=rf"port {port} \(broker\.port, STREAMGUARD_BROKER__PORT\) is taken"):
            start_broker(fixed)
    assert running_broker(own.state) is None


def test_a_start_that_fails_shows_the_end_of_the_log_and_leaves_no_process(own: Settings) -> None:
    broken = own.model_copy(update={"broker": own.broker.model_copy(update={"options": {"num.io.threads": "0"}})})
    start_broker(own)
    stop_broker(own)
    before = time.monotonic()
    with pytest.raises(BrokerError) as raised:
        start_broker(broken)
    assert time.monotonic() - before < own.broker.start_timeout_s / 2, "it ended, so there is nothing to wait for"
    text = str(raised.value)
    assert "it ended during its start" in text
    assert re.search(r"Invalid value 0 for configuration num\.io\.threads", text)
    assert str(BrokerFiles(own.state).server_log) in text
    assert not BrokerFiles(own.state).pid.exists()


def test_a_data_folder_that_cannot_be_formatted_is_told_in_kafkas_words(own: Settings) -> None:
    broken = own.model_copy(update={"broker": own.broker.model_copy(update={"options": {"process.roles": "cook"}})})
    with pytest.raises(BrokerError, match=r"cannot format its data folder[\s\S]*process\.roles"):
        start_broker(broken)


def test_a_start_that_takes_too_long_is_given_up_and_ended(own: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(_bootstrap: str, _cluster: str, process: ProcessIdentity, _timeout_s: float) -> None:
        started.append(process)
        raise lifecycle.NotReadyError("it did not serve metadata within 0 s")

    started: list[ProcessIdentity] = []
    monkeypatch.setattr(lifecycle, "wait_until_ready", never)
    with pytest.raises(BrokerError, match="did not serve metadata within"):
        start_broker(own)
    assert [process.is_alive() for process in started] == [False]


@pytest.fixture
def transactional(broker: BrokerInfo) -> Callable[[str], Producer]:
    def make(name: str) -> Producer:
        return Producer({"bootstrap.servers": broker.bootstrap_servers, "transactional.id": name})

    return make


def test_one_node_is_enough_for_transactions(
    broker: BrokerInfo, fresh_topic: TopicFactory, transactional: Callable[[str], Producer]
) -> None:
    topic = fresh_topic(1)
    producer = transactional(topic)
    producer.init_transactions(30)
    for value, finish in ((b"aborted", producer.abort_transaction), (b"committed", producer.commit_transaction)):
        producer.begin_transaction()
        producer.produce(topic, value)
        producer.flush(30)
        finish(30)
    assert _values(broker, topic) == [b"committed"]


def test_a_misspelt_topic_is_not_made(broker: BrokerInfo) -> None:
    options = {"bootstrap.servers": broker.bootstrap_servers, "group.id": "test", "allow.auto.create.topics": True}
    consumer = Consumer(options)
    with pytest.raises(KafkaException, match=r"Unknown (topic|partition)"):
        consumer.get_watermark_offsets(TopicPartition("misspelt", 0), timeout=10)
    consumer.close()
