"""Every transform gives the same rows on Polars, eager and lazy, and on Spark."""

from __future__ import annotations

import polars as pl
import pytest
from pyspark.sql import DataFrame, SparkSession

from streamguard_assets.analytics.user_features.registry import feature_names
from streamguard_assets.bench.events import EVENT_TYPES
from streamguard_assets_tests.parity.comparison import assert_same_rows
from streamguard_assets_tests.parity.events import many
from streamguard_assets_tests.parity.transforms import TRANSFORMS, cases, discovered

pytestmark = [pytest.mark.spark, pytest.mark.xdist_group("spark")]


def test_every_transform_is_in_the_suite() -> None:
    assert discovered() == set(TRANSFORMS)


def test_the_user_features_that_are_compared_are_all_that_there_are() -> None:
    made = TRANSFORMS["user_features.extraction.user_features"].call(many())

    assert made.columns == ["user", *feature_names(EVENT_TYPES)]


@pytest.mark.parametrize(("name", "frame"), cases())
def test_a_transform_gives_the_same_rows_on_every_engine(spark: SparkSession, name: str, frame: str) -> None:
    transform = TRANSFORMS[name]
    rows = transform.frames[frame]()

    eager = transform.call(rows)
    lazy = transform.call(rows.lazy())
    on_spark = transform.call(spark.createDataFrame(rows.to_arrow()))

    assert isinstance(eager, pl.DataFrame)
    assert isinstance(lazy, pl.LazyFrame)
    assert isinstance(on_spark, DataFrame)
    assert_same_rows(eager.to_arrow(), lazy.collect().to_arrow())
    assert_same_rows(eager.to_arrow(), on_spark.toArrow())


@pytest.mark.parametrize("name", sorted(TRANSFORMS))
def test_the_order_of_rows_does_not_matter_to_the_last_bit(name: str) -> None:
    transform = TRANSFORMS[name]
    for make in transform.frames.values():
        rows = make()

        forwards, backwards = transform.call(rows), transform.call(rows.reverse())

        assert forwards.equals(backwards, null_equal=True)
