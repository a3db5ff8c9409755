"""Connections: options, secrets, time-outs and the names of failures."""

from __future__ import annotations

import logging
import pickle
import time
import traceback

import pytest
from confluent_kafka import KafkaError

from streamguard_assets.kafka.client import KafkaConnection
from streamguard_assets.kafka.errors import KafkaMisconfigured, KafkaRefused, KafkaUnavailable, LeaderMoved
from streamguard_assets.kafka.topics import list_topics
from streamguard_assets.settings import KafkaSettings

SECRET = "s3cr3t-passw0rd"
NOBODY = "127.0.0.1:1"


@pytest.fixture
def with_secrets() -> KafkaConnection:
    settings = KafkaSettings.model_validate(
        {
            "bootstrap_servers": NOBODY,
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": "PLAIN",
            "sasl_username": "somebody",
            "sasl_password": SECRET,
            "client_options": {"ssl.key.password": SECRET + "-2"},
            "request_timeout_ms": 300,
        }
    )
    return KafkaConnection.from_settings(settings)


def test_settings_become_options_and_own_options_win(with_secrets: KafkaConnection) -> None:
    assert with_secrets.options["sasl.password"] == SECRET
    assert with_secrets.options["sasl.mechanism"] == "PLAIN"
    own = KafkaSettings.model_validate({"bootstrap_servers": "a:1", "client_options": {"client.id": "mine"}})
    assert KafkaConnection.from_settings(own).options["client.id"] == "mine"


def test_the_local_broker_stands_in_only_where_no_cluster_is_set() -> None:
    named = KafkaSettings.model_validate({"bootstrap_servers": "a:1"})
    unnamed = KafkaSettings.model_validate({})
    assert KafkaConnection.from_settings(named, "b:2").bootstrap_servers == "a:1"
    assert KafkaConnection.from_settings(unnamed, "b:2").bootstrap_servers == "b:2"
    with pytest.raises(KafkaMisconfigured, match="bootstrap_servers"):
        KafkaConnection.from_settings(unnamed)


def test_a_connection_travels_whole_and_shows_no_secret(with_secrets: KafkaConnection) -> None:
    arrived = pickle.loads(pickle.dumps(with_secrets))  # noqa: S301 - our own bytes
    assert arrived == with_secrets
    assert hash(arrived) == hash(with_secrets)
    assert arrived != KafkaConnection(with_secrets.options, 301)
    for shown in (repr(with_secrets), str(with_secrets), f"{with_secrets}"):
        assert SECRET not in shown
        assert NOBODY in shown


def test_an_open_admin_client_stays_behind(connection: KafkaConnection) -> None:
    list_topics(connection)
    assert list_topics(pickle.loads(pickle.dumps(connection))) == list_topics(connection)  # noqa: S301


def test_a_missing_cluster_is_told_in_time_and_without_secrets(
    with_secrets: KafkaConnection, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    began = time.monotonic()
    with pytest.raises(KafkaUnavailable) as caught:
        list_topics(with_secrets)
    assert time.monotonic() - began < 3
    text = "".join(traceback.format_exception(caught.value))
    assert NOBODY in text
    assert "kafka.bootstrap_servers" in str(caught.value)
    captured = capfd.readouterr()
    assert SECRET not in text + caplog.text + captured.out + captured.err


def test_librdkafka_does_not_write_to_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KafkaUnavailable):
        list_topics(KafkaConnection({"bootstrap.servers": NOBODY}, 300))
    assert capfd.readouterr().err == ""


def test_an_unknown_option_is_named() -> None:
    connection = KafkaConnection({"bootstrap.servers": NOBODY, "no.such.option": "v4lue-that-may-be-secret"})
    with pytest.raises(KafkaMisconfigured, match=r"no\.such\.option") as caught:
        connection.admin()
    assert "v4lue-that-may-be-secret" not in str(caught.value)


def test_a_secret_inside_librdkafkas_own_words_is_masked() -> None:
    connection = KafkaConnection({"bootstrap.servers": NOBODY, "enable.random.seed": SECRET})
    with pytest.raises(KafkaMisconfigured) as caught:
        connection.admin()
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_away_and_refused_are_told_apart(connection: KafkaConnection) -> None:
    away = connection.failure(KafkaError(KafkaError._ALL_BROKERS_DOWN), "asking")
    refused = connection.failure(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED), "asking")
    assert isinstance(away, KafkaUnavailable)
    assert isinstance(refused, KafkaRefused)
    assert refused.code == KafkaError.TOPIC_AUTHORIZATION_FAILED


def test_a_broker_that_has_just_come_back_and_knows_no_leaders_yet_is_asked_again() -> None:
    connection = KafkaConnection({"bootstrap.servers": NOBODY})

    assert isinstance(connection.failure(KafkaError(KafkaError._NOENT), "asking"), LeaderMoved)


def test_tuning_gives_way_to_the_user_and_correctness_does_not(kafka_settings: KafkaSettings) -> None:
    options = {"client_options": {"isolation.level": "nonsense", "fetch.wait.max.ms": "nonsense"}}
    connection = KafkaConnection.from_settings(kafka_settings.model_copy(update=options))
    with pytest.raises(KafkaMisconfigured, match=r"fetch\.wait\.max\.ms"):
        connection.consumer({"isolation.level": "read_committed"}, {"fetch.wait.max.ms": 10})
