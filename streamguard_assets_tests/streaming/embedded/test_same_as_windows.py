"""The real stream and the real windows, side by side on one topic: they say the same, a view has each event once."""

from __future__ import annotations

import pytest

from streamguard_assets.kafka.offsets import last_stable_offsets
from streamguard_assets.streaming.reconciliation.reconcile import reconcile
from streamguard_assets.streaming.reconciliation.retention import remove_covered
from streamguard_assets.streaming.reconciliation.verdicts import Verdict
from streamguard_assets.streaming.view import read_quarantine, read_view
from streamguard_assets_tests.streaming.embedded.conftest import LiveRig
from streamguard_assets_tests.streaming.embedded.running import Running, live_rows
from streamguard_assets_tests.streaming.two_paths import places
from streamguard_assets_tests.windows.rig import Rig, at, event, key

pytestmark = [pytest.mark.broker]

LATER = at(1_000)


def caught_up(rig: Rig, running: Running) -> None:
    ends = last_stable_offsets(rig.stream.connection, rig.topic)
    running.until_committed(**{f"p{partition}": end for partition, end in ends.items()})


def two_hours(rig: Rig) -> None:
    """Good and bad records in both partitions, and a hole that an aborted transaction leaves."""
    rig.produce_hours([0], events=30)
    rig.produce([b"bad", event(900, at(0.5)), b"worse"], hour=0.5, partition=1)
    rig.writer.transaction(rig.topic, [], commit=False)
    rig.produce_hours([1], events=20, partition=1)


def test_both_paths_agree_and_live_rows_make_room_for_windows_while_the_stream_goes_on(live_rig: LiveRig) -> None:
    rig = live_rig(start="earliest")
    two_hours(rig)
    with Running(rig) as running:
        caught_up(rig, running)
        everything = places(read_view(rig.stream).rows)
        assert len(everything) == 51
        rig.keep(3)
        rig.ingest(0, 1)
        found = reconcile(rig.stream, LATER)
        assert [(verdict.window, verdict.verdict) for verdict in found.verdicts] == [
            (key(0), Verdict.SAME),
            (key(1), Verdict.SAME),
        ]
        assert (sum(v.rows for v in found.verdicts), sum(v.rejected for v in found.verdicts)) == (51, 2)
        assert places(read_view(rig.stream).rows) == everything
        removed = remove_covered(rig.stream, found, LATER)
        rig.produce_hours([3], events=5)
        caught_up(rig, running)
    assert running.failure is None
    newest = [place for place in places(read_view(rig.stream).rows) if place not in everything]
    assert len(newest) == 5
    assert removed.events.rows + len(live_rows(rig)) == 56
    assert len(places(read_quarantine(rig.stream).rows)) == 2
    again = remove_covered(rig.stream, reconcile(rig.stream, LATER), LATER)
    assert removed.events.rows + again.events.rows == 51
    assert live_rows(rig) == newest
    assert places(read_view(rig.stream).rows) == sorted([*everything, *newest])
