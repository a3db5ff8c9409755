"""Every setting of StreamGuard, typed, in one tree.

A value comes from the environment (``STREAMGUARD_KAFKA__BOOTSTRAP_SERVERS=host:9092``; two underscores step
into a section), else from a TOML file (``STREAMGUARD_CONFIG``, by default ``streamguard.toml`` in the working
folder when there is one), else from the default written here. A wrong value stops the start and names its key.
"""

from __future__ import annotations

import difflib
import json
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from streamguard_assets.contracts.windows import Cadence

ENV_PREFIX = "STREAMGUARD_"
CONFIG_VARIABLE = "STREAMGUARD_CONFIG"
DEFAULT_CONFIG_FILE = Path("streamguard.toml")


class SettingsError(Exception):
    """A setting is missing, malformed or unknown; the text names its key, its origin and what is allowed."""


def _cadence(minutes: int) -> int:
    return Cadence(minutes).minutes


def _with_zone(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ValueError("needs a time zone, for example 2026-01-31T00:00:00Z")
    return instant


WindowMinutes = Annotated[int, AfterValidator(_cadence)]
Instant = Annotated[datetime, AfterValidator(_with_zone)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", description="lower-case letters, digits, underscores")]


class Section(BaseModel):
    """A group of settings; unknown keys are refused so that a typing error cannot pass for a default."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class KafkaSettings(Section):
    """The Kafka cluster that holds the topics."""

    bootstrap_servers: str | None = Field(
        None, description="host:port list of your cluster; absent: the local broker that `streamguard` runs itself"
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="how to talk to the cluster"
    )
    sasl_mechanism: str | None = Field(None, description="PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, …")
    sasl_username: str | None = Field(None, description="user name for SASL")
    sasl_password: SecretStr | None = Field(None, description="password for SASL")
    client_options: dict[str, str] = Field(
        default_factory=dict, description="further librdkafka options, handed to every client as they are"
    )
    request_timeout_ms: int = Field(10_000, ge=100, description="longest wait for one answer of the cluster")
    topic_partitions: int = Field(12, ge=1, description="partitions of a topic created on your cluster")
    topic_replication: int = Field(1, ge=1, description="replication factor of a topic created by streamguard")
    topic_retention_hours: int = Field(168, ge=-1, description="retention of a topic created by us; -1: for ever")


class BrokerSettings(Section):
    """The local broker, used when no bootstrap_servers are set."""

    port: int = Field(0, ge=0, le=65535, description="0: the port of the last start, or else a free one")
    heap_mb: int = Field(512, ge=128, description="Java heap of the broker, MiB")
    topic_partitions: int = Field(3, ge=1, description="partitions of a topic created on the local broker")
    start_timeout_s: float = Field(60.0, gt=0, description="longest wait until the broker serves metadata")
    options: dict[str, str] = Field(default_factory=dict, description="further server properties of Apache Kafka")


class JvmSettings(Section):
    """Java for the local broker and for Spark, and the jars they run."""

    java_home: Path | None = Field(
        None, description="a Java 17 or newer; absent: JAVA_HOME or PATH if it is 17 or 21, else the bundled one"
    )
    jar_cache_dir: Path | None = Field(None, description="verified jars; absent: `jars` in the state folder")
    ivy_settings: Path | None = Field(None, description="an ivysettings.xml that names your mirror")
    trust_store: Path | None = Field(None, description="a Java trust store (JKS or PKCS12) for the jar download")
    fetch_timeout_s: float = Field(600.0, gt=0, description="longest time that one download of jars may take")


class LakeSettings(Section):
    """Where Delta tables live. ``storage`` holds the fields of dagster-deltalake's S3Config, AzureConfig, GcsConfig."""

    uri: str | None = Field(
        None, description="folder or s3://, az://, gs:// address; absent: `lake` in the state folder"
    )
    provider: Literal["local", "s3", "azure", "gcs"] = Field("local", description="which store `uri` is on")
    storage: dict[str, SecretStr] = Field(
        default_factory=dict, description="options of the provider (access_key_id, secret_access_key, endpoint, …)"
    )


class IngestSettings(Section):
    """How an offset range becomes rows."""

    chunk_records: int = Field(
        2_000, ge=1, le=100_000, description="records parsed at once; 2,000 stays inside the CPU's cache"
    )
    file_rows: int = Field(125_000, ge=1_000, description="most rows of one Parquet file; bounds memory per window")
    workers: int = Field(2, ge=1, description="processes that read and parse one large range")
    parallel_from_records: int = Field(
        150_000, ge=1, description="offsets in a run from which workers are worth their start-up"
    )


class DetectionSettings(Section):
    """The anomaly model of a stream."""

    trees: int = Field(100, ge=1, description="trees of the isolation forest")
    random_state: int = Field(42, ge=0, description="seed of the forest")
    contamination: float = Field(0.1, gt=0, lt=0.5, description="share of users taken as anomalous")
    threshold: float | None = Field(None, ge=0, le=1, description="a fixed score instead of the contamination share")
    min_users: int = Field(10, ge=2, description="fewer users than this: scores are null, with the reason")
    training_windows: int = Field(168, ge=1, description="windows of features that the model is fitted on")
    min_training_windows: int = Field(24, ge=1, description="until so many exist, fitted on the rows that it scores")


class CheckSettings(Section):
    """Limits of the warning checks."""

    max_quarantine_share: float = Field(0.01, ge=0, le=1, description="rejected records among all of a window")
    max_soft_rule_share: float = Field(0.05, ge=0, le=1, description="soft-rule hits per accepted record of a window")
    max_age_minutes: int = Field(180, ge=1, description="age of the newest complete window before freshness warns")


class StreamSettings(Section):
    """One stream: a topic, its contract and how it is cut into windows."""

    topic: str = Field(min_length=1, max_length=249, pattern=r"^[a-zA-Z0-9._-]+$", description="Kafka topic")
    contract: Name = Field(description="name of the contract that its records follow")
    window_minutes: WindowMinutes = Field(60, description="length of a window; never changes under a ledger")
    start: Instant | None = Field(
        None, description="first boundary; absent: the hour of the oldest record, decided by the first command"
    )
    grace_s: float = Field(60.0, ge=0, description="wait after an instant before its boundary is decided")
    skew_s: float = Field(300.0, ge=0, description="records stamped this far past the decision are passed over")
    lookback_windows: int = Field(24, ge=1, description="windows whose events a window's features see")
    open_window_growth: float = Field(
        0.25, gt=0, description="share by which the open window grows before it is materialized again"
    )
    max_attempts: int = Field(3, ge=1, description="times a failing window is tried before it is left to a person")
    max_windows_per_run: int = Field(168, ge=1, description="most windows that one run of the sensor takes")
    dead_letter_topic: str | None = Field(
        None,
        min_length=1,
        max_length=249,
        pattern=r"^[a-zA-Z0-9._-]+$",
        description="topic that rejected records are also sent to",
    )


class SparkSettings(Section):
    """The local Spark session, for those who choose the Spark engine."""

    master: str = Field("local[*]", min_length=1, description="where Spark runs; local[N] uses N cores of this machine")
    driver_memory_mb: int = Field(1_024, ge=512, description="Java heap of a local Spark session, MiB")
    shuffle_partitions: int = Field(4, ge=1, description="partitions of a shuffle; Spark's own 200 suit a cluster")
    kafka_options: dict[str, SecretStr] = Field(
        default_factory=dict, description="options of the Java Kafka client, for Spark's reads of your cluster"
    )
    options: dict[str, str] = Field(default_factory=dict, description="further spark.* options; they win over ours")


class DagsterSettings(Section):
    """The Dagster processes that `streamguard up` and `demo` run."""

    host: str = Field("127.0.0.1", description="address that the Dagster UI listens on")
    port: int = Field(0, ge=0, le=65535, description="port of the Dagster UI; 0: 3000 if free, else a free one")


BUILT_IN_STREAMS: dict[str, dict[str, Any]] = {
    "security": {"topic": "security-events", "contract": "security"},
}
"""What a built-in stream is when the user says nothing, or only a part of it."""


class Settings(BaseSettings):
    """The whole tree."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, validate_default=True
    )

    state_dir: Path = Field(Path(".streamguard"), description="jars, broker data, lake, Dagster storage, models")
    kafka: KafkaSettings = Field(default_factory=KafkaSettings)  # pyright: ignore[reportArgumentType]
    broker: BrokerSettings = Field(default_factory=BrokerSettings)  # pyright: ignore[reportArgumentType]
    jvm: JvmSettings = Field(default_factory=JvmSettings)  # pyright: ignore[reportArgumentType]
    lake: LakeSettings = Field(default_factory=LakeSettings)  # pyright: ignore[reportArgumentType]
    ingest: IngestSettings = Field(default_factory=IngestSettings)  # pyright: ignore[reportArgumentType]
    detection: DetectionSettings = Field(default_factory=DetectionSettings)  # pyright: ignore[reportArgumentType]
    checks: CheckSettings = Field(default_factory=CheckSettings)  # pyright: ignore[reportArgumentType]
    spark: SparkSettings = Field(default_factory=SparkSettings)  # pyright: ignore[reportArgumentType]
    dagster: DagsterSettings = Field(default_factory=DagsterSettings)  # pyright: ignore[reportArgumentType]
    streams: dict[Name, StreamSettings] = Field(
        default_factory=lambda: dict(BUILT_IN_STREAMS),  # pyright: ignore[reportAssignmentType, reportArgumentType]
        description="streams by name",
    )

    @model_validator(mode="before")
    @classmethod
    def _complete_built_in_streams(cls, values: Any) -> Any:
        """Setting one key of a built-in stream keeps its other defaults; naming a stream adds it to the built-in."""
        given = values.get("streams") if isinstance(values, dict) else None
        if not isinstance(given, dict):
            return values
        names = dict.fromkeys([*BUILT_IN_STREAMS, *given])
        completed = {
            name: {**BUILT_IN_STREAMS.get(name, {}), **given.get(name, {})}
            if isinstance(given.get(name, {}), dict)
            else given[name]
            for name in names
        }
        return {**values, "streams": completed}

    @model_validator(mode="after")
    def _topics_differ(self) -> Settings:
        topics = [s.topic for s in self.streams.values()]
        for topic in set(topics):
            if topics.count(topic) > 1:
                names = sorted(n for n, s in self.streams.items() if s.topic == topic)
                raise ValueError(f"streams {', '.join(names)} share the topic {topic!r}; each needs its own")
        for name, stream in self.streams.items():
            # Rejected records would come back as new records, be rejected again, and so on without end.
            if stream.dead_letter_topic in topics:
                raise ValueError(
                    f"streams.{name}.dead_letter_topic is {stream.dead_letter_topic!r}, the topic of a stream"
                )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        sources: list[PydanticBaseSettingsSource] = [init_settings, env_settings]
        if (file := config_file()) is not None:
            sources.append(TomlConfigSettingsSource(settings_cls, file))
        return tuple(sources)

    @property
    def state(self) -> Path:
        """The state folder as an absolute path, so that child processes in other folders agree on it."""
        return self.state_dir.expanduser().absolute()

    @property
    def lake_uri(self) -> str:
        return self.lake.uri or str(self.state / "lake")

    @property
    def jar_cache(self) -> Path:
        return (self.jvm.jar_cache_dir or self.state / "jars").expanduser().absolute()

    def stream(self, name: str) -> StreamSettings:
        """Settings of one stream; ``SettingsError`` lists the known ones."""
        try:
            return self.streams[name]
        except KeyError:
            known = ", ".join(sorted(self.streams))
            raise SettingsError(f"there is no stream {name!r}; configured streams: {known}") from None


def config_file() -> Path | None:
    """The TOML file in use, or None. A file that was named but is not there is an error, not a default."""
    named = os.environ.get(CONFIG_VARIABLE)
    if named is None:
        return DEFAULT_CONFIG_FILE if DEFAULT_CONFIG_FILE.is_file() else None
    if not Path(named).is_file():
        raise SettingsError(f"{CONFIG_VARIABLE} names {named}, and there is no such file")
    return Path(named)


def load_settings(**overrides: Any) -> Settings:
    """Read and validate every setting; ``SettingsError`` names each wrong key, where it was set and why."""
    try:
        origins = Origins.read()
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{config_file()} is not valid TOML: {error}") from None
    _check_variables(origins.variables)
    try:
        return Settings(**overrides)
    except ValidationError as error:
        # The library's error holds the values given, passwords among them: only its findings travel on.
        raise SettingsError(_explain(error, origins, overrides)) from None


def environment_variable(key: str) -> str:
    """The variable that sets ``key``: ``kafka.bootstrap_servers`` is ``STREAMGUARD_KAFKA__BOOTSTRAP_SERVERS``."""
    return ENV_PREFIX + key.replace(".", "__").upper()


@dataclass(frozen=True)
class Origin:
    """Where a value comes from; ``name`` is the variable or the file."""

    kind: Literal["environment variable", "file", "built-in stream", "default"]
    name: str | None = None

    def __str__(self) -> str:
        return f"{self.kind} {self.name}" if self.name else self.kind


@dataclass(frozen=True)
class Origins:
    """Where the value of each key comes from: read once from the environment and the TOML file."""

    variables: Mapping[str, str]
    file: Path | None
    file_values: Mapping[str, Any]

    @classmethod
    def read(cls) -> Origins:
        """Raises SettingsError for a file that is named and missing, TOMLDecodeError for one that is not TOML."""
        file = config_file()
        values = tomllib.loads(file.read_text("utf-8")) if file else {}
        variables = {
            name: text
            for name, text in os.environ.items()
            if name.upper().startswith(ENV_PREFIX) and name.upper() != CONFIG_VARIABLE
        }
        return cls(variables, file, values)

    def of(self, path: Sequence[str]) -> Origin:
        """The origin of the key ``path``, such as ``("kafka", "bootstrap_servers")``."""
        if (variable := self._variable(path)) is not None:
            return Origin("environment variable", variable)
        if _holds(self.file_values, path):
            return Origin("file", str(self.file))
        return Origin("built-in stream" if _holds({"streams": BUILT_IN_STREAMS}, path) else "default")

    def _variable(self, path: Sequence[str]) -> str | None:
        """The variable that holds ``path``: its own, one of a key in it, or a section above it set as JSON."""
        whole = environment_variable(".".join(path))
        for variable in self.variables:
            if variable.upper() == whole or variable.upper().startswith(f"{whole}__"):
                return variable
        for depth in range(len(path) - 1, 0, -1):
            section = environment_variable(".".join(path[:depth]))
            for variable, text in self.variables.items():
                if variable.upper() == section and _holds(_json(text), path[depth:]):
                    return variable
        return None


def _holds(values: Any, path: Sequence[str]) -> bool:
    for part in path:
        if not isinstance(values, Mapping) or part not in values:
            return False
        values = values[part]
    return True


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _explain(error: ValidationError, origins: Origins, overrides: Mapping[str, Any]) -> str:
    lines = []
    for problem in error.errors(include_url=False, include_input=False):
        path = [str(part) for part in problem["loc"] if part != "[key]"]
        what = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            what = f"not a setting{_suggestion(path)}"
        lines.append(f"{'.'.join(path)}: {what} ({_where(path, origins, overrides)})" if path else what)
    return "wrong settings:\n  " + "\n  ".join(lines)


def _where(path: Sequence[str], origins: Origins, overrides: Mapping[str, Any]) -> str:
    """Where the wrong value stands, or, when there is none, where to put one."""
    key = ".".join(path)
    if _holds(overrides, path):
        return "given by the caller"
    origin = origins.of(path)
    if origin.name is not None:
        return f"set by {origin}"
    return f"set {environment_variable(key)}, or {key} in {origins.file or DEFAULT_CONFIG_FILE}"


def _check_variables(variables: Mapping[str, str]) -> None:
    """Refuse what the library ignores (a misspelt variable: the user would run on a default) or words badly."""
    for variable, text in variables.items():
        path = variable.upper().removeprefix(ENV_PREFIX).lower().split("__")
        kind = _annotation(path)
        if kind is None:
            raise SettingsError(f"{variable} is not a setting{_suggestion(path)}; `streamguard config` lists every key")
        if (_is_section(kind) or get_origin(kind) is dict) and not isinstance(_json(text), dict):
            raise SettingsError(
                f"{variable} sets a whole section and is not a JSON object; set one key of it as {variable}__<KEY>"
            )


def _annotation(path: Sequence[str]) -> Any:
    """The declared type of the key ``path``, or None if there is no such key."""
    kind: Any = Settings
    for part in path:
        if _is_section(kind):
            field = kind.model_fields.get(part)
            kind = field.annotation if field else None
        else:
            kind = get_args(kind)[1] if get_origin(kind) is dict else None
    return kind


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _suggestion(path: Sequence[str]) -> str:
    """``; did you mean kafka.bootstrap_servers?`` when a key of the same section is near, else nothing."""
    for depth, part in enumerate(path):
        section = _annotation(path[:depth])
        if _is_section(section) and part not in section.model_fields:
            near = difflib.get_close_matches(part, section.model_fields, n=1)
            meant = ".".join([*path[:depth], *near])
            return f"; did you mean {meant} ({environment_variable(meant)})?" if near else ""
    return ""
