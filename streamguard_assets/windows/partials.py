"""What is kept of each window so that analyses of longer spans need not read its events again.

A partial of an analysis holds the sums and counts of each group, which are added, and the different values behind
each distinct count, which are united: so a distinct count over a year is exact, and not a sum of counts. A partial is
named by what it is made of, the content of the window's events and the definition of the analysis.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import polars as pl

from streamguard_assets.analytics.analyses.analysis import Analysis
from streamguard_assets.analytics.analyses.report import run_partials
from streamguard_assets.lake.catalog import PARTIALS
from streamguard_assets.lake.commits import WindowCommit
from streamguard_assets.lake.window_table import WindowTable
from streamguard_assets.windows.requests import fingerprint
from streamguard_assets.windows.stream import CODE_VERSION, Stream


def partials_table(stream: Stream, analysis: Analysis) -> WindowTable:
    """The table of an analysis' partials, one window of it for each of the stream."""
    description = f"What {analysis.name} keeps of each window, to be put together for days and for all history."
    return stream.kept_table(f"analyses/{PARTIALS}/{analysis.name}", analysis.partial_schema, description)


def keep_partials(
    stream: Stream, analyses: Sequence[Analysis], window: str, events: WindowCommit, attempt: str
) -> dict[str, pl.DataFrame]:
    """The partial of each of ``analyses`` for ``window``, made in one pass where it is not there, and kept.

    ``events`` is the newest commit of the window, as it stood before the call.
    """
    due = [analysis for analysis in analyses if not _is_kept(stream, analysis, events)]
    made = _made(stream, due, window, events, attempt) if due else {}
    return {
        analysis.name: made[analysis.name]
        if analysis.name in made
        else partials_table(stream, analysis).scan([window]).collect()
        for analysis in analyses
    }


def partial_inputs(analysis: Analysis, events: WindowCommit) -> str:
    """The name of what a window's partial is made of."""
    return fingerprint(analysis.definition_hash, events.window, events.content_hash)


def read_partials(stream: Stream, analysis: Analysis, windows: Iterable[str]) -> pl.LazyFrame:
    """The partials that are kept of ``windows``, one after the other."""
    return partials_table(stream, analysis).scan(list(windows), empty_if_missing=True)


def _is_kept(stream: Stream, analysis: Analysis, events: WindowCommit) -> bool:
    kept = partials_table(stream, analysis).commits().get(events.window)
    return kept is not None and kept.inputs_hash == partial_inputs(analysis, events)


def _made(
    stream: Stream, due: Sequence[Analysis], window: str, events: WindowCommit, attempt: str
) -> dict[str, pl.DataFrame]:
    made = run_partials(stream.table("events").scan([window]), due)
    for analysis in due:
        commit = WindowCommit(
            window=window,
            attempt=attempt,
            # Of the same events it is the same partial whether or not their window is closed: either may replace it.
            complete=True,
            inputs_hash=partial_inputs(analysis, events),
            code_version=CODE_VERSION,
            details={"definition_hash": analysis.definition_hash},
        )
        partials_table(stream, analysis).write(made[analysis.name], commit)
    return made
