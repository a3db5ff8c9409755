"""`streamguard config` shows every key with value, origin and purpose, and never a secret."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import BaseModel
from typer.testing import CliRunner

from streamguard_assets.commands.config import config, config_entries
from streamguard_assets.commands.exit_codes import CommandError
from streamguard_assets.settings import Origins, Settings, SettingsError, StreamSettings, load_settings

SECRET = "hunter2-and-more"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in os.environ:
        if variable.upper().startswith("STREAMGUARD_"):
            monkeypatch.delenv(variable)
    monkeypatch.chdir(tmp_path)


def entries() -> dict[str, Any]:
    return {entry.key: entry for entry in config_entries(load_settings(), Origins.read())}


def run(*arguments: str) -> str:
    """Standard output of the command; its error, if it ends with one, is raised."""
    app = typer.Typer()
    app.command()(config)
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def declared_keys(section: type[BaseModel], prefix: str = "") -> set[str]:
    keys = set()
    for name, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            keys |= declared_keys(kind, f"{prefix}{name}.")
        else:
            keys.add(f"{prefix}{name}")
    return keys


class TestEntries:
    def test_every_declared_key_is_there_with_a_description(self) -> None:
        expected = declared_keys(Settings) - {"streams"} | declared_keys(StreamSettings, "streams.security.")
        found = entries()
        assert expected <= set(found)
        assert all(entry.description for entry in found.values())

    def test_values_are_what_is_in_force_and_origins_say_why(self, monkeypatch: pytest.MonkeyPatch) -> None:
        Path("streamguard.toml").write_text("[broker]\nheap_mb = 300\n[streams.security]\ngrace_s = 5\n")
        monkeypatch.setenv("STREAMGUARD_BROKER__PORT", "9092")
        found = entries()
        shown = {k: (found[k].value, found[k].origin) for k in ("broker.heap_mb", "broker.port", "broker.options")}
        assert shown == {
            "broker.heap_mb": (300, "file streamguard.toml"),
            "broker.port": (9092, "environment variable STREAMGUARD_BROKER__PORT"),
            "broker.options": ({}, "default"),
        }
        assert found["streams.security.topic"].origin == "built-in stream"
        assert found["streams.security.grace_s"].origin == "file streamguard.toml"

    def test_the_variable_of_an_entry_sets_that_entry(self, monkeypatch: pytest.MonkeyPatch) -> None:
        variable = entries()["streams.security.window_minutes"].variable
        monkeypatch.setenv(variable, "30")
        assert entries()["streams.security.window_minutes"].value == 30


class TestSecrets:
    @pytest.mark.parametrize(
        ("variable", "key"),
        [
            ("STREAMGUARD_KAFKA__SASL_PASSWORD", "kafka.sasl_password"),
            ("STREAMGUARD_LAKE__STORAGE__SECRET_ACCESS_KEY", "lake.storage.secret_access_key"),
            ("STREAMGUARD_LAKE__STORAGE__ENDPOINT", "lake.storage.endpoint"),
        ],
    )
    def test_secret_fields_are_masked(self, monkeypatch: pytest.MonkeyPatch, variable: str, key: str) -> None:
        monkeypatch.setenv(variable, SECRET)
        assert entries()[key].value == "***"
        assert all(SECRET not in run(*flags) for flags in ([], ["--json"], ["--csv"]))

    @pytest.mark.parametrize(
        "option",
        ["ssl.key.password", "sasl.jaas.config", "sasl.oauthbearer.client.secret", "ssl.key.pem", "SSL.Key.Password"],
    )
    def test_free_options_that_may_be_secret_are_masked(self, option: str) -> None:
        Path("streamguard.toml").write_text(f'[kafka.client_options]\n"{option}" = "{SECRET}"\n"linger.ms" = "5"\n')
        found = entries()
        assert found[f"kafka.client_options.{option}"].value == "***"
        assert found["kafka.client_options.linger.ms"].value == "5"

    def test_a_password_inside_an_address_is_masked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("STREAMGUARD_LAKE__URI", f"s3://me:{SECRET}@bucket/lake")
        assert entries()["lake.uri"].value == "s3://***@bucket/lake"


class TestCommand:
    def test_json_has_every_key(self) -> None:
        listed = json.loads(run("--json"))
        assert {entry["key"] for entry in listed} == set(entries())
        assert set(listed[0]) == {"key", "value", "origin", "description", "variable"}

    def test_csv_has_every_key(self) -> None:
        header, *rows = csv.reader(io.StringIO(run("--csv")))
        assert header == ["key", "value", "origin", "description"]
        assert [row[0] for row in rows] == list(entries())

    def test_the_table_can_be_narrowed_to_sections_and_keys(self) -> None:
        lines = run("broker", "kafka.sasl_mechanism").splitlines()[1:]
        keys = [line.split()[0] for line in lines]
        assert set(keys) == {key for key in entries() if key.startswith("broker.")} | {"kafka.sasl_mechanism"}

    def test_an_unknown_key_is_none_found(self) -> None:
        with pytest.raises(CommandError, match="no setting is called brokr"):
            run("brokr")

    def test_a_wrong_setting_stops_it_with_the_keys_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("STREAMGUARD_BROKER__PORT", "70000")
        with pytest.raises(SettingsError, match=r"broker\.port"):
            run()

    def test_the_help_teaches_with_examples_and_statuses(self) -> None:
        text = run("--help")
        assert "streamguard config kafka broker.port" in text
        assert "Exits with" in text
