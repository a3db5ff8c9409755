"""Settings: precedence, completion of built-in streams, and errors that name the key, its origin and the remedy."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from streamguard_assets.settings import (
    BUILT_IN_STREAMS,
    Origin,
    Origins,
    SettingsError,
    environment_variable,
    load_settings,
)

SECRET = "hunter2-and-more"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable and no file of the person who runs the tests takes part."""
    for variable in os.environ:
        if variable.upper().startswith("STREAMGUARD_"):
            monkeypatch.delenv(variable)
    monkeypatch.chdir(tmp_path)


def toml(text: str, name: str = "streamguard.toml") -> Path:
    file = Path(name)
    file.write_text(text, "utf-8")
    return file


def failure() -> str:
    with pytest.raises(SettingsError) as error:
        load_settings()
    assert error.value.__cause__ is None
    return str(error.value)


class TestWhereValuesComeFrom:
    def test_without_anything_the_defaults_hold_and_the_built_in_streams_are_there(self) -> None:
        settings = load_settings()
        assert settings.kafka.bootstrap_servers is None
        assert set(settings.streams) == set(BUILT_IN_STREAMS)

    def test_a_file_in_the_working_folder_is_read(self) -> None:
        toml('[kafka]\nbootstrap_servers = "file:9092"')
        assert load_settings().kafka.bootstrap_servers == "file:9092"

    def test_a_file_may_be_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        toml("[broker]\nheap_mb = 256")
        monkeypatch.setenv("STREAMGUARD_CONFIG", str(toml("[broker]\nheap_mb = 300", "other.toml")))
        assert load_settings().broker.heap_mb == 300

    def test_the_environment_wins_over_the_file_key_by_key(self, monkeypatch: pytest.MonkeyPatch) -> None:
        toml('[kafka]\nbootstrap_servers = "file:9092"\ntopic_partitions = 5')
        monkeypatch.setenv("STREAMGUARD_KAFKA__BOOTSTRAP_SERVERS", "env:9092")
        kafka = load_settings().kafka
        assert (kafka.bootstrap_servers, kafka.topic_partitions) == ("env:9092", 5)

    def test_a_section_may_be_set_as_json(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("STREAMGUARD_KAFKA", '{"topic_partitions": 3, "client_options": {"linger.ms": "5"}}')
        kafka = load_settings().kafka
        assert (kafka.topic_partitions, kafka.client_options) == (3, {"linger.ms": "5"})

    def test_origins_name_the_variable_the_file_or_the_default(self, monkeypatch: pytest.MonkeyPatch) -> None:
        toml("[broker]\nheap_mb = 300\nport = 1")
        monkeypatch.setenv("streamguard_broker__port", "2")
        monkeypatch.setenv("STREAMGUARD_KAFKA", '{"topic_partitions": 3}')
        origins = Origins.read()
        assert origins.of(("broker", "heap_mb")) == Origin("file", "streamguard.toml")
        assert origins.of(("broker", "port")) == Origin("environment variable", "streamguard_broker__port")
        assert origins.of(("kafka", "topic_partitions")) == Origin("environment variable", "STREAMGUARD_KAFKA")
        assert origins.of(("kafka", "sasl_username")) == Origin("default")
        assert origins.of(("streams", "security", "topic")) == Origin("built-in stream")
        assert origins.of(("streams", "security", "grace_s")) == Origin("default")

    def test_the_variable_of_a_key(self) -> None:
        assert environment_variable("kafka.bootstrap_servers") == "STREAMGUARD_KAFKA__BOOTSTRAP_SERVERS"


class TestStreams:
    def test_one_key_of_a_built_in_stream_keeps_its_others(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("STREAMGUARD_STREAMS__SECURITY__WINDOW_MINUTES", "15")
        security = load_settings().streams["security"]
        assert (security.window_minutes, security.topic) == (15, BUILT_IN_STREAMS["security"]["topic"])

    def test_a_named_stream_joins_the_built_in_ones(self) -> None:
        toml('[streams.audit]\ntopic = "audit-log"\ncontract = "security"')
        assert set(load_settings().streams) == {*BUILT_IN_STREAMS, "audit"}

    def test_an_unknown_stream_lists_the_known_ones(self) -> None:
        with pytest.raises(SettingsError, match=r"no stream 'sekurity'; configured streams: .*security"):
            load_settings().stream("sekurity")

    def test_a_stream_without_topic_says_what_to_set(self) -> None:
        toml('[streams.audit]\ncontract = "security"')
        assert "streams.audit.topic: Field required (set STREAMGUARD_STREAMS__AUDIT__TOPIC, or" in failure()

    def test_two_streams_on_one_topic_are_refused_by_name(self) -> None:
        toml('[streams.audit]\ntopic = "security-events"\ncontract = "security"')
        assert "streams audit, security share the topic 'security-events'" in failure()

    def test_dead_letters_into_the_topic_of_a_stream_are_refused(self) -> None:
        toml('[streams.security]\ndead_letter_topic = "security-events"')
        assert "streams.security.dead_letter_topic is 'security-events', the topic of a stream" in failure()

    def test_a_dead_letter_topic_that_kafka_would_refuse_is_refused(self) -> None:
        toml('[streams.security]\ndead_letter_topic = "bad topic!"')
        assert "streams.security.dead_letter_topic" in failure()

    def test_a_bad_stream_name_is_refused_where_it_stands(self) -> None:
        toml('[streams."Audit Log"]\ntopic = "audit"\ncontract = "security"')
        assert "streams.Audit Log" in (text := failure())
        assert "streamguard.toml" in text


class TestWrongValues:
    @pytest.mark.parametrize(
        ("key", "value", "why"),
        [
            ("broker.port", "http", "valid integer"),
            ("broker.port", "70000", "less than or equal to 65535"),
            ("kafka.security_protocol", "TLS", "'PLAINTEXT', 'SSL'"),
            ("detection.contamination", "0.9", "less than 0.5"),
            ("streams.security.window_minutes", "7", "does not divide the day"),
            ("streams.security.start", "2026-01-01T00:00", "needs a time zone"),
            ("lake.provider", "ftp", "'local', 's3'"),
        ],
    )
    def test_a_wrong_value_in_a_variable_names_key_variable_and_reason(
        self, monkeypatch: pytest.MonkeyPatch, key: str, value: str, why: str
    ) -> None:
        monkeypatch.setenv(environment_variable(key), value)
        text = failure()
        assert f"{key}: " in text
        assert why in text
        assert f"set by environment variable {environment_variable(key)}" in text

    def test_a_wrong_value_in_the_file_names_the_file(self) -> None:
        toml("[broker]\nport = 70000")
        assert "broker.port: Input should be less than or equal to 65535 (set by file streamguard.toml)" in failure()

    def test_every_wrong_key_is_named_at_once(self) -> None:
        toml("[broker]\nport = 70000\nheap_mb = 1\n[ingest]\nworkers = 0")
        text = failure()
        assert all(key in text for key in ("broker.port", "broker.heap_mb", "ingest.workers"))

    def test_a_wrong_value_from_the_caller_says_so(self) -> None:
        with pytest.raises(SettingsError, match=r"broker\.port: .*\(given by the caller\)"):
            load_settings(broker={"port": 70000})

    def test_a_section_that_is_no_json_object_names_its_variable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("STREAMGUARD_KAFKA", f'{{"sasl_password": "{SECRET}"')
        text = failure()
        assert "STREAMGUARD_KAFKA sets a whole section" in text
        assert "STREAMGUARD_KAFKA__<KEY>" in text
        assert SECRET not in text


class TestTypingErrors:
    @pytest.mark.parametrize(
        ("variable", "meant"),
        [
            ("STREAMGUARD_STAT_DIR", "STREAMGUARD_STATE_DIR"),
            ("STREAMGUARD_KAFKA__BOOTSTRAP_SERVER", "STREAMGUARD_KAFKA__BOOTSTRAP_SERVERS"),
            ("STREAMGUARD_KAFKAA__BOOTSTRAP_SERVERS", "STREAMGUARD_KAFKA"),
            ("STREAMGUARD_STREAMS__SECURITY__WINDOW_MINUTE", "STREAMGUARD_STREAMS__SECURITY__WINDOW_MINUTES"),
        ],
    )
    def test_a_misspelt_variable_is_refused_with_the_near_one(
        self, monkeypatch: pytest.MonkeyPatch, variable: str, meant: str
    ) -> None:
        monkeypatch.setenv(variable, "1")
        text = failure()
        assert f"{variable} is not a setting" in text
        assert f"({meant})" in text

    @pytest.mark.parametrize(
        "variable", ["STREAMGUARD_STATE_DIR__X", "STREAMGUARD_XYZZY", "STREAMGUARD_BROKER__PORT__A"]
    )
    def test_a_variable_that_is_like_nothing_points_to_the_list(
        self, monkeypatch: pytest.MonkeyPatch, variable: str
    ) -> None:
        monkeypatch.setenv(variable, "1")
        assert f"{variable} is not a setting; `streamguard config` lists every key" in failure()

    def test_a_misspelt_key_in_the_file_is_refused_with_the_near_one(self) -> None:
        toml('[kafka]\nbootstrap_servrs = "a:1"')
        text = failure()
        assert "kafka.bootstrap_servrs: not a setting; did you mean kafka.bootstrap_servers" in text
        assert "set by file streamguard.toml" in text

    def test_a_misspelt_section_in_the_file_is_refused(self) -> None:
        toml("[brokr]\nport = 1")
        assert "brokr: not a setting; did you mean broker" in failure()

    def test_a_file_that_is_not_toml_is_named_with_the_place(self) -> None:
        toml("[kafka\nx = 1")
        assert "streamguard.toml is not valid TOML" in (text := failure())
        assert "line 1" in text

    def test_a_named_file_that_is_missing_is_an_error_and_not_a_default(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("STREAMGUARD_CONFIG", "nowhere.toml")
        assert "STREAMGUARD_CONFIG names nowhere.toml, and there is no such file" in failure()


class TestSecrets:
    def test_secrets_hide_themselves_from_print(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("STREAMGUARD_KAFKA__SASL_PASSWORD", SECRET)
        monkeypatch.setenv("STREAMGUARD_LAKE__STORAGE__SECRET_ACCESS_KEY", SECRET)
        settings = load_settings()
        assert isinstance(settings.kafka.sasl_password, SecretStr)
        assert settings.lake.storage["secret_access_key"].get_secret_value() == SECRET
        assert SECRET not in repr(settings) + str(settings)

    def test_no_error_repeats_a_value_beside_the_wrong_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("STREAMGUARD_KAFKA", f'{{"sasl_password": "{SECRET}", "nonsense": "{SECRET}"}}')
        assert SECRET not in failure()


@pytest.mark.parametrize("cron", ["61 3 * *", "61 3 * * *", "* * * *", "every day", "1-70 * * * *", "5/0 * * * *", ""])
def test_a_wrong_cron_stops_the_start_with_its_key_and_origin(monkeypatch: pytest.MonkeyPatch, cron: str) -> None:
    monkeypatch.setenv("STREAMGUARD_LAKE_CARE__ZORDER_CRON", cron)
    with pytest.raises(
        SettingsError, match=r"lake_care\.zorder_cron: needs five fields .* STREAMGUARD_LAKE_CARE__ZORDER_CRON"
    ):
        load_settings()


@pytest.mark.parametrize("cron", ["43 3 * * 0", "*/15 0-6,22-23 1 1-12/2 7", "0 */6 * * *"])
def test_crons_are_taken_as_cron_knows_them(monkeypatch: pytest.MonkeyPatch, cron: str) -> None:
    monkeypatch.setenv("STREAMGUARD_LAKE_CARE__ZORDER_CRON", cron)
    assert load_settings().lake_care.zorder_cron == cron
