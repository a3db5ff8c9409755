"""Where fraud happens: transactions of any status that are labelled as fraud or whose score is above 0.7."""

from __future__ import annotations

import narwhals as nw

from streamguard_assets.analytics.aggregation.columns import (
    INTEGER,
    NUMBER,
    TEXTS,
    Column,
    Key,
    ascending,
    descending,
    key_column,
)
from streamguard_assets.analytics.aggregation.measures import Condition, Count, Distinct, ExactSum
from streamguard_assets.analytics.analyses.analysis import Analysis
from streamguard_assets.analytics.analyses.conditions import LABELLED_FRAUD
from streamguard_assets.analytics.fixed_point import FRACTION, MONEY

SUSPICIOUS_SCORE = 0.7
"""A score above it counts as fraud, whatever the label says."""

FRAUDULENT = Condition(
    "fraudulent",
    (*LABELLED_FRAUD.columns, "fraud_score"),
    LABELLED_FRAUD.expression | (nw.col("fraud_score") > SUSPICIOUS_SCORE).fill_null(False),
)
FRAUDS, AMOUNT, SCORE = Count("frauds"), ExactSum("total_amount", MONEY), ExactSum("fraud_score", FRACTION)
CUSTOMERS, CITIES = Distinct("customer_id"), Distinct("city", listed=True)

ANALYSIS = Analysis(
    name="fraud_analysis",
    description="Fraud per category, region, channel and payment method; labelled as fraud, or scored above 0.7.",
    module=__name__,
    where=FRAUDULENT,
    keys=(Key("category"), Key("region"), Key("channel"), Key("payment_method")),
    measures=(FRAUDS, AMOUNT, SCORE),
    sets=(CUSTOMERS, CITIES),
    columns=(
        key_column("category", "product category"),
        key_column("region", "region of the sale"),
        key_column("channel", "channel of the sale"),
        key_column("payment_method", "payment method"),
        Column("fraud_count", INTEGER, "fraudulent transactions", FRAUDS.value),
        Column(
            "fraud_total_amount",
            NUMBER,
            "sum of total_amount within 10^12, in the currency of the events",
            AMOUNT.total,
        ),
        Column("avg_fraud_score", NUMBER, "mean fraud_score, 0 to 1; null if none is scored", SCORE.mean),
        Column("avg_fraud_amount", NUMBER, "mean total_amount, in the currency of the events", AMOUNT.mean),
        Column("affected_customers", INTEGER, "different customers", CUSTOMERS.count),
        Column("affected_cities", TEXTS, "different cities, sorted", CITIES.texts),
    ),
    order=(
        descending("fraud_count"),
        *ascending("category", "region", "channel", "payment_method"),
    ),
)
