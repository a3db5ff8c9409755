"""The analyses of a window: one pass over its events for all of them, then one commit each."""

from __future__ import annotations

from collections.abc import Sequence

from streamguard_assets.analytics.analyses.registry import analysis
from streamguard_assets.lake.commits import WindowCommit
from streamguard_assets.windows.building import begin_build
from streamguard_assets.windows.graph import analysis_asset
from streamguard_assets.windows.partials import keep_partials
from streamguard_assets.windows.stream import Stream


def build_analyses(stream: Stream, names: Sequence[str], window: str, attempt: str) -> dict[str, WindowCommit]:
    """The commit of each analysis of ``names`` for ``window``; none when the window has no events."""
    builds = {name: begin_build(stream, analysis_asset(name), window, attempt) for name in names}
    events = stream.table("events").commits().get(window)
    if events is None:
        return {}
    partials = keep_partials(stream, [analysis(name) for name in names], window, events, attempt)
    details = {"events": events.rows}
    return {
        name: builds[name].commit(analysis(name).finish(partials[name]), events.complete, details) for name in names
    }
