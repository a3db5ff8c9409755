"""Every analysis gives the same table on Polars and on Spark: rows in the same order, numbers to the last bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import polars as pl
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from streamguard_assets.analytics.analyses.analysis import Analysis
from streamguard_assets.analytics.analyses.registry import ANALYSES, analysis
from streamguard_assets.analytics.realtime_dashboard import REALTIME_DASHBOARD
from streamguard_assets.analytics.security_dashboard import SECURITY_DASHBOARD
from streamguard_assets_tests.analytics.analyses.reference import REFERENCE
from streamguard_assets_tests.parity.comparison import assert_same_rows
from streamguard_assets_tests.parity.events import edges
from streamguard_assets_tests.parity.transactions import no_transactions, odd_transactions

pytestmark = [pytest.mark.spark, pytest.mark.xdist_group("spark")]

each_analysis = pytest.mark.parametrize(
    ("one", "events"),
    [*((one, odd_transactions) for one in (*ANALYSES.values(), REALTIME_DASHBOARD)), (SECURITY_DASHBOARD, edges)],
    ids=[*ANALYSES, REALTIME_DASHBOARD.name, SECURITY_DASHBOARD.name],
)
Events = Callable[[], pl.DataFrame]
TIME_ZONE = "spark.sql.session.timeZone"


@pytest.fixture
def auckland(spark: SparkSession) -> Iterator[SparkSession]:
    """The session in a time zone in which it is mostly another day than in UTC."""
    before = spark.conf.get(TIME_ZONE)
    spark.conf.set(TIME_ZONE, "Pacific/Auckland")
    yield spark
    spark.conf.set(TIME_ZONE, str(before))


def assert_identical(expected: pa.Table, actual: pa.Table) -> None:
    """Same types, and the same rows in the same order, bit for bit."""
    assert_same_rows(expected, actual)
    assert actual.to_pylist() == expected.to_pylist()


@each_analysis
def test_an_analysis_gives_the_same_table_on_spark(spark: SparkSession, one: Analysis, events: Events) -> None:
    rows = events()

    on_spark = one(spark.createDataFrame(rows.to_arrow())).toArrow()

    assert_identical(one(rows).to_arrow(), on_spark)


@pytest.mark.parametrize("one", ANALYSES.values(), ids=list(ANALYSES))
def test_the_table_of_odd_transactions_follows_the_definitions(one: Analysis) -> None:
    assert one(odd_transactions()).to_dicts() == REFERENCE[one.name](odd_transactions().to_dicts())


@each_analysis
def test_partial_results_of_both_engines_combine(spark: SparkSession, one: Analysis, events: Events) -> None:
    rows = events()
    first, second = rows[: len(rows) // 3], rows[len(rows) // 3 :]

    kept_by_spark = one.partials(spark.createDataFrame(second.to_arrow())).toArrow()

    assert_same_rows(one.partials(second).to_arrow(), kept_by_spark)
    together = pl.concat([one.partials(first), pl.DataFrame(kept_by_spark)])
    assert_identical(one(rows).to_arrow(), one.finish(spark.createDataFrame(together.to_arrow())).toArrow())


@pytest.mark.parametrize("name", ["hourly_trends", "customer_segmentation", "inventory_velocity"])
def test_days_and_instants_do_not_follow_the_time_zone_of_the_session(auckland: SparkSession, name: str) -> None:
    rows = odd_transactions()

    on_spark = pl.DataFrame(analysis(name)(auckland.createDataFrame(rows.to_arrow())).toArrow())

    expected = analysis(name)(rows)
    instants = [column for column, kind in expected.schema.items() if isinstance(kind, pl.Datetime)]
    in_utc = on_spark.with_columns(pl.col(*instants).dt.convert_time_zone("UTC")) if instants else on_spark
    assert in_utc.equals(expected, null_equal=True)


@pytest.mark.parametrize("name", ["fraud_analysis", "payment_analysis"])
def test_no_events_give_a_table_without_rows_on_spark(spark: SparkSession, name: str) -> None:
    rows = no_transactions()

    assert_identical(analysis(name)(rows).to_arrow(), analysis(name)(spark.createDataFrame(rows.to_arrow())).toArrow())
