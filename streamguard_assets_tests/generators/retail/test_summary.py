"""The summary says of the rows what a plain loop over them says."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from streamguard_assets.generators.retail.summary import summarize
from streamguard_assets_tests.generators.retail.samples import live_rows


def test_it_agrees_with_a_loop() -> None:
    rows = live_rows().head(7_000)
    found = summarize(rows.lazy())
    told = rows.to_dicts()
    total = sum((Decimal(str(row["total_amount"])) for row in told), Decimal(0))
    assert found.rows == 7_000
    assert found.rows_per_category == Counter(row["category"] for row in told)
    assert list(found.rows_per_category) == sorted(found.rows_per_category)
    assert found.earliest == min(row["event_timestamp"] for row in told)
    assert found.latest == max(row["event_timestamp"] for row in told)
    assert found.average_order_value == round(float(total / 7_000), 2)
    assert found.fraud_rate == sum(row["is_fraudulent"] for row in told) / 7_000
