"""Revenue, order values and customers of each product category."""

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
from streamguard_assets.analytics.aggregation.measures import Count, Distinct, ExactSum, IntegerSum
from streamguard_assets.analytics.analyses.analysis import Analysis
from streamguard_assets.analytics.analyses.conditions import COMPLETED
from streamguard_assets.analytics.fixed_point import FRACTION, MONEY

TRANSACTIONS, UNITS = Count("transactions"), IntegerSum("quantity")
REVENUE, DISCOUNT = ExactSum("total_amount", MONEY), ExactSum("discount_percent", FRACTION)
CUSTOMERS = Distinct("customer_id")

ANALYSIS = Analysis(
    name="revenue_by_category",
    description="Revenue, order values and customers per product category; completed transactions.",
    module=__name__,
    where=COMPLETED,
    keys=(Key("category"),),
    measures=(TRANSACTIONS, UNITS, REVENUE, DISCOUNT),
    sets=(CUSTOMERS,),
    columns=(
        key_column("category", "product category"),
        Column(
            "total_revenue", NUMBER, "sum of total_amount within 10^12, in the currency of the events", REVENUE.total
        ),
        Column("avg_order_value", NUMBER, "mean total_amount, in the currency of the events", REVENUE.mean),
        Column("transaction_count", INTEGER, "transactions", TRANSACTIONS.value),
        Column("total_units_sold", INTEGER, "sum of quantity, in units", UNITS.value),
        Column("avg_discount_pct", NUMBER, "mean discount of those that name one, in percent", DISCOUNT.mean),
        Column("unique_customers", INTEGER, "different customers", CUSTOMERS.count),
    ),
    order=(
        descending("total_revenue"),
        *ascending("category"),
    ),
)
