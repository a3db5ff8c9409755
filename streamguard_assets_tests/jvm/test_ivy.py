"""What is told to Ivy, and what its output is taken for."""

from __future__ import annotations

import pytest

from streamguard_assets.jvm.ivy import proxy_options

PROXY_VARIABLES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")


@pytest.fixture(autouse=True)
def no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def test_without_a_proxy_nothing_is_said() -> None:
    assert proxy_options() == []


def test_the_proxies_of_the_environment_are_handed_to_java(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("HTTP_PROXY", "http://other.example")
    assert proxy_options() == [
        *("-Dhttp.proxyHost=other.example", "-Dhttp.proxyPort=80"),
        *("-Dhttps.proxyHost=proxy.example", "-Dhttps.proxyPort=3128"),
    ]


def test_hosts_without_proxy_are_written_in_javas_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "localhost, .example.org,10.0.0.1")
    assert proxy_options()[-1] == "-Dhttp.nonProxyHosts=localhost|*.example.org|10.0.0.1"


def test_the_password_of_a_proxy_is_not_put_on_a_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://user:secret@proxy.example:3128")
    assert "secret" not in " ".join(proxy_options())
