"""The cluster's settings, said to the Java client: translated or refused, never silently lost."""

from typing import Any

import pytest

from streamguard_assets.engines.spark.kafka_options import KafkaOptionError, java_client_options
from streamguard_assets.settings import KafkaSettings, SparkSettings


def options(kafka: dict[str, Any], spark_kafka_options: dict[str, str] | None = None) -> dict[str, str]:
    return java_client_options(
        KafkaSettings.model_validate(kafka), SparkSettings.model_validate({"kafka_options": spark_kafka_options or {}})
    )


def test_a_plain_cluster_needs_no_more_than_its_protocol() -> None:
    assert options({}) == {"security.protocol": "PLAINTEXT"}


@pytest.mark.parametrize(
    ("mechanism", "module"),
    [("PLAIN", "plain.PlainLoginModule"), ("SCRAM-SHA-512", "scram.ScramLoginModule")],
)
def test_a_login_becomes_a_jaas_line(mechanism: str, module: str) -> None:
    given = options({"sasl_mechanism": mechanism, "sasl_username": "reader", "sasl_password": 'a"b\\c'})

    assert given["sasl.mechanism"] == mechanism
    assert given["sasl.jaas.config"] == (
        f'org.apache.kafka.common.security.{module} required username="reader" password="a\\"b\\\\c";'
    )


def test_a_certificate_authority_becomes_a_pem_trust_store() -> None:
    given = options({"security_protocol": "SSL", "client_options": {"ssl.ca.location": "/etc/ca.pem"}})

    assert given["ssl.truststore.location"] == "/etc/ca.pem"
    assert given["ssl.truststore.type"] == "PEM"


def test_the_host_name_check_is_switched_off_in_javas_words() -> None:
    name = "ssl.endpoint.identification.algorithm"

    assert options({"client_options": {name: "none"}})[name] == ""
    assert options({"client_options": {name: "https"}})[name] == "https"


def test_tuning_of_librdkafka_means_nothing_to_java() -> None:
    assert "fetch.queue.backoff.ms" not in options({"client_options": {"fetch.queue.backoff.ms": "5"}})


def test_a_security_option_without_a_translation_is_refused() -> None:
    with pytest.raises(KafkaOptionError, match=r"kafka\.client_options\.ssl\.key\.location.*spark\.kafka_options"):
        options({"client_options": {"ssl.key.location": "/etc/key.pem"}})


def test_what_the_user_says_for_java_wins_and_settles_the_rest() -> None:
    given = options(
        {"client_options": {"ssl.key.location": "/etc/key.pem"}},
        {"security.protocol": "SSL", "ssl.keystore.location": "/etc/keys.p12"},
    )

    assert given == {"security.protocol": "SSL", "ssl.keystore.location": "/etc/keys.p12"}


def test_an_unknown_mechanism_asks_for_the_jaas_line() -> None:
    with pytest.raises(KafkaOptionError, match=r"sasl\.jaas\.config"):
        options({"sasl_mechanism": "OAUTHBEARER", "sasl_username": "reader"})


def test_no_password_shows_in_an_error() -> None:
    with pytest.raises(KafkaOptionError) as error:
        options({"sasl_mechanism": "GSSAPI", "sasl_username": "reader", "sasl_password": "hunter2"})

    assert "hunter2" not in str(error.value)
