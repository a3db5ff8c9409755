"""Revenue, stores and customers of each region and city."""

from __future__ import annotations

from streamguard_assets.analytics.aggregation.columns import (
    INTEGER,
    NUMBER,
    Column,
    Key,
    ascending,
    descending,
    key_column,
)
from streamguard_assets.analytics.aggregation.measures import Count, Distinct, ExactSum
from streamguard_assets.analytics.analyses.analysis import Analysis
from streamguard_assets.analytics.analyses.conditions import COMPLETED
from streamguard_assets.analytics.fixed_point import MONEY

TRANSACTIONS, REVENUE = Count("transactions"), ExactSum("total_amount", MONEY)
STORES, CUSTOMERS = Distinct("store_id"), Distinct("customer_id")

ANALYSIS = Analysis(
    name="revenue_by_region",
    description="Revenue, stores and customers per region and city; completed transactions.",
    module=__name__,
    where=COMPLETED,
    keys=(Key("region"), Key("city")),
    measures=(TRANSACTIONS, REVENUE),
    sets=(STORES, CUSTOMERS),
    columns=(
        key_column("region", "region of the sale"),
        key_column("city", "city of the sale"),
        Column(
            "total_revenue", NUMBER, "sum of total_amount within 10^12, in the currency of the events", REVENUE.total
        ),
        Column("transaction_count", INTEGER, "transactions", TRANSACTIONS.value),
        Column("avg_order_value", NUMBER, "mean total_amount, in the currency of the events", REVENUE.mean),
        Column("active_stores", INTEGER, "different stores; a sale without one counts for none", STORES.count),
        Column("unique_customers", INTEGER, "different customers", CUSTOMERS.count),
    ),
    order=(
        descending("total_revenue"),
        *ascending("region", "city"),
    ),
)
