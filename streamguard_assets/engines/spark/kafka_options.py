"""The settings of a Kafka cluster in the words of the Java client, which Spark reads with."""

from __future__ import annotations

from streamguard_assets.settings import KafkaSettings, SparkSettings

CA_LOCATION = "ssl.ca.location"
HOST_NAME_CHECK = "ssl.endpoint.identification.algorithm"

SECURITY_PREFIXES = ("sasl.", "ssl.", "security.", "enable.ssl.", "oauthbearer_")

LOGIN_MODULES = {
    "PLAIN": "org.apache.kafka.common.security.plain.PlainLoginModule",
    "SCRAM-SHA-256": "org.apache.kafka.common.security.scram.ScramLoginModule",
    "SCRAM-SHA-512": "org.apache.kafka.common.security.scram.ScramLoginModule",
}


class KafkaOptionError(Exception):
    """A setting of the cluster has no known counterpart in the Java client; the text says what to set instead."""


def java_client_options(kafka: KafkaSettings, spark: SparkSettings) -> dict[str, str]:
    """The settings of the cluster in the words of the Java client; ``spark.kafka_options`` has the last word.

    A security option without a translation is refused as long as ``spark.kafka_options`` is empty: a read that
    silently lost one would fail with a riddle. Other ``kafka.client_options`` tune librdkafka and mean nothing here.
    """
    given = {name: value.get_secret_value() for name, value in spark.kafka_options.items()}
    options = {"security.protocol": kafka.security_protocol}
    if kafka.sasl_mechanism is not None:
        options["sasl.mechanism"] = kafka.sasl_mechanism
    if kafka.sasl_username is not None and "sasl.jaas.config" not in given:
        options["sasl.jaas.config"] = _jaas_config(kafka)
    for name, value in kafka.client_options.items():
        options |= _translated(name, value, refuse=not given)
    return {**options, **given}


def _translated(name: str, value: str, refuse: bool) -> dict[str, str]:
    if name == CA_LOCATION:
        return {"ssl.truststore.location": value, "ssl.truststore.type": "PEM"}
    if name == HOST_NAME_CHECK:
        return {name: "" if value == "none" else value}
    if refuse and name.startswith(SECURITY_PREFIXES):
        raise KafkaOptionError(
            f"kafka.client_options.{name} is librdkafka's; say the same for the Java client in spark.kafka_options"
        )
    return {}


def _jaas_config(kafka: KafkaSettings) -> str:
    mechanism = kafka.sasl_mechanism or "PLAIN"
    if mechanism not in LOGIN_MODULES:
        raise KafkaOptionError(
            f"no login module is known here for kafka.sasl_mechanism={mechanism}; "
            "give sasl.jaas.config in spark.kafka_options"
        )
    password = kafka.sasl_password.get_secret_value() if kafka.sasl_password else ""
    login = f"username={_quoted(kafka.sasl_username or '')} password={_quoted(password)}"
    return f"{LOGIN_MODULES[mechanism]} required {login};"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
