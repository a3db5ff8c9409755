"""How fast each product sells.

A product is what was sold under one id, name, category, sub-category and brand: one that is renamed has a row per
name, each with its own days, so that nothing is attributed to a name under which it was not sold.
"""

from __future__ import annotations

from streamguard_assets.analytics.aggregation.columns import (
    INSTANT,
    INTEGER,
    NUMBER,
    Column,
    Key,
    ascending,
    descending,
    key_column,
    rounded_column,
)
from streamguard_assets.analytics.aggregation.measures import Count, Distinct, ExactSum, IntegerSum, Span
from streamguard_assets.analytics.analyses.analysis import Analysis
from streamguard_assets.analytics.analyses.conditions import COMPLETED
from streamguard_assets.analytics.days import epoch_day
from streamguard_assets.analytics.fixed_point import FRACTION, MONEY

ORDERS, UNITS, SALES = Count("orders"), IntegerSum("quantity"), Span("event_timestamp")
REVENUE, PRICE = ExactSum("total_amount", MONEY), ExactSum("unit_price", MONEY)
DISCOUNT = ExactSum("discount_percent", FRACTION)
REGIONS, STORES = Distinct("region"), Distinct("store_id")
DAYS = epoch_day(SALES.last) - epoch_day(SALES.first) + 1

ANALYSIS = Analysis(
    name="inventory_velocity",
    description="Units, revenue and sales per day of each product; completed transactions.",
    module=__name__,
    where=COMPLETED,
    keys=(Key("product_id"), Key("product_name"), Key("category"), Key("sub_category"), Key("brand")),
    measures=(ORDERS, UNITS, SALES, REVENUE, PRICE, DISCOUNT),
    sets=(REGIONS, STORES),
    columns=(
        key_column("product_id", "product"),
        key_column("product_name", "name under which it was sold"),
        key_column("category", "product category"),
        key_column("sub_category", "product sub-category; null if not named"),
        key_column("brand", "brand; null if not named"),
        Column("total_units_sold", INTEGER, "sum of quantity, in units", UNITS.value),
        Column("order_count", INTEGER, "transactions", ORDERS.value),
        Column(
            "total_revenue", NUMBER, "sum of total_amount within 10^12, in the currency of the events", REVENUE.total
        ),
        Column("avg_selling_price", NUMBER, "mean unit_price, in the currency of the events", PRICE.mean),
        Column("avg_discount", NUMBER, "mean discount of those that name one, in percent", DISCOUNT.mean),
        Column("regions_sold_in", INTEGER, "different regions", REGIONS.count),
        Column("stores_sold_in", INTEGER, "different stores; a sale without one counts for none", STORES.count),
        Column("first_sale", INSTANT, "instant of the first sale, UTC", SALES.first),
        Column("last_sale", INSTANT, "instant of the last sale, UTC", SALES.last),
        Column("days_in_range", INTEGER, "days from the first sale to the last, both included, UTC", DAYS),
        rounded_column("daily_velocity", "units sold per day in range, to 2 decimals", UNITS.value, DAYS, 2),
    ),
    order=(
        descending("daily_velocity"),
        *ascending("product_id", "product_name", "category", "sub_category", "brand"),
    ),
)
