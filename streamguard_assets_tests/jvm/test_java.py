"""Which Java is taken: the one that was set, else a fitting one of the system, else the bundled one."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamguard_assets.jvm.errors import JavaNotFoundError
from streamguard_assets.jvm.java import find_java
from streamguard_assets.settings import JvmSettings


def _settings(java_home: Path | None = None) -> JvmSettings:
    return JvmSettings.model_validate({"java_home": java_home})


def fake_java(home: Path, version: str) -> Path:
    """A ``java`` that only says who it is; returns ``home``."""
    executable = home / "bin" / "java"
    executable.parent.mkdir(parents=True)
    executable.write_text(f"#!/bin/sh\necho '    java.home = {home}\n    java.version = {version}' >&2\n")
    executable.chmod(0o755)
    return home


def test_what_was_set_wins_whatever_the_system_has(tmp_path: Path) -> None:
    wanted, other = fake_java(tmp_path / "wanted", "25.0.1"), fake_java(tmp_path / "other", "17.0.1")
    java = find_java(_settings(wanted), {"JAVA_HOME": str(other)})
    assert (java.home, java.origin, java.feature) == (wanted, "setting", 25)


@pytest.mark.parametrize("version", ["17", "17.0.15", "21.0.4"])
def test_java_home_comes_before_the_path(tmp_path: Path, version: str) -> None:
    home, on_path = fake_java(tmp_path / "home", version), fake_java(tmp_path / "path", "17.0.1")
    java = find_java(_settings(), {"JAVA_HOME": str(home), "PATH": str(on_path / "bin")})
    assert (java.home, java.version, java.origin) == (home, version, "JAVA_HOME")


@pytest.mark.parametrize("version", ["1.8.0_452", "11.0.2", "18", "22.0.1", "25.0.2"])
def test_a_java_home_that_does_not_fit_is_passed_over_for_the_path(tmp_path: Path, version: str) -> None:
    home, on_path = fake_java(tmp_path / "home", version), fake_java(tmp_path / "path", "21.0.1")
    java = find_java(_settings(), {"JAVA_HOME": str(home), "PATH": str(on_path / "bin")})
    assert (java.home, java.origin) == (on_path, "PATH")


def test_the_home_is_the_one_that_java_names_and_not_that_of_a_link(tmp_path: Path) -> None:
    home = fake_java(tmp_path / "real", "17.0.1")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "java").symlink_to(home / "bin" / "java")
    assert find_java(_settings(), {"PATH": str(tmp_path / "links")}).home == home


@pytest.mark.parametrize("environment", [{}, {"JAVA_HOME": "/no/such/home", "PATH": "/no/such/folder"}])
def test_without_a_fitting_one_the_bundled_java_is_taken_and_runs(environment: dict[str, str]) -> None:
    java = find_java(_settings(), environment)
    assert java.origin == "bundled"
    assert java.feature >= 25
    assert java.executable.is_file()
    assert str(java) == f"Java {java.version} (bundled: {java.home})"


def test_a_stand_in_that_only_prints_an_advert_is_no_java(tmp_path: Path) -> None:
    home = fake_java(tmp_path / "stand-in", "17.0.1")
    (home / "bin" / "java").write_text("#!/bin/sh\necho 'No Java runtime present' >&2\nexit 1\n")
    assert find_java(_settings(), {"JAVA_HOME": str(home)}).origin == "bundled"


def test_a_set_java_that_is_too_old_is_an_error_and_no_reason_to_take_another(tmp_path: Path) -> None:
    old = fake_java(tmp_path / "old", "11.0.2")
    with pytest.raises(JavaNotFoundError, match=r"JVM__JAVA_HOME.* is Java 11\.0\.2; 17 or newer is needed"):
        find_java(_settings(old))


def test_a_set_java_that_is_not_there_is_named_with_its_key(tmp_path: Path) -> None:
    with pytest.raises(JavaNotFoundError, match=r"jvm\.java_home .*/nowhere, and .*/nowhere/bin/java is no Java"):
        find_java(_settings(tmp_path / "nowhere"))
