"""The analyses by name."""

from __future__ import annotations

import subprocess
import sys

import pyarrow as pa
import pytest

from streamguard_assets.analytics.aggregation.definition_hash import modules_behind
from streamguard_assets.analytics.analyses.analysis import Analysis
from streamguard_assets.analytics.analyses.registry import (
    ANALYSES,
    UnknownAnalysis,
    analysis,
    fitting_analyses,
)
from streamguard_assets.contracts.registry import contract
from streamguard_assets.contracts.schemas import COMMENT

EIGHT = [
    "revenue_by_category", "revenue_by_region", "payment_analysis", "customer_segmentation", "fraud_analysis",
    "hourly_trends", "channel_performance", "inventory_velocity",
]  # fmt: skip
each_analysis = pytest.mark.parametrize("one", ANALYSES.values(), ids=list(ANALYSES))


def test_the_eight_come_in_the_order_of_the_report() -> None:
    assert list(ANALYSES) == EIGHT


def test_a_name_is_one_of_them() -> None:
    assert analysis("hourly_trends") is ANALYSES["hourly_trends"]


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UnknownAnalysis, match=f"no analysis 'daily'; there are {', '.join(EIGHT)}"):
        analysis("daily")


def test_the_contract_of_transactions_fits_all_and_that_of_security_none() -> None:
    assert fitting_analyses(contract("transactions").events_schema().names) == tuple(ANALYSES.values())
    assert fitting_analyses(contract("security").events_schema().names) == ()


def test_an_analysis_fits_when_its_own_columns_are_there() -> None:
    assert fitting_analyses(ANALYSES["payment_analysis"].inputs) == (ANALYSES["payment_analysis"],)


@each_analysis
def test_every_column_says_what_it_holds(one: Analysis) -> None:
    for schema in (one.schema, one.partial_schema):
        assert all((field.metadata or {}).get(COMMENT) for field in schema)


@each_analysis
def test_counts_are_int64_and_partial_results_hold_only_texts_and_int64(one: Analysis) -> None:
    assert {pa.int64(), pa.string()} == set(one.partial_schema.types)
    assert not any(pa.types.is_unsigned_integer(kind) for kind in one.schema.types)


@each_analysis
def test_the_order_ends_with_the_keys_so_that_no_rows_tie(one: Analysis) -> None:
    primary = [name for name, is_descending in one.order if is_descending]
    ascending = [name for name, is_descending in one.order if not is_descending]

    assert len(primary) <= 1
    assert len(ascending) == len(one.keys)


def test_definitions_have_hashes_of_their_own_and_the_same_in_every_process() -> None:
    program = (
        "from streamguard_assets.analytics.analyses.registry import ANALYSES;"
        "print(*(each.definition_hash for each in ANALYSES.values()))"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)

    hashes = [each.definition_hash for each in ANALYSES.values()]
    assert told.stdout.split() == hashes
    assert len(set(hashes)) == len(hashes)


@each_analysis
def test_the_hash_covers_the_analysis_and_what_it_runs_through(one: Analysis) -> None:
    behind = {name.removeprefix("streamguard_assets.analytics.") for name in modules_behind(one.module)}

    assert {f"analyses.{one.name}", "analyses.analysis", "analyses.conditions", "aggregation.partials"} <= behind
    assert {"fixed_point", "quotient", "engine_gaps", "instants"} <= behind
    assert not {f"analyses.{other}" for other in ANALYSES if other != one.name} & behind
    assert not any(name.startswith("user_features") for name in behind)
