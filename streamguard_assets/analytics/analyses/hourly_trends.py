"""Transactions and revenue of each hour, in UTC whatever time zone an engine's session is in."""

from __future__ import annotations

from streamguard_assets.analytics.aggregation.columns import DATE, INTEGER, NUMBER, ClockKey, Column, ascending
from streamguard_assets.analytics.aggregation.measures import Count, Distinct, ExactSum, IntegerSum
from streamguard_assets.analytics.analyses.analysis import Analysis
from streamguard_assets.analytics.analyses.conditions import COMPLETED
from streamguard_assets.analytics.days import epoch_day
from streamguard_assets.analytics.fixed_point import MONEY
from streamguard_assets.analytics.instants import hour_of_day

TRANSACTIONS, REVENUE = Count("transactions"), ExactSum("total_amount", MONEY)
UNITS, CUSTOMERS = IntegerSum("quantity"), Distinct("customer_id")

DAY, HOUR = ClockKey("epoch_day", "event_timestamp", epoch_day), ClockKey("hour", "event_timestamp", hour_of_day)

ANALYSIS = Analysis(
    name="hourly_trends",
    description="Transactions, revenue and customers per hour, UTC; completed transactions.",
    module=__name__,
    where=COMPLETED,
    keys=(DAY, HOUR),
    measures=(TRANSACTIONS, REVENUE, UNITS),
    sets=(CUSTOMERS,),
    columns=(
        Column("event_date", DATE, "day of the events, UTC", DAY.value),
        Column("event_hour", INTEGER, "hour of the day, 0 to 23, UTC", HOUR.value),
        Column("transaction_count", INTEGER, "transactions", TRANSACTIONS.value),
        Column(
            "hourly_revenue", NUMBER, "sum of total_amount within 10^12, in the currency of the events", REVENUE.total
        ),
        Column("avg_order_value", NUMBER, "mean total_amount, in the currency of the events", REVENUE.mean),
        Column("unique_customers", INTEGER, "different customers", CUSTOMERS.count),
        Column("units_sold", INTEGER, "sum of quantity, in units", UNITS.value),
    ),
    order=(*ascending("event_date", "event_hour"),),
)
