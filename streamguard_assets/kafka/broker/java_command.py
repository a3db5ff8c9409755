"""The command lines of Kafka's Java programs: the server, and the tools that come with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from streamguard_assets.jvm.jar_set import kafka_broker_jars, kafka_tools_jars
from streamguard_assets.jvm.jars import OnJarProgress, class_path, ensure_jars
from streamguard_assets.jvm.java import find_java
from streamguard_assets.kafka.broker.files import BrokerFiles
from streamguard_assets.settings import Settings

# A broker for one machine: ready sooner and smaller in memory with the simple collector and compiler. What it
# serves goes from the page cache to the socket and asks little of either.
_FAST_START = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Djava.awt.headless=true")


class KafkaJava:
    """Java and the broker's jars, ready to run; fetching them is part of making one."""

    def __init__(self, settings: Settings, on_progress: OnJarProgress | None = None) -> None:
        self.java = find_java(settings.jvm)
        self._jars = ensure_jars(kafka_broker_jars(), settings, java=self.java, on_progress=on_progress)
        self._heap_mb = settings.broker.heap_mb

    def server(self, files: BrokerFiles) -> list[str]:
        """``kafka.Kafka`` with the server properties of ``files``."""
        return self._command(files, self._heap_mb, "kafka.Kafka", str(files.server_properties))

    def format_storage(self, files: BrokerFiles, cluster_id: str) -> list[str]:
        """``kafka.tools.StorageTool format``; data folders that are formatted already are left as they are."""
        # One word: a random id may begin with "-", and would be taken for an option.
        arguments = ("format", f"--cluster-id={cluster_id}", "--config", str(files.server_properties))
        return self._command(files, 128, "kafka.tools.StorageTool", *arguments, "--ignore-formatted")

    def _command(self, files: BrokerFiles, heap_mb: int, main_class: str, *arguments: str) -> list[str]:
        return [
            *(str(self.java.executable), f"-Xmx{heap_mb}m", *_FAST_START),
            *(f"-Dkafka.logs.dir={files.logs}", f"-Dlog4j2.configurationFile={files.logging_properties}"),
            *("-cp", class_path(self._jars), main_class, *arguments),
        ]


def tool_command(settings: Settings, main_class: str, arguments: Sequence[str]) -> list[str]:
    """One of Kafka's own tools, such as ``org.apache.kafka.tools.DumpLogSegments``; silent but for its output."""
    java = find_java(settings.jvm)
    jars: list[Path] = ensure_jars(kafka_tools_jars(), settings, java=java)
    options = ("-Xmx256m", *_FAST_START, "-Dlog4j2.level=OFF", "-Dlog4j2.disableJmx=true")
    return [str(java.executable), *options, "-cp", class_path(jars), main_class, *arguments]
