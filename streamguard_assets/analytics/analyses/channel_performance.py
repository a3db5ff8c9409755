"""Revenue, discounts and fraud of each sales channel."""

from __future__ import annotations

from streamguard_assets.analytics.aggregation.columns import (
    INTEGER,
    NUMBER,
    Column,
    Key,
    ascending,
    descending,
    key_column,
    rounded_column,
)
from streamguard_assets.analytics.aggregation.measures import Count, Distinct, ExactSum
from streamguard_assets.analytics.analyses.analysis import Analysis
from streamguard_assets.analytics.analyses.conditions import COMPLETED, LABELLED_FRAUD
from streamguard_assets.analytics.fixed_point import FRACTION, MONEY

TRANSACTIONS, FRAUDS = Count("transactions"), Count("frauds", LABELLED_FRAUD)
REVENUE, DISCOUNT = ExactSum("total_amount", MONEY), ExactSum("discount_percent", FRACTION)
SCORE, CUSTOMERS = ExactSum("fraud_score", FRACTION), Distinct("customer_id")

ANALYSIS = Analysis(
    name="channel_performance",
    description="Revenue, discounts and fraud per sales channel; completed transactions.",
    module=__name__,
    where=COMPLETED,
    keys=(Key("channel"),),
    measures=(TRANSACTIONS, FRAUDS, REVENUE, DISCOUNT, SCORE),
    sets=(CUSTOMERS,),
    columns=(
        key_column("channel", "channel of the sale"),
        Column("transaction_count", INTEGER, "transactions", TRANSACTIONS.value),
        Column(
            "total_revenue", NUMBER, "sum of total_amount within 10^12, in the currency of the events", REVENUE.total
        ),
        Column("avg_order_value", NUMBER, "mean total_amount, in the currency of the events", REVENUE.mean),
        Column("unique_customers", INTEGER, "different customers", CUSTOMERS.count),
        Column("avg_discount", NUMBER, "mean discount of those that name one, in percent", DISCOUNT.mean),
        Column("fraud_count", INTEGER, "transactions that are labelled as fraud", FRAUDS.value),
        Column("avg_fraud_score", NUMBER, "mean fraud_score, 0 to 1; null if none is scored", SCORE.mean),
        rounded_column(
            "fraud_rate_pct",
            "share of transactions that are labelled as fraud, in percent to 4 decimals",
            FRAUDS.value * 100,
            TRANSACTIONS.value,
            4,
        ),
    ),
    order=(
        descending("total_revenue"),
        *ascending("channel"),
    ),
)
