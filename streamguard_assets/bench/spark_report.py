"""The eight analyses as one would write them by hand on Spark: floats added as they come, Spark's own distinct counts.

The peer of ``analyses.report``. It promises less (no exact sums, no total order, no partial results), as the leanest
program would.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as f


def spark_report(events: DataFrame) -> int:
    """Compute all eight and take the rows to this process; how many rows there are."""
    completed = events.where(f.col("transaction_status") == "completed")
    frauds = events.where(f.col("is_fraudulent") | (f.col("fraud_score") > 0.7))
    tables = [
        _by_category(completed),
        _by_region(completed),
        _payments(completed),
        _customers(completed),
        _frauds(frauds),
        _hours(completed),
        _channels(completed),
        _products(completed),
    ]
    return sum(table.toArrow().num_rows for table in tables)


def _revenue(name: str, mean: str) -> list[Column]:
    return [f.sum("total_amount").alias(name), f.avg("total_amount").alias(mean), f.count("*").alias("transactions")]


def _different(*columns: str) -> list[Column]:
    return [f.count_distinct(f.col(column)).alias(f"unique_{column}") for column in columns]


def _where(name: str, condition: Column) -> Column:
    return f.count_if(condition).alias(name)


def _by_category(events: DataFrame) -> DataFrame:
    units, discount = f.sum("quantity").alias("units"), f.avg("discount_percent").alias("discount")
    made = events.groupBy("category").agg(
        *_revenue("revenue", "mean_revenue"), units, discount, *_different("customer_id")
    )
    return made.orderBy(f.desc("revenue"))


def _by_region(events: DataFrame) -> DataFrame:
    made = events.groupBy("region", "city").agg(
        *_revenue("revenue", "mean_revenue"), *_different("store_id", "customer_id")
    )
    return made.orderBy(f.desc("revenue"))


def _payments(events: DataFrame) -> DataFrame:
    made = events.groupBy("payment_method", "card_network").agg(
        *_revenue("revenue", "mean_revenue"), *_different("customer_id")
    )
    share = f.round(f.col("revenue") / f.sum("revenue").over(Window.partitionBy(f.lit(1))) * 100, 2)
    return made.withColumn("share_pct", share).orderBy(f.desc("transactions"))


def _customers(events: DataFrame) -> DataFrame:
    made = events.groupBy("customer_id").agg(
        *_revenue("revenue", "mean_revenue"),
        f.max("event_timestamp").alias("last"),
        f.min("event_timestamp").alias("first"),
        f.max_by("customer_tier", "event_timestamp").alias("tier"),
        *_different("category"),
        *(_where(f"{name}_orders", f.col("channel") == name) for name in ("mobile_app", "web", "pos_in_store")),
    )
    value = f.col("revenue")
    segment = (
        f.when(value >= 10_000, "vip")
        .when(value >= 5_000, "high_value")
        .when(value >= 1_000, "mid_value")
        .when(f.col("transactions") == 1, "one_time")
        .otherwise("low_value")
    )
    return made.withColumn("segment", segment).orderBy(f.desc("revenue"))


def _frauds(events: DataFrame) -> DataFrame:
    made = events.groupBy("category", "region", "channel", "payment_method").agg(
        *_revenue("revenue", "mean_revenue"),
        f.avg("fraud_score").alias("score"),
        f.collect_set("city").alias("cities"),
        *_different("customer_id"),
    )
    return made.orderBy(f.desc("transactions"))


def _hours(events: DataFrame) -> DataFrame:
    keys = [f.to_date("event_timestamp").alias("day"), f.hour("event_timestamp").alias("hour")]
    made = events.groupBy(*keys).agg(
        *_revenue("revenue", "mean_revenue"), f.sum("quantity").alias("units"), *_different("customer_id")
    )
    return made.orderBy("day", "hour")


def _channels(events: DataFrame) -> DataFrame:
    made = events.groupBy("channel").agg(
        *_revenue("revenue", "mean_revenue"),
        f.avg("discount_percent").alias("discount"),
        f.avg("fraud_score").alias("score"),
        _where("frauds", f.col("is_fraudulent")),
        *_different("customer_id"),
    )
    rate = f.round(f.col("frauds") / f.col("transactions") * 100, 4)
    return made.withColumn("fraud_rate_pct", rate).orderBy(f.desc("revenue"))


def _products(events: DataFrame) -> DataFrame:
    made = events.groupBy("product_id", "product_name", "category", "sub_category", "brand").agg(
        *_revenue("revenue", "mean_revenue"),
        f.sum("quantity").alias("units"),
        f.avg("unit_price").alias("price"),
        f.avg("discount_percent").alias("discount"),
        f.min("event_timestamp").alias("first"),
        f.max("event_timestamp").alias("last"),
        *_different("region", "store_id"),
    )
    days = f.datediff("last", "first") + 1
    velocity = f.round(f.col("units") / f.col("days"), 2)
    return made.withColumn("days", days).withColumn("velocity", velocity).orderBy(f.desc("velocity"))
