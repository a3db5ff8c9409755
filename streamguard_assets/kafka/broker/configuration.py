"""The broker's own files: server properties for one KRaft node, and where its log goes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from streamguard_assets.kafka.broker.errors import BrokerError
from streamguard_assets.kafka.broker.files import BrokerFiles
from streamguard_assets.kafka.broker.ports import HOST, BrokerPorts

NODE_ID = 1

_LOGGING = """\
# Written by streamguard at each start.
rootLogger.level = INFO
rootLogger.appenderRef.file.ref = file
appender.file.type = RollingFile
appender.file.name = file
appender.file.fileName = ${sys:kafka.logs.dir}/server.log
appender.file.filePattern = ${sys:kafka.logs.dir}/server.log.%i
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{ISO8601} %-5p %m (%c)%n
appender.file.policies.type = Policies
appender.file.policies.size.type = SizeBasedTriggeringPolicy
appender.file.policies.size.size = 10MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 3
"""


def server_properties(
    files: BrokerFiles, ports: BrokerPorts, *, topic_partitions: int, options: Mapping[str, str]
) -> dict[str, str]:
    """The properties of a broker that is its own controller; ``options`` are laid over them."""
    return {
        "process.roles": "broker,controller",
        "node.id": str(NODE_ID),
        # Voters by setting and not in the metadata log: the controller's port may differ from start to start.
        "controller.quorum.voters": f"{NODE_ID}@{HOST}:{ports.controller}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{HOST}:{ports.client},CONTROLLER://{HOST}:{ports.controller}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{ports.client}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": str(files.data),
        "num.partitions": str(topic_partitions),
        # A misspelt topic must be an error, not a new empty topic.
        "auto.create.topics.enable": "false",
        # One node: Kafka's defaults ask for three replicas, and transactions and groups would never start.
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        # Fifty partitions each by default, made at the first use: half a second and a hundred files for nothing.
        "offsets.topic.num.partitions": "1",
        "transaction.state.log.num.partitions": "1",
        "share.coordinator.state.topic.num.partitions": "1",
        "group.initial.rebalance.delay.ms": "0",
        # After kill -9 the controller takes the old broker for alive until its session ends, and refuses the new one
        # until then: nine seconds by default. Shorter still, and a busy machine would lose its only broker at times.
        "broker.session.timeout.ms": "4000",
        "broker.heartbeat.interval.ms": "500",
        **options,
    }


def write_configuration(files: BrokerFiles, properties: Mapping[str, str]) -> None:
    """Write both files; ``BrokerError`` for a state folder that Kafka cannot be told."""
    if "," in str(files.data):
        raise BrokerError(f"Kafka takes a comma in {files.data} for a list of folders; use another state folder")
    for folder in (files.server_properties.parent, files.logs, files.data):
        folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{_escaped(key)}={_escaped(value)}" for key, value in properties.items()]
    _write(files.server_properties, "# Written by streamguard at each start.\n" + "\n".join(lines) + "\n")
    _write(files.logging_properties, _LOGGING)


def cluster_id(files: BrokerFiles) -> str | None:
    """The id of the cluster that the data belong to; None before they were formatted."""
    try:
        text = files.formatted.read_text()
    except FileNotFoundError:
        return None
    for line in text.splitlines():
        if line.startswith("cluster.id="):
            return line.removeprefix("cluster.id=").strip()
    raise BrokerError(f"{files.formatted} names no cluster.id: {files.data} is not a folder of Kafka's, or is damaged")


def _escaped(text: str) -> str:
    """In the notation of Java's properties files, which are read as Latin-1 with backslash escapes."""
    escaped = text.replace("\\", "\\\\").replace("\n", "\\n")
    return "".join(
        character if character.isascii() else "".join(f"\\u{unit:04x}" for unit in _utf16(character))
        for character in escaped
    )


def _utf16(character: str) -> list[int]:
    encoded = character.encode("utf-16-be")
    return [int.from_bytes(encoded[i : i + 2], "big") for i in range(0, len(encoded), 2)]


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="ascii")
