"""The ledger is kept: begun once, decided in order, stored once, and read as windows."""

from __future__ import annotations

import json
import multiprocessing
from datetime import timedelta

import pytest

from streamguard_assets.contracts.windows import window_key
from streamguard_assets.kafka.errors import TopicRecreated, UnknownTopic
from streamguard_assets.kafka.topics import add_partitions, delete_topic
from streamguard_assets.settings import Settings, SettingsError
from streamguard_assets.windows.keeper import (
    ImplausibleStartError,
    NoRecordsYetError,
    closed_windows,
    missing_windows,
    open_window,
    window_slices,
)
from streamguard_assets.windows.observe import observe
from streamguard_assets.windows.stream import decided_start, store_start
from streamguard_assets_tests.conftest import SettingsFactory
from streamguard_assets_tests.windows.conftest import RigFactory
from streamguard_assets_tests.windows.processes import keep_when_told
from streamguard_assets_tests.windows.rig import START, Rig, at, event, key, stream_settings

pytestmark = [pytest.mark.broker]


def test_a_stream_begins_at_the_hour_of_its_oldest_record(rig: Rig) -> None:
    rig.produce([event(1)], hour=2.75, partition=0)
    rig.produce([event(2)], hour=1.5, partition=1)
    rig.keep(4)
    stored = rig.stream.ledger.boundaries()
    assert [b.instant for b in stored] == [at(1), at(2), at(3), at(4)]
    assert [dict(b.offsets) for b in stored] == [{0: 0, 1: 0}, {0: 0, 1: 1}, {0: 1, 1: 1}, {0: 1, 1: 1}]


def test_a_configured_start_passes_over_what_is_older(make_rig: RigFactory) -> None:
    rig = make_rig(stream={"start": at(2).isoformat()})
    rig.produce_hours([0, 1, 2], events=5)
    rig.keep(3)
    assert [dict(b.offsets) for b in rig.stream.ledger.boundaries()] == [{0: 10, 1: 0}, {0: 15, 1: 0}]
    assert rig.stream.first_window == key(2)


def test_a_record_stamped_in_seconds_does_not_begin_a_stream_in_1970(make_rig: RigFactory) -> None:
    rig = make_rig()
    rig.writer.write(rig.topic, [int(START.timestamp())])
    with pytest.raises(ImplausibleStartError, match=r"1970-01-\d\d .*STREAMGUARD_STREAMS__SECURITY__START"):
        rig.keep(1)
    assert rig.stream.ledger.boundaries() == []


def test_a_contract_that_is_not_there_is_refused_by_its_key(make_rig: RigFactory) -> None:
    with pytest.raises(SettingsError, match=r"streams\.security\.contract: there is no contract 'nope'"):
        make_rig(stream={"contract": "nope"})


def test_a_stream_without_records_and_start_has_not_begun(rig: Rig) -> None:
    with pytest.raises(NoRecordsYetError, match=r"streams\.security\.start"):
        rig.keep(1)
    assert rig.stream.ledger.boundaries() == []
    assert rig.stream.first_window is None


def test_the_decided_start_is_read_without_kafka(rig: Rig, brokerless_settings: SettingsFactory) -> None:
    rig.produce([event(1)], hour=3.1)
    rig.keep(4)
    nowhere = brokerless_settings(
        state_dir=rig.settings.state_dir,
        streams=stream_settings(rig.topic, {}),
        kafka={"bootstrap_servers": "127.0.0.1:1", "request_timeout_ms": 100},
    )
    assert decided_start(nowhere, "security") == at(3)


def test_starts_of_two_streams_are_kept_beside_each_other(brokerless_settings: SettingsFactory) -> None:
    both = {"streams": {"other": {"topic": "other", "contract": "security"}}}
    settings: Settings = brokerless_settings(**both)
    store_start(settings, "security", at(0))
    store_start(settings, "other", at(5))
    store_start(settings, "security", at(0))
    assert (decided_start(settings, "security"), decided_start(settings, "other")) == (at(0), at(5))
    assert json.loads((settings.state / "starts.json").read_text()).keys() == {"security", "other"}


def test_a_boundary_is_decided_once_whatever_comes_later(rig: Rig) -> None:
    rig.produce_hours([0], events=3)
    assert rig.keep(1) == 1
    rig.produce_hours([0], events=4)  # late: the hour is over
    assert rig.keep(1.5) == 0
    assert rig.keep(2) == 1
    assert [b.offsets[0] for b in rig.again().stream.ledger.boundaries()] == [0, 3, 7]


