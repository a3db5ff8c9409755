"""Lines are sent as they are, stamped and keyed by the contract, and late ones are counted."""

from __future__ import annotations

import pytest

from streamguard_assets.windows.production import send_lines
from streamguard_assets_tests.windows.rig import Rig, at, consume, event

pytestmark = [pytest.mark.broker]


def test_by_event_time_a_record_is_stamped_with_its_event_and_keyed_by_its_user(rig: Rig) -> None:
    production = send_lines(rig.stream, [event(1, at(3)), b"{bad", event(2, at(1))], by_event_time=True)
    assert (production.report.produced, production.report.unstamped) == (3, 1)
    assert (production.earliest, production.latest) == (at(1), at(3))
    assert (production.boundary, production.behind_boundary) == (None, 0)


def test_the_bytes_of_a_line_are_the_bytes_of_its_record(rig: Rig, fresh_topic) -> None:
    lines = [event(1, user="ana") + b"\n", b"  {bad \xff\n", b"\n"]
    stream = rig.settings.streams["security"].model_copy(update={"topic": fresh_topic(partitions=1)})
    single = Rig(rig.settings.model_copy(update={"streams": {"security": stream}}))
    send_lines(single.stream, lines, by_event_time=False)
    sent = consume(single, single.topic, 2)
    assert [(m.key(), m.value()) for m in sent] == [(b"ana", event(1, user="ana")), (None, b"  {bad \xff")]


def test_events_behind_the_newest_boundary_are_counted(rig: Rig) -> None:
    rig.produce_hours([0], events=2)
    rig.keep(2)
    lines = [event(n, at(hour)) for n, hour in enumerate((0.5, 1.9, 2, 2.5))]
    production = send_lines(rig.stream, lines, by_event_time=True)
    assert (production.boundary, production.behind_boundary) == (at(2), 2)
    rig.keep(3)
    (commit,) = rig.ingest(2)
    assert commit.rows == 4
    now = send_lines(rig.stream, lines, by_event_time=False)
    assert (now.boundary, now.behind_boundary, now.earliest) == (None, 0, None)


def test_progress_is_told_to_the_end(rig: Rig) -> None:
    told: list[int] = []
    send_lines(rig.stream, [event(n) for n in range(5)], by_event_time=False, progress=told.append)
    assert told[-1] == 5
