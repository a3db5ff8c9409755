"""What Kafka, the lake and the operator do to a running stream: it waits and says why, or it ends and says why.

Faults of the store are real ones that hit root and users alike: a limit on file sizes, a file in a folder's place.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamguard_assets.kafka.broker.info import BrokerInfo
from streamguard_assets.kafka.broker.lifecycle import start_broker, stop_broker
from streamguard_assets.kafka.errors import KafkaUnavailable, RetentionGap
from streamguard_assets.kafka.topics import FOR_EVER_MS, TopicLayout, add_partitions, create_topic
from streamguard_assets.lake.errors import LakeError
from streamguard_assets.streaming.errors import LiveTopicRecreated, PartitionAdded, StoreFault
from streamguard_assets.streaming.live_tables import live_dashboard, live_events
from streamguard_assets.streaming.progress import Phase
from streamguard_assets_tests.conftest import SettingsFactory
from streamguard_assets_tests.streaming.embedded.conftest import LiveRig
from streamguard_assets_tests.streaming.embedded.processes import Beside, stream_beside
from streamguard_assets_tests.streaming.embedded.running import Running, away, live_rows
from streamguard_assets_tests.windows.conftest import RigFactory
from streamguard_assets_tests.windows.rig import Rig, event, stream_settings

pytestmark = [pytest.mark.broker, pytest.mark.fault]

SPAWN = multiprocessing.get_context("spawn")
TOPIC = "events"


def events(first: int, end: int) -> list[bytes]:
    return [event(number) for number in range(first, end)]


def places(partition: int, first: int, end: int) -> list[tuple[int, int]]:
    return [(partition, offset) for offset in range(first, end)]


def table_of(rig: Rig) -> Path:
    return Path(live_events(rig.stream).uri)


@pytest.fixture
def beside(live_rig: LiveRig) -> Iterator[tuple[Rig, Beside]]:
    """A rig, and its stream in another process."""
    rig = live_rig()
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=stream_beside, args=(rig.settings, theirs))
    process.start()
    theirs.close()
    yield rig, Beside(process, ours)
    process.kill()
    process.join()


# The lake


@pytest.mark.skipif(sys.platform != "linux", reason="limits of another process are set by prlimit")
def test_a_full_disk_is_waited_for_and_nothing_is_lost(beside: tuple[Rig, Beside]) -> None:
    rig, running = beside
    rig.produce(events(0, 10))
    assert running.knows(positions={0: 10}), running.seen
    assert running.process.pid is not None
    _, hard = resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE)

    resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (0, hard))
    rig.produce([*events(10, 20), b"rejected"])
    assert running.knows(Phase.WAITING_FOR_LAKE), running.seen
    assert running.seen is not None
    assert "too large" in running.seen.reason

    resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
    assert running.knows(positions={0: 21}), running.seen
    assert running.stop().phase is Phase.STOPPED
    assert live_rows(rig) == places(0, 0, 20)


def test_a_lake_that_may_not_be_written_is_waited_for_and_named(live_rig: LiveRig) -> None:
    rig = live_rig()
    rig.produce(events(0, 5))
    with Running(rig) as running:
        running.until_committed(p0=5)
        with away(table_of(rig)):
            rig.produce(events(5, 9))
            waiting = running.until(lambda seen: seen.phase is Phase.WAITING_FOR_LAKE)
            assert waiting.positions == {0: 5, 1: 0}
            turns: set[object] = set()
            # Turn after turn of the loop, which goes on reading meanwhile, and must not say that all is well.
            running.until(lambda seen: turns.add((seen.turn_at, seen.phase)) or len(turns) > 10)
            assert {phase for _, phase in turns} == {Phase.WAITING_FOR_LAKE}  # pyright: ignore[reportGeneralTypeIssues]
            assert str(table_of(rig)) in waiting.reason

        running.until_committed(p0=9)
    assert running.failure is None
    assert live_rows(rig) == places(0, 0, 9)


def test_a_lake_that_goes_away_from_an_idle_stream_is_waited_for_too(live_rig: LiveRig) -> None:
    rig = live_rig()
    rig.produce(events(0, 5))
    with Running(rig) as running:
        running.until_committed(p0=5)
        with away(table_of(rig)):
            waiting = running.until(lambda seen: seen.phase is Phase.WAITING_FOR_LAKE)
            assert str(table_of(rig)) in waiting.reason
        running.until(lambda seen: seen.phase is Phase.IDLE)
    assert running.failure is None


def test_a_dashboard_that_is_removed_is_made_again_from_the_events(live_rig: LiveRig) -> None:
    rig = live_rig(dashboard_interval_s=0.1)
    rig.produce(events(0, 5))
    dashboard = live_dashboard(rig.stream)
    assert dashboard is not None
    with Running(rig) as running:
        before = running.until_committed(p0=5)
        shutil.rmtree(dashboard.uri)
        rig.produce(events(5, 9))
        running.until(lambda seen: seen.epoch != before.epoch and seen.positions.get(0) == 9)
    assert running.failure is None
    assert live_rows(rig) == places(0, 0, 9)
    again = live_dashboard(rig.again().stream)
    assert again is not None
    state = again.state()
    assert state is not None
    assert state.positions == {0: 9, 1: 0}


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere root passes by every mode")
def test_a_lost_permission_is_waited_for_and_named(beside: tuple[Rig, Beside]) -> None:
    rig, running = beside
    rig.produce(events(0, 5))
    assert running.knows(positions={0: 5}), running.seen
    folders = [folder for folder in (table_of(rig), *table_of(rig).iterdir()) if folder.is_dir()]
    for folder in folders:
        folder.chmod(0o555)
    rig.produce(events(5, 9))
    assert running.knows(Phase.WAITING_FOR_LAKE), running.seen
    assert running.seen is not None
    assert "denied" in running.seen.reason

    for folder in folders:
        folder.chmod(0o755)
    assert running.knows(positions={0: 9}), running.seen
    assert running.stop().phase is Phase.STOPPED
    assert live_rows(rig) == places(0, 0, 9)


def test_a_table_that_is_locked_is_waited_for_and_named(live_rig: LiveRig) -> None:
    rig = live_rig()
    rig.produce(events(0, 5))
    with Running(rig) as running:
        running.until_committed(p0=5)
        version = live_events(rig.stream).version()
        assert version is not None
        # Somebody holds the place of the next commit, and neither fills it nor lets it go.
        held = table_of(rig) / "_delta_log" / f"{version + 1:020d}.json"
        held.mkdir()
        rig.produce(events(5, 9))
        waiting = running.until(lambda seen: seen.phase is Phase.WAITING_FOR_LAKE)
        assert waiting.positions == {0: 5, 1: 0}
        assert "other writers" in waiting.reason
        assert str(table_of(rig)) in waiting.reason

        held.rmdir()
        running.until_committed(p0=9)
    assert running.failure is None
    assert live_rows(rig) == places(0, 0, 9)


def test_a_stop_while_the_lake_is_away_ends_with_the_reason(live_rig: LiveRig) -> None:
    rig = live_rig()
    rig.produce(events(0, 5))
    with Running(rig) as running:
        running.until_committed(p0=5)
        with away(table_of(rig)):
            rig.produce(events(5, 9))
            running.until(lambda seen: seen.phase is Phase.WAITING_FOR_LAKE)
            running.stop()
    assert isinstance(running.failure, StoreFault)
    assert running.progress.snapshot().phase is Phase.FAILED

    with Running(rig) as again:
        again.until_committed(p0=9)
    assert live_rows(rig) == places(0, 0, 9)


def test_tables_that_are_removed_end_the_stream_and_the_next_one_begins_anew(live_rig: LiveRig) -> None:
    rig = live_rig()
    rig.produce(events(0, 5))
    with Running(rig) as running:
        running.until_committed(p0=5)
        shutil.rmtree(table_of(rig))
        rig.produce(events(5, 9))
        failure = running.until_ended()
    assert isinstance(failure, LakeError)
    assert str(table_of(rig)) in str(failure)

    shutil.rmtree(table_of(rig).parent)
    with Running(rig) as again:
        again.until_committed(p0=9)
    assert again.failure is None
    assert live_rows(rig) == places(0, 0, 9)


# The topic


def test_a_recreated_topic_ends_the_stream(live_rig: LiveRig) -> None:
    rig = live_rig()
    rig.produce(events(0, 5))
    with Running(rig) as running:
        running.until_committed(p0=5)
        rig.recreate_topic()
        rig.produce(events(100, 103))
        assert isinstance(running.until_ended(), LiveTopicRecreated)
    assert live_rows(rig) == places(0, 0, 5)


def test_a_recreated_topic_is_read_from_its_start_when_the_operator_wants_it(live_rig: LiveRig) -> None:
    rig = live_rig(on_topic_recreated="skip")
    rig.produce(events(0, 5))
    with Running(rig) as running:
        before = running.until_committed(p0=5)
        rig.recreate_topic()
        rig.produce(events(100, 103))
        running.until(lambda seen: seen.epoch != before.epoch and seen.positions.get(0) == 3)
    assert running.failure is None
    ids = live_events(rig.again().stream).scan().collect()["event_id"].sort().to_list()
    assert ids == ["e-100", "e-101", "e-102"]


def test_retention_that_overtook_a_stopped_stream_ends_the_next_one_and_names_the_gap(live_rig: LiveRig) -> None:
    rig = live_rig()
    rig.produce(events(0, 5))
    with Running(rig) as running:
        running.until_committed(p0=5)
    rig.produce(events(5, 20))
    rig.delete_before(12)
    with Running(rig) as running:
        gap = running.until_ended()

    assert isinstance(gap, RetentionGap)
    assert (gap.partition, gap.missing_start, gap.missing_end) == (0, 5, 12)
    assert live_rows(rig) == places(0, 0, 5)


def test_retention_that_overtakes_a_running_stream_ends_it_where_its_rows_end(make_rig: RigFactory) -> None:
    little_ahead = {"queued.min.messages": "1", "queued.max.messages.kbytes": "1", "fetch.message.max.bytes": "1000"}
    rig = make_rig(kafka={"client_options": little_ahead}, streaming={"trigger_ms": 100})
    rig.produce(events(0, 5))
    with Running(rig) as running:
        running.until_committed(p0=5)
        running.control.pause()
        running.until(lambda seen: seen.phase is Phase.PAUSED)
        rig.produce(events(5, 2_000))
        rig.delete_before(1_990)
        running.control.resume()
        gap = running.until_ended()

    assert isinstance(gap, RetentionGap)
    assert (gap.partition, gap.missing_end) == (0, 1_990)
    assert live_rows(rig) == places(0, 0, gap.missing_start)


def test_a_retention_gap_is_passed_over_and_recorded_when_the_operator_wants_it(live_rig: LiveRig) -> None:
    rig = live_rig(on_retention_gap="skip")
    rig.produce(events(0, 5))
    with Running(rig) as running:
        running.until_committed(p0=5)
    rig.produce(events(5, 20))
    rig.delete_before(12)
    with Running(rig) as running:
        running.until_committed(p0=20)

    assert running.failure is None
    assert live_rows(rig) == places(0, 0, 5) + places(0, 12, 20)
    (gap,) = rig.again().stream.gaps.gaps()
    assert (gap.kafka_partition, gap.start_offset, gap.end_offset) == (0, 5, 12)


def test_a_partition_that_is_added_is_read_from_its_first_record(live_rig: LiveRig) -> None:
    rig = live_rig()
    rig.produce(events(0, 5))
    with Running(rig) as running:
        running.until_committed(p0=5)
        add_partitions(rig.stream.connection, rig.topic, 3)
        rig.produce(events(5, 8), partition=2)
        running.until_committed(p2=3)
    assert running.failure is None
    assert live_rows(rig) == places(0, 0, 5) + places(2, 0, 3)


def test_a_partition_that_is_added_ends_the_stream_when_the_operator_wants_to_be_asked(live_rig: LiveRig) -> None:
    rig = live_rig(on_partition_added="fail")
    rig.produce(events(0, 5))
    with Running(rig) as running:
        running.until_committed(p0=5)
        add_partitions(rig.stream.connection, rig.topic, 3)
        failure = running.until_ended()
    assert isinstance(failure, PartitionAdded)
    assert failure.partitions == (2,)


# The broker


class OwnBroker:
    """A broker that a test may kill, on a port that stays, and a stream on it."""

    def __init__(self, settings: SettingsFactory, **streaming: object) -> None:
        self._starting = settings(broker={"heap_mb": 256})
        self.info: BrokerInfo = self.start()
        self.rig = Rig(
            settings(
                kafka={"bootstrap_servers": self.info.bootstrap_servers, "request_timeout_ms": 2_000},
                streams=stream_settings(TOPIC, {}),
                streaming={"trigger_ms": 100, **streaming},
            )
        )
        create_topic(self.rig.stream.connection, TOPIC, TopicLayout(1, 1, FOR_EVER_MS))

    def start(self) -> BrokerInfo:
        """The ports of the last start are taken again where they are free."""
        self.info = start_broker(self._starting, owner_pid=os.getpid(), grace_s=0)
        return self.info

    def kill(self) -> None:
        os.kill(self.info.pid, signal.SIGKILL)

    def stop(self) -> None:
        stop_broker(self._starting, grace_s=0)


def test_a_broker_that_dies_is_waited_for_in_the_same_life(brokerless_settings: SettingsFactory) -> None:
    broker = OwnBroker(brokerless_settings)
    try:
        rig = broker.rig
        rig.produce(events(0, 5))
        with Running(rig) as running:
            before = running.until_committed(p0=5)
            broker.kill()
            running.until(lambda seen: seen.phase is Phase.WAITING_FOR_KAFKA)
            assert broker.start().bootstrap_servers == rig.stream.connection.bootstrap_servers
            rig.produce(events(5, 9))
            after = running.until_committed(p0=9)
        assert running.failure is None
        assert after.epoch == before.epoch
        assert live_rows(rig) == places(0, 0, 9)
    finally:
        broker.stop()


def test_a_broker_that_stays_away_ends_the_stream_when_its_patience_is_over(
    brokerless_settings: SettingsFactory,
) -> None:
    broker = OwnBroker(brokerless_settings, patience_s=1.0)
    try:
        rig = broker.rig
        rig.produce(events(0, 5))
        with Running(rig) as running:
            running.until_committed(p0=5)
            broker.kill()
            failure = running.until_ended()
        assert isinstance(failure, KafkaUnavailable)
        assert broker.info.bootstrap_servers in str(failure)
        assert live_rows(rig) == places(0, 0, 5)
    finally:
        broker.stop()