def test_a_boundary_waits_for_the_grace_period(make_rig: RigFactory) -> None:
    rig = make_rig(stream={"grace_s": 600})
    rig.produce_hours([0], events=3)
    rig.keep(1 + 9 / 60)
    assert len(rig.stream.ledger.boundaries()) == 1
    rig.keep(1 + 10 / 60)
    assert len(rig.stream.ledger.boundaries()) == 2


def test_processes_that_race_agree_on_every_boundary(rig: Rig) -> None:
    rig.produce_hours(range(6), events=2)
    context = multiprocessing.get_context("spawn")
    start, answers = context.Barrier(2), context.Queue()
    racers = [context.Process(target=keep_when_told, args=(rig.settings, at(6 + n), start, answers)) for n in range(2)]
    for racer in racers:
        racer.start()
    seen = [answers.get(timeout=60) for _ in racers]
    for racer in racers:
        racer.join(30)
    stored = [(b.instant, dict(b.offsets)) for b in rig.stream.ledger.boundaries()]
    assert [instant for instant, _ in stored] == [at(h) for h in range(8)]
    for answer in seen:
        assert answer == stored[: len(answer)]


def test_a_recreated_topic_is_refused_also_while_nothing_is_due(rig: Rig) -> None:
    rig.produce_hours([0], events=3)
    rig.keep(1)
    rig.recreate_topic()
    for hour in (1.2, 2):
        with pytest.raises(TopicRecreated, match="was recreated"):
            rig.keep(hour)
    with pytest.raises(TopicRecreated):
        open_window(rig.stream)
    with pytest.raises(TopicRecreated):
        observe(rig.stream, at(1.2))
    assert len(rig.stream.ledger.boundaries()) == 2


def test_a_topic_that_is_gone_is_named(rig: Rig) -> None:
    rig.produce_hours([0], events=3)
    rig.keep(1)
    delete_topic(rig.stream.connection, rig.topic)
    with pytest.raises(UnknownTopic, match=rig.topic):
        rig.keep(2)


def test_a_partition_added_later_begins_at_its_own_start(rig: Rig) -> None:
    rig.produce_hours([0], events=3)
    rig.keep(1)
    add_partitions(rig.stream.connection, rig.topic, 3)
    rig.produce_hours([1], events=4, partition=2)
    rig.keep(2)
    assert rig.window(0).range.partitions == [0, 1]
    assert (rig.window(1).range.starts[2], rig.window(1).range.ends[2]) == (0, 4)
    rig.ingest(0, 1)
    assert rig.offsets(1, partition=2) == [0, 1, 2, 3]
    assert rig.violations() == []


def test_windows_outside_of_the_ledger_are_absent(rig: Rig) -> None:
    rig.produce_hours([1], events=3)
    rig.keep(3)
    asked = [key(hour) for hour in range(6)]
    slices = window_slices(rig.stream, asked, at(3.5))
    assert {k: w.closed for k, w in slices.items()} == {key(1): True, key(2): True, key(3): False}
    assert slices[key(2)].range.is_empty
    assert [w.key for w in closed_windows(rig.stream)] == [key(1)]


def test_the_open_window_reaches_to_the_records_of_this_moment(rig: Rig) -> None:
    rig.produce_hours([0], events=3)
    rig.keep(1)
    assert open_window(rig.stream) is None
    rig.produce_hours([1], events=2, partition=1)
    filling = open_window(rig.stream)
    assert filling is not None
    assert (filling.key, filling.closed, filling.range.ends) == (key(1), False, {0: 3, 1: 2})
    (commit,) = rig.ingest(1, now=1.5)
    assert (commit.complete, commit.rows) == (False, 2)


def test_a_window_of_the_future_has_no_slice(rig: Rig) -> None:
    rig.produce_hours([0], events=3)
    rig.keep(1)
    assert window_slices(rig.stream, [key(1)], at(1) - timedelta(minutes=1)) == {}
    assert window_slices(rig.again().stream, [key(4)], at(1.5)) == {}


def test_a_ledger_not_begun_has_no_windows(rig: Rig) -> None:
    assert window_slices(rig.stream, [window_key(START)], at(1)) == {}
    assert closed_windows(rig.stream) == []
    assert open_window(rig.stream) is None


def test_missing_windows_are_those_with_offsets_that_the_lake_lacks(rig: Rig) -> None:
    rig.produce_hours([0, 1, 3], events=3)
    rig.keep(4)
    rig.ingest(1)
    assert missing_windows(rig.stream, [key(hour) for hour in range(-2, 6)]) == [key(0), key(3)]
