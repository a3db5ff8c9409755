"""Acknowledged gaps stand beside the ledger and are stored once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streamguard_assets.lake.gaps import AcknowledgedGap, GapRegister
from streamguard_assets_tests.lake.samples import START, hour

GAP = AcknowledgedGap(hour(0), hour(2), 1, 100, 250, "retention", "operator", START)


def test_nothing_is_acknowledged_at_first(location):
    assert GapRegister(location, "security").gaps() == []


def test_gaps_read_back_in_order(location):
    other = replace(GAP, kafka_partition=0, start_offset=7, end_offset=8)
    GapRegister(location, "security").acknowledge([GAP, other])
    assert GapRegister(location, "security").gaps() == [other, GAP]


def test_the_same_offsets_are_stored_once(location):
    register = GapRegister(location, "security")
    register.acknowledge([GAP, GAP])
    register.acknowledge([replace(GAP, acknowledged_by="somebody else")])
    assert register.gaps() == [GAP]


@pytest.mark.parametrize(
    "wrong", [{"end_offset": 100}, {"start_offset": -1}, {"last_window": "2025-12-31-23:00"}, {"first_window": "today"}]
)
def test_what_is_no_gap_is_refused(wrong):
    with pytest.raises(ValueError, match=r"gap|range of offsets|window key"):
        replace(GAP, **wrong)
