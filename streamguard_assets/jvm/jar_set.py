"""The sets of jars that are run, each a lock list: one line per jar, its SHA-256 and its Maven coordinates."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

_LINE = re.compile(r"^(?P<sha256>[0-9a-f]{64})  (?P<organisation>[\w.-]+):(?P<name>[\w.-]+):(?P<revision>[\w.-]+)$")


@dataclass(frozen=True, slots=True)
class Jar:
    """One file, by its Maven coordinates, and the only content that is accepted for it."""

    organisation: str
    name: str
    revision: str
    sha256: str

    @property
    def file_name(self) -> str:
        return f"{self.name}-{self.revision}.jar"

    def __str__(self) -> str:
        return f"{self.organisation}:{self.name}:{self.revision}"


@dataclass(frozen=True, slots=True)
class JarSet:
    """The jars of one purpose."""

    name: str
    jars: tuple[Jar, ...]

    def __add__(self, other: JarSet) -> JarSet:
        """Both sets as one; a jar that is in both is there once."""
        return JarSet(f"{self.name}+{other.name}", tuple(dict.fromkeys((*self.jars, *other.jars))))


def parse_lock(name: str, text: str) -> JarSet:
    """The set that a lock list says; ``ValueError`` names the first line that is none."""
    jars = []
    for number, line in enumerate(text.splitlines(), start=1):
        match = _LINE.match(line)
        if match is None:
            raise ValueError(
                f"{name}, line {number}: expected '<sha256>  <organisation>:<name>:<revision>', got {line!r}"
            )
        jars.append(Jar(**match.groupdict()))
    return JarSet(name, tuple(jars))


def locked_jar_set(name: str) -> JarSet:
    """The set of the lock list ``jvm/locks/<name>.sha256``."""
    lock = resources.files("streamguard_assets.jvm") / "locks" / f"{name}.sha256"
    return parse_lock(name, lock.read_text(encoding="ascii"))


def kafka_broker_jars() -> JarSet:
    """Apache Kafka's server with its runtime closure, and the logging that it does not pull by itself."""
    return locked_jar_set("kafka_broker")


def kafka_tools_jars() -> JarSet:
    """The broker's jars and Kafka's command-line tools (``org.apache.kafka.tools…``)."""
    return kafka_broker_jars() + locked_jar_set("kafka_tools")


def spark_jars() -> JarSet:
    """The Kafka connector and Delta Lake for Spark, without what pyspark ships."""
    return locked_jar_set("spark")


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
