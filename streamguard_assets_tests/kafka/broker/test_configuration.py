"""The properties of a single node, written so that Java reads back what was meant."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamguard_assets.kafka.broker.configuration import cluster_id, server_properties, write_configuration
from streamguard_assets.kafka.broker.errors import BrokerError
from streamguard_assets.kafka.broker.files import BrokerFiles
from streamguard_assets.kafka.broker.ports import BrokerPorts

PORTS = BrokerPorts(9092, 9093)


def _properties(files: BrokerFiles, **options: str) -> dict[str, str]:
    given_options = {name.replace("_", "."): value for name, value in options.items()}
    return server_properties(files, PORTS, topic_partitions=3, options=given_options)


def _as_java_reads(text: str) -> dict[str, str]:
    """Java's properties format: ASCII, ``\\uXXXX`` UTF-16 units, backslash escapes."""

    def unescaped(value: str) -> str:
        units = re.sub(
            r"\\u([0-9a-f]{4})|\\(.)",
            lambda m: chr(int(m[1], 16)) if m[1] else {"n": "\n"}.get(m[2], m[2]),
            value,
        )
        return units.encode("utf-16", "surrogatepass").decode("utf-16")

    pairs = (line.split("=", 1) for line in text.split("\n") if line and not line.startswith("#"))
    return {key: unescaped(value) for key, value in pairs}


def test_one_node_can_do_transactions_and_groups_and_makes_no_topic_by_itself(tmp_path: Path) -> None:
    properties = _properties(BrokerFiles(tmp_path))
    assert properties["transaction.state.log.replication.factor"] == "1"
    assert properties["transaction.state.log.min.isr"] == "1"
    assert properties["offsets.topic.replication.factor"] == "1"
    assert properties["group.initial.rebalance.delay.ms"] == "0"
    assert properties["auto.create.topics.enable"] == "false"


def test_it_listens_on_loopback_only(tmp_path: Path) -> None:
    properties = _properties(BrokerFiles(tmp_path))
    assert properties["listeners"] == "PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093"


def test_options_of_the_user_are_laid_over_ours(tmp_path: Path) -> None:
    properties = _properties(BrokerFiles(tmp_path), auto_create_topics_enable="true", message_max_bytes="5")
    assert (properties["auto.create.topics.enable"], properties["message.max.bytes"]) == ("true", "5")


@given(name=st.text(st.characters(exclude_characters="/\0,\r", exclude_categories=["Cs"]), min_size=1, max_size=20))
def test_java_reads_the_path_that_was_meant(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    files = BrokerFiles(tmp_path_factory.getbasetemp() / "written")
    write_configuration(files, {"log.dirs": f"/state/{name}"})
    assert _as_java_reads(files.server_properties.read_text())["log.dirs"] == f"/state/{name}"


def test_a_folder_that_kafka_would_take_for_two_is_refused(tmp_path: Path) -> None:
    files = BrokerFiles(tmp_path / "a,b")
    with pytest.raises(BrokerError, match="comma"):
        write_configuration(files, _properties(files))
    assert not files.folder.exists()


def test_the_cluster_is_known_once_the_folder_was_formatted(tmp_path: Path) -> None:
    files = BrokerFiles(tmp_path)
    assert cluster_id(files) is None
    files.data.mkdir(parents=True)
    files.formatted.write_text("#\n#Sat Jan 31 00:00:00 UTC 2026\nnode.id=1\ncluster.id=abc-DEF_1\nversion=1\n")
    assert cluster_id(files) == "abc-DEF_1"


def test_a_folder_that_names_no_cluster_is_an_error_that_names_it(tmp_path: Path) -> None:
    files = BrokerFiles(tmp_path)
    files.data.mkdir(parents=True)
    files.formatted.write_text("version=1\n")
    with pytest.raises(BrokerError, match=r"meta\.properties names no cluster\.id"):
        cluster_id(files)
