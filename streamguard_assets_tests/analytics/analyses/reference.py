"""The analyses a second time, written from their definitions in plain Python: dicts, sets and exact numbers.

Deliberately slow and separate from the package: it must not share a mistake with it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

Row = dict[str, Any]


def grouped(rows: Iterable[Row], *keys: str) -> list[tuple[tuple[Any, ...], list[Row]]]:
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[key] for key in keys)].append(row)
    return list(groups.items())


def completed(rows: Iterable[Row]) -> list[Row]:
    return [row for row in rows if row["transaction_status"] == "completed"]


def counted(rows: Iterable[Row], column: str, parts: int) -> list[Fraction]:
    """The values that are summed, each to the nearest of so many ``parts`` of its decimal text."""
    values = [row[column] for row in rows if row[column] is not None]
    exact = [Fraction(Decimal(repr(value))) for value in values if abs(value) <= 10**18 // parts]
    return [Fraction(math.floor(value * parts + Fraction(1, 2)), parts) for value in exact]


def money(rows: Iterable[Row], column: str = "total_amount") -> Fraction:
    return sum(counted(rows, column, 10**6), Fraction(0))


def mean_money(rows: list[Row], column: str = "total_amount") -> float | None:
    return _mean(counted(rows, column, 10**6))


def mean(rows: list[Row], column: str) -> float | None:
    """Of scores and percentages, which count in billionths."""
    return _mean(counted(rows, column, 10**9))


def _mean(values: list[Fraction]) -> float | None:
    return float(sum(values)) / len(values) if values else None


def distinct(rows: Iterable[Row], column: str) -> int:
    return len({row[column] for row in rows} - {None})


def rounded(value: Fraction, decimals: int) -> float:
    """Halves away from zero."""
    whole = math.floor(abs(value) * 10**decimals + Fraction(1, 2))
    return (-whole if value < 0 else whole) / 10**decimals


def ordered(rows: list[Row], *by: str) -> list[Row]:
    """By the columns in turn, a minus before one for descending; nulls last."""
    for name in reversed(by):
        column = name.lstrip("-")
        there = sorted((r for r in rows if r[column] is not None), key=lambda r: _comparable(r[column]))
        if name.startswith("-"):
            # A stable sort of the reversed rows, reversed: ties keep the order that they had.
            there = sorted((r for r in reversed(rows) if r[column] is not None), key=lambda r: _comparable(r[column]))[
                ::-1
            ]
        rows = there + [r for r in rows if r[column] is None]
    return rows


def _comparable(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value


def revenue_by_category(rows: list[Row]) -> list[Row]:
    made = [
        {
            "category": category,
            "total_revenue": float(money(group)),
            "avg_order_value": mean_money(group),
            "transaction_count": len(group),
            "total_units_sold": sum(row["quantity"] for row in group),
            "avg_discount_pct": mean(group, "discount_percent"),
            "unique_customers": distinct(group, "customer_id"),
        }
        for (category,), group in grouped(completed(rows), "category")
    ]
    return ordered(made, "-total_revenue", "category")


def revenue_by_region(rows: list[Row]) -> list[Row]:
    made = [
        {
            "region": region,
            "city": city,
            "total_revenue": float(money(group)),
            "transaction_count": len(group),
            "avg_order_value": mean_money(group),
            "active_stores": distinct(group, "store_id"),
            "unique_customers": distinct(group, "customer_id"),
        }
        for (region, city), group in grouped(completed(rows), "region", "city")
    ]
    return ordered(made, "-total_revenue", "region", "city")


def payment_analysis(rows: list[Row]) -> list[Row]:
    of_all = money(completed(rows))
    made = [
        {
            "payment_method": method,
            "card_network": network,
            "transaction_count": len(group),
            "total_revenue": float(money(group)),
            "avg_transaction_value": mean_money(group),
            "unique_customers": distinct(group, "customer_id"),
            "revenue_share_pct": rounded(money(group) / of_all * 100, 2) if of_all else None,
        }
        for (method, network), group in grouped(completed(rows), "payment_method", "card_network")
    ]
    return ordered(made, "-transaction_count", "payment_method", "card_network")


def customer_segmentation(rows: list[Row]) -> list[Row]:
    made = []
    for (customer,), group in grouped(completed(rows), "customer_id"):
        value, tiers = float(money(group)), [row for row in group if row["customer_tier"] is not None]
        latest = max(((row["event_timestamp"], row["customer_tier"].encode()) for row in tiers), default=None)
        made.append(
            {
                "customer_id": customer,
                "customer_tier": latest[1].decode() if latest else None,
                "lifetime_value": value,
                "total_transactions": len(group),
                "avg_order_value": mean_money(group),
                "last_purchase_date": max(row["event_timestamp"] for row in group),
                "first_purchase_date": min(row["event_timestamp"] for row in group),
                "category_diversity": distinct(group, "category"),
                "mobile_orders": sum(row["channel"] == "mobile_app" for row in group),
                "web_orders": sum(row["channel"] == "web" for row in group),
                "instore_orders": sum(row["channel"] == "pos_in_store" for row in group),
                "segment": _segment(value, len(group)),
            }
        )
    return ordered(made, "-lifetime_value", "customer_id")


def _segment(value: float, purchases: int) -> str:
    for name, least in (("vip", 10_000), ("high_value", 5_000), ("mid_value", 1_000)):
        if value >= least:
            return name
    return "one_time" if purchases == 1 else "low_value"


def fraud_analysis(rows: list[Row]) -> list[Row]:
    keys = ("category", "region", "channel", "payment_method")
    frauds = [row for row in rows if row["is_fraudulent"] or (row["fraud_score"] or 0.0) > 0.7]
    made = [
        {
            **dict(zip(keys, values, strict=True)),
            "fraud_count": len(group),
            "fraud_total_amount": float(money(group)),
            "avg_fraud_score": mean(group, "fraud_score"),
            "avg_fraud_amount": mean_money(group),
            "affected_customers": distinct(group, "customer_id"),
            "affected_cities": sorted({row["city"] for row in group}, key=str.encode),
        }
        for values, group in grouped(frauds, *keys)
    ]
    return ordered(made, "-fraud_count", *keys)


def hourly_trends(rows: list[Row]) -> list[Row]:
    timed = [
        {**row, "day": row["event_timestamp"].date(), "hour": row["event_timestamp"].hour} for row in completed(rows)
    ]
    made = [
        {
            "event_date": day,
            "event_hour": hour,
            "transaction_count": len(group),
            "hourly_revenue": float(money(group)),
            "avg_order_value": mean_money(group),
            "unique_customers": distinct(group, "customer_id"),
            "units_sold": sum(row["quantity"] for row in group),
        }
        for (day, hour), group in grouped(timed, "day", "hour")
    ]
    return ordered(made, "event_date", "event_hour")


def channel_performance(rows: list[Row]) -> list[Row]:
    made = []
    for (channel,), group in grouped(completed(rows), "channel"):
        frauds = sum(row["is_fraudulent"] is True for row in group)
        made.append(
            {
                "channel": channel,
                "transaction_count": len(group),
                "total_revenue": float(money(group)),
                "avg_order_value": mean_money(group),
                "unique_customers": distinct(group, "customer_id"),
                "avg_discount": mean(group, "discount_percent"),
                "fraud_count": frauds,
                "avg_fraud_score": mean(group, "fraud_score"),
                "fraud_rate_pct": rounded(Fraction(frauds * 100, len(group)), 4),
            }
        )
    return ordered(made, "-total_revenue", "channel")


def inventory_velocity(rows: list[Row]) -> list[Row]:
    keys = ("product_id", "product_name", "category", "sub_category", "brand")
    made = []
    for values, group in grouped(completed(rows), *keys):
        first, last = (pick(row["event_timestamp"] for row in group) for pick in (min, max))
        days, units = (last.date() - first.date()).days + 1, sum(row["quantity"] for row in group)
        made.append(
            {
                **dict(zip(keys, values, strict=True)),
                "total_units_sold": units,
                "order_count": len(group),
                "total_revenue": float(money(group)),
                "avg_selling_price": mean_money(group, "unit_price"),
                "avg_discount": mean(group, "discount_percent"),
                "regions_sold_in": distinct(group, "region"),
                "stores_sold_in": distinct(group, "store_id"),
                "first_sale": first,
                "last_sale": last,
                "days_in_range": days,
                "daily_velocity": rounded(Fraction(units, days), 2),
            }
        )
    return ordered(made, "-daily_velocity", *keys)


def realtime_dashboard(rows: list[Row]) -> list[Row]:
    five, one = timedelta(minutes=5), timedelta(minutes=1)
    sliding = []
    for row in rows:
        if row["transaction_status"] in ("completed", "pending"):
            minute = row["event_timestamp"].replace(second=0, microsecond=0)
            sliding += [{**row, "start": minute - back * one} for back in range(5)]
    made = [
        {
            "window_start": start,
            "window_end": start + five,
            "category": category,
            "txn_count": len(group),
            "window_revenue": float(money(group)),
            "avg_order_value": mean_money(group),
            "fraud_alerts": sum(row["is_fraudulent"] is True for row in group),
            "approx_unique_customers": distinct(group, "customer_id"),
        }
        for (start, category), group in grouped(sliding, "start", "category")
    ]
    return ordered(made, "window_start", "category")


def security_dashboard(rows: list[Row]) -> list[Row]:
    five, one = timedelta(minutes=5), timedelta(minutes=1)
    sliding = []
    for row in rows:
        minute = row["timestamp"].replace(second=0, microsecond=0)
        sliding += [{**row, "start": minute - back * one} for back in range(5)]
    made = [
        {
            "window_start": start,
            "window_end": start + five,
            "event_type": event_type,
            "events": len(group),
            "failed": sum(row["status"] == "failed" for row in group),
            "blocked": sum(row["status"] == "blocked" for row in group),
            "unique_users": distinct(group, "user"),
            "max_threat_score": _greatest(counted(group, "threat_score", 10**9)),
        }
        for (start, event_type), group in grouped(sliding, "start", "event_type")
    ]
    return ordered(made, "window_start", "event_type")


def _greatest(values: list[Fraction]) -> float | None:
    return float(max(values)) if values else None


REFERENCE: dict[str, Callable[[list[Row]], list[Row]]] = {
    each.__name__: each
    for each in (
        revenue_by_category, revenue_by_region, payment_analysis, customer_segmentation,
        fraud_analysis, hourly_trends, channel_performance, inventory_velocity,
    )
}  # fmt: skip
