"""Records of the transactions stream to test with: a good one, ways to change it, and a day of real order lines."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from streamguard_assets_tests.contracts.records import DATA

TRANSACTION: dict[str, Any] = {
    "transaction_id": "t-1",
    "event_timestamp": "2026-01-31T14:32:07.123Z",
    "processing_timestamp": None,
    "customer_id": "c-42",
    "customer_tier": "gold",
    "product_id": "p-7",
    "product_name": "kettle",
    "category": "home_garden",
    "sub_category": "kitchen",
    "brand": "Acme",
    "quantity": 2,
    "unit_price": 40.0,
    "discount_percent": 15.0,
    "total_amount": 68.0,
    "tax_amount": 6.12,
    "currency": "EUR",
    "payment_method": "credit_card",
    "card_network": "visa",
    "transaction_status": "completed",
    "channel": "mobile_app",
    "store_id": None,
    "region": "west",
    "city": "Lyon",
    "state": "ARA",
    "postal_code": "69001",
    "device_type": "android",
    "session_id": "s-1",
    "ip_address": "192.0.2.xxx",
    "is_fraudulent": False,
    "fraud_score": 0.03,
    "batch_id": None,
}


def transaction(**changes: Any) -> bytes:
    """The transaction with some fields changed; a field set to ``...`` is left out, Raw is written as it is."""
    fields = {name: value for name, value in {**TRANSACTION, **changes}.items() if value is not ...}
    return msgspec.json.encode(fields)


def retail_values() -> list[bytes]:
    """3,108 real order lines of one day in December 2010, one record each."""
    return (DATA / "online_retail_2010-12-01.ndjson").read_bytes().splitlines()


def retail_expected() -> dict[str, Any]:
    """What is known of them; sums of money are texts, exact."""
    return json.loads((DATA / "online_retail_day_expected.json").read_text())
