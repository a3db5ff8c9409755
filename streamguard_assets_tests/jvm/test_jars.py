"""Jars are fetched once, taken only when they are what the lock list says, and shared by processes."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from streamguard_assets.jvm import jars as jars_module
from streamguard_assets.jvm.errors import JarsUnavailableError
from streamguard_assets.jvm.jar_set import JarSet, sha256_of
from streamguard_assets.jvm.jars import JarProgress, ensure_jars
from streamguard_assets.processes.tree import end_tree
from streamguard_assets.settings import Settings
from streamguard_assets_tests.conftest import SettingsFactory
from streamguard_assets_tests.jvm.conftest import Mirror, ivy_settings, made_up_jar
from streamguard_assets_tests.waiting import wait_until

FILLER = """
import json, sys
from streamguard_assets.jvm.jar_set import Jar, JarSet
from streamguard_assets.jvm.jars import ensure_jars
from streamguard_assets.settings import load_settings

settings = load_settings(jvm=json.loads(sys.argv[1]))
jars = tuple(Jar(*fields) for fields in json.loads(sys.argv[2]))
print("ready", flush=True)
sys.stdin.readline()
print(len(ensure_jars(JarSet("made-up", jars), settings)), flush=True)
"""


@pytest.fixture
def mirrored(brokerless_settings: SettingsFactory, mirror: Mirror, tmp_path: Path) -> Settings:
    """Settings whose mirror is the one on loopback and whose jar cache is empty."""
    return brokerless_settings(jvm={"ivy_settings": mirror.settings, "jar_cache_dir": tmp_path / "cache"})


def _filler(settings: Settings, jar_set: JarSet) -> subprocess.Popen[str]:
    jvm = settings.jvm.model_dump(mode="json", exclude_none=True)
    fields = [[jar.organisation, jar.name, jar.revision, jar.sha256] for jar in jar_set.jars]
    process = subprocess.Popen(
        [sys.executable, "-c", FILLER, json.dumps(jvm), json.dumps(fields)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def _jars_asked_for(mirror: Mirror) -> list[str]:
    return sorted(name for name in mirror.fetched if name.endswith(".jar"))


def _jars_in(folder: Path) -> dict[str, str]:
    return {path.name: sha256_of(path) for path in folder.glob("*.jar")}


def _expected(jar_set: JarSet) -> dict[str, str]:
    return {jar.file_name: jar.sha256 for jar in jar_set.jars}


def test_jars_come_from_the_users_mirror_and_are_what_the_lock_says(mirrored: Settings, jar_set: JarSet) -> None:
    paths = ensure_jars(jar_set, mirrored)
    assert [path.name for path in paths] == ["alpha-1.0.jar", "beta-1.0.jar", "gamma-1.0.jar"]
    assert _jars_in(mirrored.jar_cache) == _expected(jar_set)
    assert not list(mirrored.jar_cache.glob(".fetch-*"))


def test_progress_counts_up_to_the_jars_that_were_missing(mirrored: Settings, jar_set: JarSet) -> None:
    ensure_jars(JarSet("made-up", jar_set.jars[:1]), mirrored)
    seen: list[JarProgress] = []
    ensure_jars(jar_set, mirrored, on_progress=seen.append)
    assert seen[0] == JarProgress("made-up", 0, 2, "")
    assert [progress.fetched for progress in seen] == [0, 1, 2]
    assert {progress.name for progress in seen[1:]} == {"beta", "gamma"}


def test_what_is_there_is_not_fetched_again(mirrored: Settings, jar_set: JarSet, mirror: Mirror) -> None:
    ensure_jars(jar_set, mirrored)
    mirror.fetched.clear()
    seen: list[JarProgress] = []
    ensure_jars(jar_set, mirrored, on_progress=seen.append)
    assert (mirror.fetched, seen) == ([], [])


@pytest.mark.parametrize("spoil", [b"", b"half of it", None])
def test_a_spoiled_jar_is_fetched_again_and_no_other(
    mirrored: Settings, jar_set: JarSet, mirror: Mirror, spoil: bytes | None
) -> None:
    victim = ensure_jars(jar_set, mirrored)[1]
    mirror.fetched.clear()
    victim.unlink() if spoil is None else victim.write_bytes(spoil)
    ensure_jars(jar_set, mirrored)
    assert _jars_in(mirrored.jar_cache) == _expected(jar_set)
    assert _jars_asked_for(mirror) == ["beta-1.0.jar"]


def test_a_repository_that_serves_something_else_is_not_believed(
    mirrored: Settings, jar_set: JarSet, mirror: Mirror
) -> None:
    mirror.put(jar_set.jars[2], b"another build")
    with pytest.raises(JarsUnavailableError) as raised:
        ensure_jars(jar_set, mirrored)
    text = str(raised.value)
    assert "1 fetched jars are not what the lock list says" in text
    assert "test.streamguard:gamma:1.0" in text
    assert jar_set.jars[2].sha256 in text
    assert str(mirror.settings) in text
    assert _jars_in(mirrored.jar_cache) == {}


def test_a_jar_that_the_repository_lacks_is_named(mirrored: Settings, jar_set: JarSet) -> None:
    missing = made_up_jar("delta", b"nowhere")
    with pytest.raises(JarsUnavailableError, match=r"could not fetch[\s\S]*module not found.*delta;1\.0"):
        ensure_jars(JarSet("made-up", (*jar_set.jars, missing)), mirrored)
    assert _jars_in(mirrored.jar_cache) == {}


def test_a_closed_network_is_told_with_what_was_tried_and_what_to_set(
    brokerless_settings: SettingsFactory, tmp_path: Path
) -> None:
    with socket.socket() as probe:  # bound and not listening: a port that refuses for as long as this lasts
        probe.bind(("127.0.0.1", 0))
        dead = ivy_settings(tmp_path / "dead.xml", probe.getsockname()[1])
        settings = brokerless_settings(jvm={"ivy_settings": dead, "jar_cache_dir": tmp_path / "cache"})
        with pytest.raises(JarsUnavailableError) as raised:
            ensure_jars(JarSet("made-up", (made_up_jar("alpha", b""), made_up_jar("beta", b""))), settings)
    text = str(raised.value)
    assert "2 are missing" in text
    assert f"Tried the repository of {dead}" in text
    assert "Connection refused" in text
    for key in ("JVM__IVY_SETTINGS", "JVM__TRUST_STORE", "JVM__JAR_CACHE_DIR"):
        assert f"STREAMGUARD_{key}" in text
    log = tmp_path / "cache" / "ivy-made-up.log"
    assert str(log) in text
    assert "Connection refused" in log.read_text()


def test_a_repository_that_never_answers_is_given_up_in_time(
    brokerless_settings: SettingsFactory, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mute = ivy_settings(tmp_path / "mute.xml", silent.getsockname()[1])
        settings = brokerless_settings(
            jvm={"ivy_settings": mute, "jar_cache_dir": tmp_path / "cache", "fetch_timeout_s": 2}
        )
        with pytest.raises(JarsUnavailableError, match=r"not done after 2 s \(jvm\.fetch_timeout_s\)"):
            ensure_jars(JarSet("made-up", (made_up_jar("alpha", b""),)), settings)


def test_passwords_in_a_mirrors_address_are_not_repeated(brokerless_settings: SettingsFactory, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        named = ivy_settings(tmp_path / "secret.xml", probe.getsockname()[1])
        named.write_text(named.read_text().replace("http://", "http://user:hush@"))
        settings = brokerless_settings(jvm={"ivy_settings": named, "jar_cache_dir": tmp_path / "cache"})
        with pytest.raises(JarsUnavailableError) as raised:
            ensure_jars(JarSet("made-up", (made_up_jar("alpha", b""),)), settings)
    assert "://***@127.0.0.1" in str(raised.value)
    assert "hush" not in str(raised.value)


def test_a_settings_file_that_is_not_there_is_named_with_its_key(
    brokerless_settings: SettingsFactory, tmp_path: Path
) -> None:
    settings = brokerless_settings(jvm={"ivy_settings": tmp_path / "no.xml", "jar_cache_dir": tmp_path / "cache"})
    with pytest.raises(JarsUnavailableError, match=r"STREAMGUARD_JVM__IVY_SETTINGS\) names .*no\.xml, and there is no"):
        ensure_jars(JarSet("made-up", (made_up_jar("alpha", b""),)), settings)


@pytest.mark.fault
def test_two_processes_that_fill_one_cache_fetch_each_jar_once(
    mirrored: Settings, jar_set: JarSet, mirror: Mirror
) -> None:
    fillers = [_filler(mirrored, jar_set) for _ in range(2)]
    for filler in fillers:
        assert filler.stdin is not None
        filler.stdin.write("go\n")
        filler.stdin.flush()
    assert [filler.communicate(timeout=60)[0] for filler in fillers] == ["3\n", "3\n"]
    assert _jars_in(mirrored.jar_cache) == _expected(jar_set)
    assert _jars_asked_for(mirror) == sorted(_expected(jar_set))


@pytest.mark.fault
def test_a_process_killed_while_fetching_leaves_nothing_half_done(
    mirrored: Settings, jar_set: JarSet, mirror: Mirror
) -> None:
    mirror.held.add("gamma-1.0.jar")
    mirror.pause.clear()
    filler = _filler(mirrored, jar_set)
    assert filler.stdin is not None
    filler.stdin.write("go\n")
    filler.stdin.flush()
    cache = mirrored.jar_cache
    assert wait_until(lambda: "beta-1.0.jar" in mirror.fetched)
    filler.kill()
    filler.communicate()
    assert _jars_in(cache) == {}
    assert list(cache.glob(f"{jars_module._FETCH_PREFIX}*")), "the killed process had no time to clean up"
    mirror.pause.set()
    ensure_jars(jar_set, mirrored)
    assert _jars_in(cache) == _expected(jar_set)
    assert not list(cache.glob(f"{jars_module._FETCH_PREFIX}*"))
    end_tree(filler.pid, grace_s=0)
