"""Which transactions count: said once for all analyses."""

from __future__ import annotations

import narwhals as nw

from streamguard_assets.analytics.aggregation.measures import Condition

COMPLETED = Condition("completed", ("transaction_status",), nw.col("transaction_status") == "completed")

LABELLED_FRAUD = Condition("labelled as fraud", ("is_fraudulent",), nw.col("is_fraudulent"))
