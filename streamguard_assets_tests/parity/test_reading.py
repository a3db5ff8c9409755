"""Both engines read the same: an offset range of a real topic, and windows of a table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from confluent_kafka import Producer, TopicPartition
from py4j.protocol import Py4JJavaError
from pyspark.sql import DataFrame, SparkSession

from streamguard_assets.contracts.offsets import OffsetRange
from streamguard_assets.contracts.registry import contract
from streamguard_assets.engines.engine import Engine
from streamguard_assets.engines.polars.engine import PolarsEngine
from streamguard_assets.engines.polars.parsing import parse_records
from streamguard_assets.engines.records import ParsedFrames
from streamguard_assets.engines.spark.engine import SparkEngine
from streamguard_assets.engines.spark.kafka_options import java_client_options
from streamguard_assets.engines.spark.parsing import parsed_once
from streamguard_assets.engines.spark.reading import SparkReadError, read_range
from streamguard_assets.kafka.client import KafkaConnection
from streamguard_assets.kafka.offsets import last_stable_offsets
from streamguard_assets.kafka.reader import read_range as read_range_in_process
from streamguard_assets.lake.commits import WindowCommit
from streamguard_assets.lake.errors import TableMissing
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.lake.window_table import WindowTable
from streamguard_assets.settings import KafkaSettings, Settings
from streamguard_assets_tests.parity.comparison import assert_same_rows
from streamguard_assets_tests.parity.events import PREVIOUS_WINDOW, WINDOW, edges
from streamguard_assets_tests.parity.records import VALUES

pytestmark = [pytest.mark.spark, pytest.mark.xdist_group("spark")]

SECURITY = contract("security")
ReadRange = Callable[[OffsetRange], DataFrame]


@pytest.fixture
def connection(kafka_settings: KafkaSettings) -> KafkaConnection:
    return KafkaConnection.from_settings(kafka_settings)


@pytest.fixture
def read_on_spark(spark: SparkSession, spark_settings: Settings, kafka_settings: KafkaSettings) -> ReadRange:
    servers, options = kafka_settings.bootstrap_servers, java_client_options(kafka_settings, spark_settings.spark)
    assert servers is not None
    return lambda offset_range: read_range(spark, servers, offset_range, options, poll_timeout_ms=3_000)


def produce(connection: KafkaConnection, topic: str, partition: int, *values: bytes | None) -> None:
    producer = connection.producer({}, {})
    send(producer, topic, partition, *values)
    assert producer.flush(30) == 0


def produce_in_transactions(connection: KafkaConnection, topic: str, partition: int) -> None:
    """Committed, aborted, committed, aborted: the last offsets of the partition hold nothing for a reader."""
    producer = connection.producer({"transactional.id": f"{topic}-{partition}"}, {})
    producer.init_transactions(30)
    for number in range(4):
        producer.begin_transaction()
        send(producer, topic, partition, *VALUES[:5])
        assert producer.flush(30) == 0  # else an abort throws away what never reached the log
        producer.commit_transaction(30) if number % 2 == 0 else producer.abort_transaction(30)


def send(producer: Producer, topic: str, partition: int, *values: bytes | None) -> None:
    for number, value in enumerate(values):
        key = None if number % 2 else b"key"
        producer.produce(topic, value, key, partition, timestamp=1_769_868_000_000 + number)


def parsed_in_process(connection: KafkaConnection, offset_range: OffsetRange) -> ParsedFrames[pl.DataFrame]:
    nothing = parse_records(SECURITY, "", 0, [], [], [], [])
    accepted, rejected = [nothing.accepted], [nothing.rejected]
    for chunk in read_range_in_process(connection, offset_range, with_keys=True):
        parsed = parse_records(
            SECURITY, chunk.topic, chunk.partition, chunk.offsets, chunk.timestamps_ms, chunk.keys, chunk.values
        )
        accepted.append(parsed.accepted)
        rejected.append(parsed.rejected)
    return ParsedFrames(pl.concat(accepted), pl.concat(rejected))


def assert_same_records(connection: KafkaConnection, read_on_spark: ReadRange, offset_range: OffsetRange) -> int:
    """Read, decode and compare on both engines; how many records there were."""
    expected = parsed_in_process(connection, offset_range)
    with parsed_once(SECURITY, read_on_spark(offset_range)) as actual:
        assert_same_rows(expected.accepted.to_arrow(), actual.accepted.toArrow())
        assert_same_rows(expected.rejected.to_arrow(), actual.rejected.toArrow())
    return expected.accepted.height + expected.rejected.height


def whole_topic(connection: KafkaConnection, topic: str) -> OffsetRange:
    ends = last_stable_offsets(connection, topic)
    return OffsetRange(topic, dict.fromkeys(ends, 0), ends)


@pytest.mark.broker
class TestAnOffsetRange:
    def test_gives_every_record_of_every_partition(
        self, connection: KafkaConnection, read_on_spark: ReadRange, fresh_topic: Callable[..., str]
    ) -> None:
        topic = fresh_topic(partitions=3)  # the last one stays empty
        produce(connection, topic, 0, *VALUES)
        produce(connection, topic, 1, *VALUES[:3])

        read = assert_same_records(connection, read_on_spark, whole_topic(connection, topic))

        assert read == len(VALUES) + 3

    def test_begins_and_ends_exactly_where_it_says(
        self, connection: KafkaConnection, read_on_spark: ReadRange, fresh_topic: Callable[..., str]
    ) -> None:
        topic = fresh_topic(partitions=2)
        for partition in (0, 1):
            produce(connection, topic, partition, *VALUES)
        offset_range = OffsetRange(topic, {0: 3, 1: 5}, {0: 9, 1: 5})

        rows = read_on_spark(offset_range).select("partition", "offset").collect()

        assert sorted((row["partition"], row["offset"]) for row in rows) == [(0, offset) for offset in range(3, 9)]
        assert assert_same_records(connection, read_on_spark, offset_range) == 6

    def test_holds_committed_records_only_and_ends_also_on_markers(
        self, connection: KafkaConnection, read_on_spark: ReadRange, fresh_topic: Callable[..., str]
    ) -> None:
        topic = fresh_topic(partitions=1)
        produce_in_transactions(connection, topic, 0)
        offset_range = whole_topic(connection, topic)

        read = assert_same_records(connection, read_on_spark, offset_range)

        assert read == 10
        assert offset_range.span == 24, "four transactions of five records, each with its marker"

    def test_without_offsets_is_an_empty_frame(self, read_on_spark: ReadRange, fresh_topic: Callable[..., str]) -> None:
        rows = read_on_spark(OffsetRange(fresh_topic(), {0: 0, 1: 7}, {0: 0, 1: 7}))

        assert rows.count() == 0
        assert rows.columns == ["topic", "partition", "offset", "timestamp", "key", "value"]

    def test_fails_when_the_log_has_lost_some_of_it(
        self, connection: KafkaConnection, read_on_spark: ReadRange, fresh_topic: Callable[..., str]
    ) -> None:
        topic = fresh_topic(partitions=1)
        produce(connection, topic, 0, *VALUES[:5])
        connection.admin().delete_records([TopicPartition(topic, 0, 2)])[TopicPartition(topic, 0)].result(30)

        with pytest.raises(Py4JJavaError, match=r"Could not read records in offset \[0, 5\)"):
            read_on_spark(OffsetRange(topic, {0: 0}, {0: 5})).collect()

    def test_fails_when_the_log_does_not_reach_so_far(
        self, connection: KafkaConnection, read_on_spark: ReadRange, fresh_topic: Callable[..., str]
    ) -> None:
        topic = fresh_topic(partitions=1)
        produce(connection, topic, 0, *VALUES[:3])

        with pytest.raises(Py4JJavaError, match=r"Could not read records in offset \[3, 10\)"):
            read_on_spark(OffsetRange(topic, {0: 0}, {0: 10})).collect()


@pytest.fixture
def table(tmp_path: Path) -> WindowTable:
    return WindowTable(LakeLocation(str(tmp_path / "lake")), "security", "events", SECURITY.events_schema())


def written(table: WindowTable, *windows: str) -> WindowTable:
    for number, window in enumerate(windows):
        rows = edges().with_columns(pl.lit(window).alias("window"))
        table.write(rows, WindowCommit(window, attempt=f"attempt-{number}", complete=True))
    return table


class TestAWindowTable:
    @pytest.mark.parametrize("windows", [None, [WINDOW], [PREVIOUS_WINDOW, WINDOW], ["2020-01-01-00:00"], []])
    def test_gives_the_same_rows(self, spark: SparkSession, table: WindowTable, windows: list[str] | None) -> None:
        written(table, PREVIOUS_WINDOW, WINDOW, "2026-01-31-15:00")

        expected = PolarsEngine().scan(table, windows).collect()

        assert_same_rows(expected.to_arrow(), SparkEngine(spark).scan(table, windows).toArrow())
        assert expected["window"].n_unique() == (
            3 if windows is None else len({PREVIOUS_WINDOW, WINDOW} & set(windows))
        )

    def test_can_be_read_as_of_a_version(self, spark: SparkSession, table: WindowTable) -> None:
        written(table, PREVIOUS_WINDOW)
        before = table.version()
        written(table, WINDOW)

        for engine in engines(spark):
            assert engine.collect(engine.scan(table, version=before)).num_rows == edges().height
            assert engine.collect(engine.scan(table)).num_rows == 2 * edges().height

    def test_a_column_that_the_table_lacks_is_null(
        self, spark: SparkSession, table: WindowTable, tmp_path: Path
    ) -> None:
        written(table, WINDOW)
        schema = SECURITY.events_schema().append(pa.field("new", pa.struct([("inner", pa.int64())])))
        newer = WindowTable(LakeLocation(str(tmp_path / "lake")), "security", "events", schema)

        for engine in engines(spark):
            rows = engine.collect(engine.scan(newer))
            assert rows["new"].null_count == rows.num_rows == edges().height

    def test_that_was_never_written_is_an_error(self, spark: SparkSession, table: WindowTable) -> None:
        for engine in engines(spark):
            with pytest.raises(TableMissing, match="security/events"):
                engine.scan(table)

    def test_on_an_object_store_is_refused_by_spark_with_the_way_out(self, spark: SparkSession) -> None:
        remote = WindowTable(LakeLocation("s3://bucket/lake"), "security", "events", SECURITY.events_schema())

        with pytest.raises(SparkReadError, match="use the Polars engine"):
            SparkEngine(spark).scan(remote)


def engines(spark: SparkSession) -> list[Engine]:
    return [PolarsEngine(), SparkEngine(spark)]
