"""Several analyses in one pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import polars as pl
import pytest
from polars.io.plugins import register_io_source

from streamguard_assets.analytics.analyses.registry import ANALYSES
from streamguard_assets.analytics.analyses.report import run_analyses, run_partials
from streamguard_assets.bench.transactions import transaction_frame
from streamguard_assets_tests.analytics.analyses.transactions import frame


def test_a_report_holds_what_each_analysis_gives_alone() -> None:
    events = transaction_frame(2_000, seed=3)

    results, partials = (run(events.lazy(), ANALYSES.values()) for run in (run_analyses, run_partials))

    assert list(results) == list(partials) == list(ANALYSES)
    for name, analysis in ANALYSES.items():
        assert results[name].equals(analysis(events), null_equal=True)
        assert analysis.finish(partials[name]).equals(results[name], null_equal=True)


@pytest.mark.parametrize("run", [run_analyses, run_partials])
def test_the_events_are_read_once_and_only_the_columns_that_count(run: Callable[..., object]) -> None:
    events = transaction_frame(100)
    reads: list[list[str] | None] = []

    def read(
        columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, batch: int | None
    ) -> Iterator[pl.DataFrame]:
        reads.append(columns)
        chosen = events if columns is None else events.select(columns)
        yield chosen if predicate is None else chosen.filter(predicate)

    run(register_io_source(read, schema=events.schema), ANALYSES.values())

    (columns,) = reads
    assert set(columns or ()) == {name for each in ANALYSES.values() for name in each.inputs}


def test_no_analyses_give_no_results() -> None:
    assert run_analyses(frame([]).lazy(), ()) == {}


def test_a_missing_column_is_named_before_anything_is_read() -> None:
    with pytest.raises(ValueError, match="events have no column city; revenue_by_region needs"):
        run_analyses(frame([]).drop("city").lazy(), ANALYSES.values())
