"""What each customer is worth, and the segment that follows from it.

One row per customer, also for one whose tier changes: the tier is that of the latest purchase that names one; of
several at that same instant, the greatest name.
"""

from __future__ import annotations

import narwhals as nw

from streamguard_assets.analytics.aggregation.columns import (
    INSTANT,
    INTEGER,
    NUMBER,
    TEXT,
    Column,
    Key,
    ascending,
    descending,
    key_column,
)
from streamguard_assets.analytics.aggregation.measures import Condition, Count, Distinct, ExactSum, Latest, Span
from streamguard_assets.analytics.analyses.analysis import Analysis
from streamguard_assets.analytics.analyses.conditions import COMPLETED
from streamguard_assets.analytics.fixed_point import MONEY

VIP_FROM, HIGH_VALUE_FROM, MID_VALUE_FROM = 10_000.0, 5_000.0, 1_000.0
"""Lifetime values at which a segment begins, in the currency of the events."""


def _orders_by(channel: str) -> Count:
    return Count(f"{channel}_orders", Condition(f"by {channel}", ("channel",), nw.col("channel") == channel))


TRANSACTIONS, REVENUE, PURCHASES = Count("transactions"), ExactSum("total_amount", MONEY), Span("event_timestamp")
MOBILE, WEB, IN_STORE = _orders_by("mobile_app"), _orders_by("web"), _orders_by("pos_in_store")
CATEGORIES, TIER = Distinct("category"), Latest("customer_tier", at="event_timestamp")

SEGMENT = (
    nw.when(REVENUE.total >= VIP_FROM)
    .then(nw.lit("vip"))
    .otherwise(
        nw.when(REVENUE.total >= HIGH_VALUE_FROM)
        .then(nw.lit("high_value"))
        .otherwise(
            nw.when(REVENUE.total >= MID_VALUE_FROM)
            .then(nw.lit("mid_value"))
            .otherwise(
                nw.when(TRANSACTIONS.value == 1).then(nw.lit("one_time")).otherwise(nw.lit("low_value")),
            )
        )
    )
)

ANALYSIS = Analysis(
    name="customer_segmentation",
    description="Lifetime value, habits and segment per customer; completed transactions.",
    module=__name__,
    where=COMPLETED,
    keys=(Key("customer_id"),),
    measures=(TRANSACTIONS, REVENUE, PURCHASES, MOBILE, WEB, IN_STORE),
    sets=(CATEGORIES, TIER),
    columns=(
        key_column("customer_id", "customer"),
        Column("customer_tier", TEXT, "tier at the latest purchase that names one; null if none does", TIER.value),
        Column(
            "lifetime_value", NUMBER, "sum of total_amount within 10^12, in the currency of the events", REVENUE.total
        ),
        Column("total_transactions", INTEGER, "transactions", TRANSACTIONS.value),
        Column("avg_order_value", NUMBER, "mean total_amount, in the currency of the events", REVENUE.mean),
        Column("last_purchase_date", INSTANT, "instant of the last purchase, UTC", PURCHASES.last),
        Column("first_purchase_date", INSTANT, "instant of the first purchase, UTC", PURCHASES.first),
        Column("category_diversity", INTEGER, "different product categories", CATEGORIES.count),
        Column("mobile_orders", INTEGER, "transactions by the channel mobile_app", MOBILE.value),
        Column("web_orders", INTEGER, "transactions by the channel web", WEB.value),
        Column("instore_orders", INTEGER, "transactions by the channel pos_in_store", IN_STORE.value),
        Column("segment", TEXT, "vip, high_value, mid_value, one_time or low_value", SEGMENT),
    ),
    order=(
        descending("lifetime_value"),
        *ascending("customer_id"),
    ),
)
