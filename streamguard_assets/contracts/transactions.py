"""Retail transactions: one line of an order, from a till, a website or an app."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from streamguard_assets.contracts.contract import Contract
from streamguard_assets.contracts.fields import Int32, Record, ZonedTimestamp
from streamguard_assets.contracts.soft_rules import (
    PLAUSIBLE_FROM,
    PLAUSIBLE_UNTIL,
    SoftRule,
    below,
    implausible_timestamp,
    outside,
    repeated,
    unknown_value,
)

CUSTOMER_TIERS = ("bronze", "silver", "gold", "platinum")
CATEGORIES = (
    "electronics",
    "clothing",
    "grocery",
    "home_garden",
    "sports",
    "beauty",
    "automotive",
    "books",
    "toys",
    "pharmacy",
)
PAYMENT_METHODS = ("credit_card", "debit_card", "upi", "wallet", "bank_transfer", "cod", "gift_card")
CARD_NETWORKS = ("visa", "mastercard", "amex", "rupay", "discover")
TRANSACTION_STATUSES = ("completed", "pending", "failed", "refunded", "chargeback")
CHANNELS = ("pos_in_store", "web", "mobile_app", "marketplace", "call_center")
REGIONS = ("north", "south", "east", "west", "central", "northeast")
DEVICE_TYPES = ("android", "ios", "desktop", "tablet")

MOST_SUMMED = 1e12
"""Amounts beyond it are no amounts of money: analyses leave them out of their sums, which are exact up to it."""

HALF_A_CENT = 0.005
FLOAT_ERROR = 1e-14
"""More than a few operations on doubles can be off by, relative to the amount. Without it a total that was rounded
from exactly half a cent would be a hit or none by chance."""


class TransactionEvent(Record, kw_only=True):
    """One transaction: the 31 fields of the published schema in its order, which mixes required and optional ones."""

    transaction_id: Annotated[
        str, Meta(description="the source's id of the transaction; repeats are counted, not dropped")
    ]
    event_timestamp: Annotated[
        ZonedTimestamp, Meta(description="when it happened at the source; ISO-8601 text with a zone, kept in UTC")
    ]
    processing_timestamp: Annotated[
        ZonedTimestamp | None,
        Meta(description="when the pipeline took it in; whatever the producer writes here is replaced"),
    ] = None
    customer_id: Annotated[str, Meta(description="customer, by a pseudonym")]
    customer_tier: Annotated[
        str | None, Meta(description=f"tier of the loyalty programme; known: {', '.join(CUSTOMER_TIERS)}")
    ] = None
    product_id: Annotated[str, Meta(description="stock-keeping unit of the product")]
    product_name: Annotated[str, Meta(description="name of the product, for people")]
    category: Annotated[str, Meta(description=f"top-level product category; known: {', '.join(CATEGORIES)}")]
    sub_category: Annotated[str | None, Meta(description="finer product category")] = None
    brand: Annotated[str | None, Meta(description="maker or brand of the product")] = None
    quantity: Annotated[Int32, Meta(description="units bought; 1 or more is expected")]
    unit_price: Annotated[float, Meta(description="price of one unit before discount, in `currency`")]
    discount_percent: Annotated[float | None, Meta(description="discount in percent, 0 to 100; null means none")] = None
    total_amount: Annotated[
        float,
        Meta(
            description="quantity * unit_price * (1 - discount_percent / 100) in `currency`, as the source computed it"
        ),
    ]
    tax_amount: Annotated[float | None, Meta(description="tax collected on it, in `currency`")] = None
    currency: Annotated[str, Meta(description="ISO 4217 code of the currency of its amounts")]
    payment_method: Annotated[str, Meta(description=f"how it was paid; known: {', '.join(PAYMENT_METHODS)}")]
    card_network: Annotated[
        str | None, Meta(description=f"network of the card, null without one; known: {', '.join(CARD_NETWORKS)}")
    ] = None
    transaction_status: Annotated[str, Meta(description=f"how it ended; known: {', '.join(TRANSACTION_STATUSES)}")]
    channel: Annotated[str, Meta(description=f"where it was placed; known: {', '.join(CHANNELS)}")]
    store_id: Annotated[str | None, Meta(description="physical or virtual store, null on a marketplace")] = None
    region: Annotated[str, Meta(description=f"geographic region; known: {', '.join(REGIONS)}")]
    city: Annotated[str, Meta(description="city that it comes from")]
    state: Annotated[str | None, Meta(description="code of the state or province")] = None
    postal_code: Annotated[str | None, Meta(description="postal code, as text")] = None
    device_type: Annotated[
        str | None, Meta(description=f"device of a digital channel, null at a till; known: {', '.join(DEVICE_TYPES)}")
    ] = None
    session_id: Annotated[str | None, Meta(description="session of the website or app")] = None
    ip_address: Annotated[str | None, Meta(description="address of the buyer, hashed or masked")] = None
    is_fraudulent: Annotated[
        bool | None, Meta(description="verdict of a fraud detection; null before there is one")
    ] = None
    fraud_score: Annotated[
        float | None, Meta(description="probability of fraud by a model, 0 to 1; null before there is one")
    ] = None
    batch_id: Annotated[
        str | None,
        Meta(description="the batch that the row was made in; null outside of batches, unless the producer wrote one"),
    ] = None


def _total_differs(api: Any) -> Any:
    factor = 1 - api.col("discount_percent").fill_null(0.0) / 100
    total = api.col("total_amount")
    difference = (total - api.col("quantity") * api.col("unit_price") * factor).abs()
    return difference > HALF_A_CENT + FLOAT_ERROR * total.abs()


TOTAL_AMOUNT_MISMATCH = SoftRule(
    "total_amount_mismatch",
    "`total_amount` is not quantity * unit_price * (1 - discount_percent / 100), rounded either way to a cent",
    ("quantity", "unit_price", "discount_percent", "total_amount"),
    _total_differs,
)

TRANSACTIONS = Contract(
    name="transactions",
    description="Retail transactions: what was bought, by whom, where, how it was paid and how it ended",
    event=TransactionEvent,
    user_column="customer_id",
    time_column="event_timestamp",
    id_column="transaction_id",
    event_date="event_date",
    ingested_at="processing_timestamp",
    soft_rules=(
        unknown_value("customer_tier", CUSTOMER_TIERS),
        unknown_value("category", CATEGORIES),
        unknown_value("payment_method", PAYMENT_METHODS),
        unknown_value("card_network", CARD_NETWORKS),
        unknown_value("transaction_status", TRANSACTION_STATUSES),
        unknown_value("channel", CHANNELS),
        unknown_value("region", REGIONS),
        unknown_value("device_type", DEVICE_TYPES),
        below("quantity_range", "quantity", 1),
        below("negative_unit_price", "unit_price", 0),
        outside("discount_percent_range", "discount_percent", 0, 100),
        below("negative_tax_amount", "tax_amount", 0),
        outside("fraud_score_range", "fraud_score", 0, 1),
        TOTAL_AMOUNT_MISMATCH,
        outside("total_amount_beyond_sums", "total_amount", -MOST_SUMMED, MOST_SUMMED),
        outside("unit_price_beyond_sums", "unit_price", -MOST_SUMMED, MOST_SUMMED),
        implausible_timestamp("event_timestamp", PLAUSIBLE_FROM, PLAUSIBLE_UNTIL),
        repeated("transaction_id"),
    ),
)
