"""Every analysis against a second implementation, in any order of the rows and however the events are split."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamguard_assets.analytics.analyses.analysis import Analysis
from streamguard_assets.analytics.analyses.registry import ANALYSES
from streamguard_assets.analytics.analyses.report import run_analyses, run_partials
from streamguard_assets.analytics.realtime_dashboard import REALTIME_DASHBOARD, realtime_dashboard
from streamguard_assets_tests.analytics.analyses import reference
from streamguard_assets_tests.analytics.analyses.reference import REFERENCE
from streamguard_assets_tests.analytics.analyses.transactions import TRANSACTIONS, Transaction, frame, transaction

ALL = [*ANALYSES.values(), REALTIME_DASHBOARD]
names = pytest.mark.parametrize("analysis", ALL, ids=lambda each: each.name)

SOME = st.lists(TRANSACTIONS, max_size=24)


def test_every_analysis_has_a_reference() -> None:
    assert set(ANALYSES) <= set(REFERENCE)


@settings(max_examples=30)
@given(SOME)
def test_every_row_follows_its_definition(rows: list[Transaction]) -> None:
    made = run_analyses(frame(rows).lazy(), ANALYSES.values())

    for name, result in made.items():
        assert result.to_dicts() == REFERENCE[name](rows), name


@settings(max_examples=15)
@given(SOME)
def test_every_window_of_the_dashboard_follows_its_definition(rows: list[Transaction]) -> None:
    inside = [row for row in rows if 1 < row["event_timestamp"].year < 9999]

    assert realtime_dashboard(frame(inside)).to_dicts() == reference.realtime_dashboard(inside)


@settings(max_examples=15)
@given(SOME, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter_to_the_last_bit(rows: list[Transaction], random: Any) -> None:
    shuffled = random.sample(rows, len(rows))

    first, second = (run_analyses(frame(each).lazy(), ANALYSES.values()) for each in (rows, shuffled))

    for name in ANALYSES:
        assert first[name].equals(second[name], null_equal=True), name


@settings(max_examples=15)
@given(SOME, st.lists(st.integers(0, 24), max_size=3))
def test_partial_results_of_any_split_give_the_result_of_the_whole(rows: list[Transaction], cuts: list[int]) -> None:
    whole = frame(rows)
    places = [0, *sorted(cuts), len(rows)]
    pieces = [whole[begin:end] for begin, end in pairwise(places)]
    kept = [run_partials(piece.lazy(), ANALYSES.values()) for piece in pieces]

    for name, analysis in ANALYSES.items():
        together = pl.concat(each[name] for each in kept)
        expected = analysis(whole)
        assert analysis.finish(together).equals(expected, null_equal=True), name
        assert analysis.finish(analysis.combine(together)).equals(expected, null_equal=True), name
        assert _sorted(analysis.combine(together)).equals(_sorted(analysis.partials(whole)), null_equal=True), name


def _sorted(partials: pl.DataFrame) -> pl.DataFrame:
    return partials.sort(pl.all())


@names
@pytest.mark.parametrize("rows", [[], [transaction(is_fraudulent=True)]], ids=["no events", "one event"])
def test_columns_and_types_are_those_of_the_schema(analysis: Analysis, rows: list[Transaction]) -> None:
    events = frame(rows)

    for made, schema in ((analysis(events), analysis.schema), (analysis.partials(events), analysis.partial_schema)):
        declared = pl.from_arrow(schema.empty_table())
        assert isinstance(declared, pl.DataFrame)
        assert made.schema == declared.schema
        assert made.is_empty() == (not rows)


@names
def test_events_that_do_not_count_give_no_rows(analysis: Analysis) -> None:
    failed = frame([transaction(transaction_status="failed")] * 3)

    assert analysis(failed).is_empty()
    assert analysis.partials(failed).is_empty()


@names
def test_events_may_be_lazy_and_the_answer_is_of_the_same_kind(analysis: Analysis) -> None:
    lazily = analysis(frame([transaction()]).lazy())

    assert isinstance(lazily, pl.LazyFrame)
    assert lazily.collect().equals(analysis(frame([transaction()])), null_equal=True)


@names
def test_a_missing_column_is_named(analysis: Analysis) -> None:
    for column in analysis.inputs:
        with pytest.raises(ValueError, match=f"events have no column {column}; {analysis.name} needs"):
            analysis(frame([]).drop(column))


@names
def test_no_other_column_is_read(analysis: Analysis) -> None:
    rows = frame([transaction(is_fraudulent=True)])

    assert analysis(rows.select(analysis.inputs)).equals(analysis(rows), null_equal=True)
