"""Spark's JVM starts on a Java that has no vector module, and gets every other argument as it was."""

from __future__ import annotations

import subprocess
from pathlib import Path

from streamguard_assets.jvm.java import JavaRuntime, find_java
from streamguard_assets.jvm.spark_java import spark_java_home
from streamguard_assets.settings import JvmSettings

VECTOR_FLAG = "--add-modules=jdk.incubator.vector"


def _bundled() -> JavaRuntime:
    return find_java(JvmSettings.model_validate({}), {})


def _run(java: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([java, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL)


def test_the_bundled_java_refuses_the_flag_and_its_launcher_takes_it(tmp_path: Path) -> None:
    java = _bundled()
    assert _run(java.executable, VECTOR_FLAG, "-version").returncode != 0
    launcher = spark_java_home(java, tmp_path) / "bin" / "java"
    result = _run(launcher, VECTOR_FLAG, "-version")
    assert result.returncode == 0, result.stderr
    assert java.version in result.stderr


def test_all_other_arguments_arrive_unchanged_and_in_order(tmp_path: Path) -> None:
    home = tmp_path / "home with 'quotes'"
    executable = home / "bin" / "java"
    executable.parent.mkdir(parents=True)
    executable.write_text('#!/bin/sh\nfor argument do printf "<%s>" "$argument"; done\n')
    executable.chmod(0o755)
    launcher = spark_java_home(JavaRuntime(home, "25", "bundled"), tmp_path / "state") / "bin" / "java"
    arguments = ["-Xmx1g", "", "two words", "$HOME", "--add-modules=java.sql", "*", "a'b\"c", "-cp"]
    result = _run(launcher, *arguments[:3], VECTOR_FLAG, *arguments[3:])
    assert result.stdout == "".join(f"<{argument}>" for argument in arguments)


def test_a_fitting_java_of_the_system_is_used_as_it_is(tmp_path: Path) -> None:
    java = JavaRuntime(tmp_path / "jdk", "17.0.1", "PATH")
    assert spark_java_home(java, tmp_path / "state") == java.home
    assert not (tmp_path / "state").exists()


def test_the_launcher_is_written_once(tmp_path: Path) -> None:
    java = _bundled()
    launcher = spark_java_home(java, tmp_path) / "bin" / "java"
    before = launcher.stat()
    assert spark_java_home(java, tmp_path) / "bin" / "java" == launcher
    assert launcher.stat().st_ino == before.st_ino
    assert list(launcher.parent.iterdir()) == [launcher]
