"""The groups of settings: one class per concern, each key with its meaning, its limits and its default."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from streamguard_assets.settings.section import Cron, HoursOfDay, Section


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


class LakeCareSettings(Section):
    """Care of the tables, and when it is scheduled. Schedules are crons in UTC."""

    scheduled: bool = Field(True, description="whether the schedules are on; care by command works either way")
    compaction_every_hours: HoursOfDay = Field(6, description="hours between two turns of compaction; divides a day")
    zorder_cron: Cron = Field("43 3 * * 0", description="when rows are put in z-order")
    vacuum_cron: Cron = Field("13 3 * * *", description="when files that no version needs are deleted")
    checkpoint_cron: Cron = Field("33 3 * * *", description="when logs get checkpoints and lose old ones")
    batch_retention_cron: Cron = Field("3 3 * * *", description="when batches past batches.retention_days are deleted")
    target_file_mb: int = Field(64, ge=1, le=1_024, description="size that compaction gives files, MiB")
    zorder_min_rows: int = Field(
        100_000, ge=1, description="rows from which a partition is put in order; below, a reader reads all of it anyway"
    )
    vacuum_retention_hours: int = Field(
        168, ge=168, description="hours for which replaced rows stay readable by version; less would endanger readers"
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


class BatchSettings(Section):
    """Batches: ad-hoc offset ranges of a topic."""

    max_concurrent: int = Field(8, ge=1, le=100, description="batches that run at once; further ones wait their turn")
    retention_days: float = Field(7.0, gt=0, description="days after its end for which a batch and its tables are kept")
    default_page_size: int = Field(100, ge=1, description="rows of a page of a batch's data when nobody says")
    max_page_size: int = Field(10_000, ge=1, description="most rows of one page")
    topic_retention_hours: int = Field(
        720, ge=-1, description="retention of a batch topic created by us on the local broker; -1: for ever"
    )


class StreamingSettings(Section):
    """The long-lived job of a stream: how it reads, commits, recovers, and what it keeps."""

    trigger_ms: int = Field(1_000, ge=50, le=60_000, description="longest time that an event waits for its micro-batch")
    max_batch_records: int = Field(
        100_000, ge=1, le=2_000_000, description="records at which a micro-batch is committed before its time"
    )
    max_batch_mb: int = Field(64, ge=1, le=1_024, description="value bytes at which it is committed too, MiB")
    start: Literal["uncovered", "earliest", "latest"] = Field(
        "uncovered", description="where a stream begins that never ran; uncovered: behind the last complete window"
    )
    dashboard_interval_s: float = Field(2.0, gt=0, le=60, description="longest time between two dashboard updates")
    live_retention_hours: float = Field(
        24.0, ge=0, description="hours for which live rows are kept after a complete window covers them"
    )
    care_cron: Cron = Field("*/30 * * * *", description="when live rows are reconciled, and removed when due")
    on_retention_gap: Literal["fail", "skip"] = Field(
        "fail", description="when Kafka deleted what was not read yet; skip: go on, with the gap recorded"
    )
    on_topic_recreated: Literal["fail", "skip"] = Field(
        "fail",
        description="when the topic is another one under the same name; skip: go on with it from its start. Windows "
        "of the old topic stay beside its live rows, which nothing compares or removes",
    )
    on_partition_added: Literal["start", "fail"] = Field(
        "start", description="when the topic got a partition; start: read it from its first record"
    )
    restarts_per_hour: int = Field(
        10, ge=0, description="restarts of a wanted stream within an hour; more wait for its end, or for `stream start`"
    )
    restart_backoff_s: float = Field(
        2.0, ge=0, description="wait before the first restart; doubled with each, to 5 min"
    )
    stale_after_s: float = Field(60.0, ge=5, description="age of the last sign of life at which a stream is given up")
    patience_s: float = Field(
        600.0, gt=0, description="how long the stream itself waits for a cluster, or a lake, that is away"
    )
    observation_interval_s: float = Field(60.0, ge=1, description="time between two observations in Dagster")
    metrics_host: str = Field("127.0.0.1", description="address of the Prometheus metrics of a running stream")
    metrics_port: int = Field(0, ge=0, le=65535, description="their port; 0: any free one, `stream status` tells it")


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
