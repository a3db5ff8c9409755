"""A record has one verdict, whichever engine reads it: the same rows, reasons, codes and paths."""

from __future__ import annotations

from datetime import UTC, datetime

import narwhals as nw
import polars as pl
import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.functions import col

from streamguard_assets.contracts.registry import CONTRACTS, contract
from streamguard_assets.engines.polars.engine import PolarsEngine
from streamguard_assets.engines.polars.records import parse_record_frame
from streamguard_assets.engines.polars.soft_rules import soft_rule_hits
from streamguard_assets.engines.records import ParsedFrames
from streamguard_assets.engines.spark.engine import SparkEngine
from streamguard_assets.engines.spark.parsing import parse_records, parsed_once, verdicts
from streamguard_assets_tests.parity.comparison import assert_same_rows
from streamguard_assets_tests.parity.records import RECORDS, TRANSACTIONS, VALUES, record_frame

pytestmark = [pytest.mark.spark, pytest.mark.xdist_group("spark")]

INGESTED = datetime(2026, 2, 1, 6, 30, 0, 250_000, UTC)
KAFKA_SCHEMA = "topic string, partition int, offset bigint, timestamp timestamp, key binary, value binary"


@pytest.fixture
def spark_records(spark: SparkSession) -> DataFrame:
    return spark_frame(spark, record_frame())


def spark_frame(spark: SparkSession, records: pl.DataFrame) -> DataFrame:
    return spark.createDataFrame(records.to_arrow(), KAFKA_SCHEMA)


def assert_parity(expected: ParsedFrames[pl.DataFrame], actual: ParsedFrames[DataFrame]) -> None:
    assert_same_rows(expected.accepted.to_arrow(), actual.accepted.toArrow())
    assert_same_rows(expected.rejected.to_arrow(), actual.rejected.toArrow())


@pytest.mark.parametrize("name", sorted(CONTRACTS))
def test_both_engines_give_every_record_the_same_verdict(spark: SparkSession, name: str) -> None:
    records = record_frame(RECORDS[name])
    expected = parse_record_frame(contract(name), records, chunk_records=4, processed_at=INGESTED)

    with parsed_once(contract(name), spark_frame(spark, records), INGESTED) as actual:
        assert_parity(expected, actual)

    assert expected.accepted.height + expected.rejected.height == len(RECORDS[name])


@pytest.mark.parametrize(("name", "codes"), [("security", 8), ("transactions", 6)])
def test_the_table_of_records_has_both_kinds(name: str, codes: int) -> None:
    parsed = parse_record_frame(contract(name), record_frame(RECORDS[name]), chunk_records=4)

    assert parsed.accepted.height >= 5
    assert parsed.rejected["code"].n_unique() >= codes


def test_every_worker_of_spark_writes_the_one_instant_of_ingestion(spark: SparkSession) -> None:
    records = spark_frame(spark, record_frame(TRANSACTIONS)).repartition(3)

    accepted = SparkEngine(spark).parse(contract("transactions"), records, INGESTED).accepted

    instants = accepted.select("processing_timestamp").distinct().toArrow()["processing_timestamp"]
    assert instants.to_pylist() == [INGESTED]


def test_a_record_is_accepted_or_rejected_and_never_both_or_neither(spark_records: DataFrame) -> None:
    rows = verdicts(contract("security"), spark_records)

    both_or_neither = rows.where(col("accepted").isNull() == col("rejected").isNull())

    assert rows.count() == len(VALUES)
    assert both_or_neither.count() == 0


def test_a_verdict_does_not_depend_on_how_records_are_cut_into_batches(
    spark: SparkSession, spark_records: DataFrame
) -> None:
    expected = parse_record_frame(contract("security"), record_frame(), chunk_records=1_000)
    setting = "spark.sql.execution.arrow.maxRecordsPerBatch"
    before = spark.conf.get(setting)
    spark.conf.set(setting, "3")
    try:
        with parsed_once(contract("security"), spark_records) as actual:
            assert_parity(expected, actual)
    finally:
        spark.conf.set(setting, str(before))


def test_no_records_give_two_empty_frames_with_all_columns(spark: SparkSession) -> None:
    nothing = record_frame().clear()

    expected = parse_record_frame(contract("security"), nothing, chunk_records=10)

    assert_parity(expected, parse_records(contract("security"), spark_frame(spark, nothing)))


def test_the_engines_parse_alike(spark: SparkSession, spark_records: DataFrame) -> None:
    polars, on_spark = PolarsEngine(chunk_records=7), SparkEngine(spark)

    ours = polars.parse(contract("security"), record_frame().lazy())
    theirs = on_spark.parse(contract("security"), spark_records)

    assert_same_rows(polars.collect(ours.accepted), on_spark.collect(theirs.accepted))
    assert_same_rows(polars.collect(ours.rejected), on_spark.collect(theirs.rejected))


@pytest.mark.parametrize("name", sorted(CONTRACTS))
def test_both_engines_count_the_same_rows_that_break_a_soft_rule(spark: SparkSession, name: str) -> None:
    records = record_frame(RECORDS[name])
    rules = [rule for rule in contract(name).soft_rules if rule.broken is not None]
    expected = soft_rule_hits(contract(name), parse_record_frame(contract(name), records, chunk_records=4).accepted)

    on_spark = parse_records(contract(name), spark_frame(spark, records)).accepted
    counted = nw.from_native(on_spark).select(*(rule.hits() for rule in rules)).to_native().toArrow()

    assert counted.to_pylist() == [expected]
    assert sum(expected.values()) > 0


@pytest.mark.parametrize("name", sorted(CONTRACTS))
def test_the_columns_are_those_of_the_contract(spark: SparkSession, name: str) -> None:
    parsed = parse_records(contract(name), spark_frame(spark, record_frame().clear()))

    declared = contract(name).spark_schema()

    assert parsed.accepted.columns[:3] == ["kafka_partition", "kafka_offset", "kafka_timestamp"]
    assert [(f.name, f.dataType.simpleString()) for f in parsed.accepted.schema.fields[3:]] == [
        (f.name, f.dataType.simpleString()) for f in declared.fields
    ]


def test_columns_of_the_kafka_source_that_nobody_asked_for_are_dropped(spark_records: DataFrame) -> None:
    with_type = spark_records.selectExpr("*", "0 as timestampType")

    assert verdicts(contract("security"), with_type).count() == len(VALUES)


def test_rejected_bytes_are_kept_as_they_were(spark_records: DataFrame) -> None:
    rejected: pa.Table = parse_records(contract("security"), spark_records).rejected.toArrow()

    kept = dict(zip(rejected["kafka_offset"].to_pylist(), rejected["value"].to_pylist(), strict=True))
    sent = dict(zip(record_frame()["offset"].to_list(), VALUES, strict=True))
    assert kept == {offset: sent[offset] for offset in kept}
