"""What is made of the live events, proven at the end of a run: the dashboard, and the windows over the same offsets."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from streamguard_assets.chaos.findings import Finding, Promise
from streamguard_assets.lake.errors import LakeError
from streamguard_assets.streaming.dashboard.replay import dashboard_history, recomputed, told_rows
from streamguard_assets.streaming.live_tables import dashboard_definition, live_dashboard, live_events
from streamguard_assets.streaming.reconciliation.reconcile import reconcile
from streamguard_assets.streaming.reconciliation.verdicts import Verdict
from streamguard_assets.windows.ingest import Ingest
from streamguard_assets.windows.keeper import closed_windows, keep_ledger
from streamguard_assets.windows.stream import Stream


def dashboard_findings(stream: Stream) -> Iterator[Finding]:
    """Whether ``live/dashboard`` is what its definition gives for the events, cut as its commits were."""
    definition, table, events = dashboard_definition(stream), live_dashboard(stream), live_events(stream)
    state = events.state()
    assert definition is not None
    assert table is not None
    assert state is not None, "the stream has run"
    try:
        history = dashboard_history(table)
        again = None if history is None else recomputed(definition, history, events.scan(), stream.config.skew_s)
    except LakeError as error:
        yield Finding(Promise.DASHBOARD, str(error))
        return
    if history is None or again is None:
        yield Finding(Promise.DASHBOARD, "live/dashboard has counted nothing")
        return
    standing = table.state(history.version)
    if standing is None or dict(standing.positions) != dict(state.positions):
        yield Finding(
            Promise.DASHBOARD,
            f"live/dashboard has come to {standing and standing.positions}, the events to {state.positions}",
        )
    told = told_rows(definition, table, history)
    if not told.equals(again.rows):
        yield Finding(
            Promise.DASHBOARD,
            f"live/dashboard has {told.height} rows, its events give {again.rows.height}, and they differ",
        )
    if (history.late, history.ahead) != (again.late, again.ahead):
        counts = f"{history.late} late and {history.ahead} ahead"
        yield Finding(Promise.DASHBOARD, f"it counts {counts}, its events give {again.late} and {again.ahead}")


def window_findings(stream: Stream) -> Iterator[Finding]:
    """Whether the live rows are those of the windows, which are built from the topic here and now.

    Windows that lie wholly before the first offset of the stream are none of its business.
    """
    state = live_events(stream).state()
    assert state is not None, "the stream has run"
    now = datetime.now(UTC) + 2 * stream.cadence.length + timedelta(seconds=stream.config.grace_s)
    keep_ledger(stream, now)
    with Ingest(stream, "chaos", now) as ingest:
        built = [window for window in closed_windows(stream) if ingest.window(window) is not None]
    windows = [w for w in built if any(end > state.starts.get(p, end) for p, end in w.range.ends.items())]
    verdicts = {verdict.window: verdict for verdict in reconcile(stream, now).verdicts}
    for window in windows:
        verdict = verdicts.get(window.key)
        if verdict is None or verdict.verdict is not Verdict.SAME:
            what = "was not compared" if verdict is None else f"is {verdict.verdict}: {verdict.finding}"
            yield Finding(Promise.WINDOWS, f"window {window.key} {what}")
    if not windows:
        yield Finding(Promise.WINDOWS, "there is no window to compare with")
