"""What is seen of a real stream leads to a plan, and doing what the plan says leads to a plan without requests."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streamguard_assets.windows.gaps import acknowledge_gap
from streamguard_assets.windows.keeper import NoRecordsYetError
from streamguard_assets.windows.observe import observe, policy_of
from streamguard_assets_tests.windows.conftest import RigFactory
from streamguard_assets_tests.windows.graphs import DERIVED_ASSETS
from streamguard_assets_tests.windows.rig import Rig, at, event, key

pytestmark = [pytest.mark.broker]


def settle(rig: Rig, hour: float, most: int = 6) -> list[set[tuple[str, str]]]:
    """Plan and obey until a plan asks for nothing; the (asset, window) pairs of each round."""
    rounds = []
    for _ in range(most):
        asked = rig.plan(hour)
        if not asked.requests:
            assert asked.waiting == ()
            return rounds
        rounds.append({(asset, window) for r in asked.requests for asset in r.assets for window in r.windows})
        rig.obey(asked, hour)
    raise AssertionError(f"the plan still asks for {rig.plan(hour).requests} after {most} rounds")


def test_a_stream_without_records_cannot_be_planned(rig: Rig) -> None:
    with pytest.raises(NoRecordsYetError):
        observe(rig.stream, at(1))


def test_what_is_seen_of_a_stream(rig: Rig) -> None:
    rig.produce_hours([0, 2], events=10)
    rig.keep(3)
    rig.ingest(0)
    rig.produce_hours([3], events=4)
    view = observe(rig.stream, at(3.5))
    assert view.closed_until == at(3)
    assert [(w.key, w.closed, w.range.span) for w in view.windows] == [
        (key(0), True, 10),
        (key(2), True, 10),
        (key(3), False, 4),
    ]
    assert set(view.built["events"]) == {key(0)}
    assert view.built["events"][key(0)].range == rig.window(0).range
    assert (view.blocked, view.lost_offsets, view.in_flight, view.attempts) == ({}, {}, (), {})


def test_the_policy_is_that_of_the_settings(make_rig: RigFactory) -> None:
    rig = make_rig(stream={"max_attempts": 7, "max_windows_per_run": 9, "open_window_growth": 0.5})
    policy = policy_of(rig.stream)
    assert (policy.max_attempts, policy.max_windows_per_run, policy.open_window_growth) == (7, 9, 0.5)
    assert policy.lookback_windows == 3
    assert policy.definitions["events"] == rig.stream.contract.hash


def test_a_backlog_is_built_once_and_then_nothing_is_asked_for(rig: Rig) -> None:
    rig.produce_hours(range(5), events=24)
    rounds = settle(rig, 5)
    built = [pair for pairs in rounds for pair in pairs]
    assert sorted(built) == sorted(set(built)), "something was built twice"
    assert set(built) >= {(asset, key(h)) for asset in ("events", *DERIVED_ASSETS) for h in range(5)}
    assert rig.violations() == []
    assert settle(rig.again(), 5.9) == []


def test_windows_after_the_last_event_are_built_while_their_lookback_reaches_it(rig: Rig) -> None:
    rig.produce_hours([0, 1], events=24)
    settle(rig, 10)
    features = rig.stream.table("user_features").commits()
    assert sorted(features) == [key(h) for h in range(4)]
    assert features[key(3)].details["windows_present"] == 1
    assert sorted(rig.stream.table("events").commits()) == [key(0), key(1)]
    assert all(commit.complete for commit in features.values())
    for hour in range(11, 14):
        assert settle(rig, hour) == []


def test_windows_whose_lookback_is_empty_between_two_bursts(rig: Rig) -> None:
    rig.produce_hours([0, 9], events=24)
    settle(rig, 12)
    assert sorted(rig.stream.table("training_data").commits()) == [key(h) for h in (0, 1, 2, 9, 10, 11)]
    assert rig.derive(5) == {asset: {5: None} for asset in DERIVED_ASSETS}


def test_every_hour_brings_its_own_work_only(rig: Rig) -> None:
    rig.produce_hours([0], events=24)
    settle(rig, 1)
    for hour in range(1, 5):
        rig.produce_hours([hour], events=24)
        rounds = settle(rig, hour + 1)
        assert {window for pairs in rounds for _, window in pairs} == {key(hour)}
        assert sum(map(len, rounds)) == 1 + len(DERIVED_ASSETS)


def test_the_open_window_is_built_as_it_grows_and_once_more_when_it_closes(rig: Rig) -> None:
    rig.produce_hours([0], events=24)
    settle(rig, 1)
    everything = {(asset, key(1)) for asset in ("events", *DERIVED_ASSETS)}
    rig.produce_hours([1], events=40)
    assert settle(rig, 1.2) == [everything]
    rig.produce_hours([1], events=9)
    assert settle(rig, 1.4) == []
    rig.produce_hours([1], events=1)
    assert settle(rig, 1.5) == [everything]
    features = rig.stream.table("user_features")
    assert not features.commits()[key(1)].complete
    assert settle(rig, 2) == [everything]
    assert features.commits()[key(1)].complete
    assert rig.events(1).height == 50
    assert rig.violations() == []


def test_a_window_closed_without_growing_is_completed(rig: Rig) -> None:
    rig.produce_hours([0], events=24)
    settle(rig, 0.5)
    assert len(settle(rig, 1)) == 1
    for asset in ("events", *DERIVED_ASSETS):
        assert rig.stream.table(asset).commits()[key(0)].complete
    assert settle(rig, 1.9) == []


def test_an_open_empty_window_is_built_when_it_closes(rig: Rig) -> None:
    rig.produce_hours([0], events=24)
    settle(rig, 1)
    assert settle(rig, 1.9) == []
    assert settle(rig, 2) == [{(asset, key(1)) for asset in DERIVED_ASSETS}]


def test_a_window_with_the_same_content_disturbs_nobody(rig: Rig) -> None:
    rig.produce_hours(range(4), events=24)
    settle(rig, 4)
    rig.ingest(1)
    assert settle(rig, 4) == []


def test_a_window_with_another_content_has_its_lookback_built_once(rig: Rig) -> None:
    rig.produce_hours(range(7), events=24)
    settle(rig, 7)
    table = rig.stream.table("events")
    before = table.commits()[key(2)]
    fewer = table.scan([key(2)]).collect()[1:]
    other = replace(before, attempt="other", rows=0, content_hash="", version=None, committed_at=None)
    table.write(fewer, other)
    rounds = settle(rig, 7)
    pairs = [pair for each in rounds for pair in each]
    assert {window for asset, window in pairs if asset == "user_features"} == {key(h) for h in (2, 3, 4)}
    assert {window for _, window in pairs} == {key(h) for h in (2, 3, 4)}
    assert len(pairs) == len(set(pairs))
    assert not any(asset == "events" for asset, _ in pairs)


def test_a_window_without_enough_users_comes_to_rest_too(rig: Rig) -> None:
    rig.produce([event(0), event(1)])
    rig.produce([b"bad"], hour=4)
    settle(rig, 6)
    scores = rig.stream.table("anomaly_scores").scan([key(0)]).collect()
    assert scores["anomaly_score"].null_count() == 2
    assert rig.stream.table("user_features").commits()[key(4)].rows == 0
    assert rig.violations() == []


def test_a_gap_is_shown_and_what_follows_goes_on_until_it_is_acknowledged(rig: Rig) -> None:
    rig.produce_hours(range(3), events=24)
    rig.keep(3)
    rig.delete_before(30)
    settle(rig, 3)
    assert set(rig.plan(3).blocked) == {key(0), key(1)}
    assert set(rig.stream.table("events").commits()) == {key(2)}
    missing = rig.stream.table("user_features").commits()[key(2)].details["windows_missing"]
    assert missing == [key(0), key(1)]
    for hour in (0, 1):
        acknowledge_gap(rig.stream, key(hour), "gone", "ana", at(3))
    settle(rig, 3)
    assert rig.plan(3).blocked == {}
    assert rig.offsets(1) == list(range(30, 48))
    assert rig.violations() == []


def test_more_windows_than_a_run_takes(make_rig: RigFactory) -> None:
    rig = make_rig(stream={"max_windows_per_run": 2})
    rig.produce_hours(range(6), events=24)
    rounds = settle(rig, 6, most=12)
    pairs = [pair for each in rounds for pair in each]
    assert len(pairs) == len(set(pairs))
    assert sorted(rig.stream.table("training_data").commits()) == [key(h) for h in range(6)]
