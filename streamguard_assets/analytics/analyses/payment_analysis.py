"""Use and revenue of each payment method and card network. Payments without a network are a group of their own."""

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
from streamguard_assets.analytics.analyses.conditions import COMPLETED
from streamguard_assets.analytics.fixed_point import MONEY

TRANSACTIONS, REVENUE = Count("transactions"), ExactSum("total_amount", MONEY)
CUSTOMERS = Distinct("customer_id")

ANALYSIS = Analysis(
    name="payment_analysis",
    description="Use and revenue per payment method and card network; completed transactions.",
    module=__name__,
    where=COMPLETED,
    keys=(Key("payment_method"), Key("card_network")),
    measures=(TRANSACTIONS, REVENUE),
    sets=(CUSTOMERS,),
    columns=(
        key_column("payment_method", "payment method"),
        key_column("card_network", "network of the card; null for other payments"),
        Column("transaction_count", INTEGER, "transactions", TRANSACTIONS.value),
        Column(
            "total_revenue", NUMBER, "sum of total_amount within 10^12, in the currency of the events", REVENUE.total
        ),
        Column("avg_transaction_value", NUMBER, "mean total_amount, in the currency of the events", REVENUE.mean),
        Column("unique_customers", INTEGER, "different customers", CUSTOMERS.count),
        rounded_column(
            "revenue_share_pct",
            "share of the revenue of all groups, in percent to 2 decimals; null when that is 0",
            REVENUE.parts * 100.0,
            REVENUE.parts_of_all,
            2,
        ),
    ),
    order=(
        descending("transaction_count"),
        *ascending("payment_method", "card_network"),
    ),
)
