"""The order of the two live tables, and who may write them, without Kafka."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import pytest

from streamguard_assets.engines.polars.parsing import parse_records
from streamguard_assets.kafka.watch import TopicFacts
from streamguard_assets.lake.errors import StreamLost
from streamguard_assets.lake.live.state import LiveBatch
from streamguard_assets.lake.live.table import LiveTable
from streamguard_assets.streaming.embedded.landing import LiveLanding, Tenure
from streamguard_assets.streaming.embedded.micro_batch import MicroBatch
from streamguard_assets.streaming.embedded.opening import open_stream_tables
from streamguard_assets.streaming.live_tables import live_quarantine
from streamguard_assets.streaming.steps import nothing
from streamguard_assets.windows.stream import Stream
from streamguard_assets_tests.conftest import SettingsFactory
from streamguard_assets_tests.streaming.embedded.running import utc_now
from streamguard_assets_tests.windows.rig import event, opened, stream_settings

TOPIC = "events"


@pytest.fixture
def stream(brokerless_settings: SettingsFactory) -> Stream:
    return opened(brokerless_settings(streams=stream_settings(TOPIC, {})))


def owner(stream: Stream, name: str, tenure: Tenure | None = None) -> LiveLanding:
    facts = TopicFacts("id", {0: 0}, {0: 100})
    return open_stream_tables(stream, name, facts, nothing, tenure or Tenure()).landing


def batch(stream: Stream, begin: int, values: Sequence[bytes]) -> MicroBatch:
    offsets = range(begin, begin + len(values))
    parsed = parse_records(stream.contract, TOPIC, 0, offsets, [0] * len(values), None, values, processed_at=utc_now())
    account = LiveBatch({0: (begin, begin + len(values))}, parsed.accepted.height, parsed.rejected.height)
    return MicroBatch(parsed.accepted, parsed.rejected, account, 0, None)


def land(stream: Stream, landing: LiveLanding, begin: int, *values: bytes) -> None:
    landing.land(landing.stage(batch(stream, begin, values), utc_now()))


def rejected_offsets(stream: Stream) -> list[int]:
    return sorted(live_quarantine(stream).scan(empty_if_missing=True).select("kafka_offset").collect().to_series())


def test_a_process_takes_the_stream_from_others_only_once(stream: Stream) -> None:
    tenure = Tenure()
    owner(stream, "older", tenure)
    owner(stream, "older", tenure)  # it looks anew, and still owns the stream
    owner(stream, "newer")

    with pytest.raises(StreamLost, match="newer has taken"):
        owner(stream, "older", tenure)


def test_a_batch_that_does_not_follow_is_refused(stream: Stream) -> None:
    landing = owner(stream, "one")
    with pytest.raises(ValueError, match="does not follow"):
        land(stream, landing, 5, event(5))


def test_landing_twice_after_a_failure_is_landing_once(stream: Stream) -> None:
    landing = owner(stream, "one")
    staged = landing.stage(batch(stream, 0, [event(0), b"bad"]), utc_now())
    first = landing.land(staged)
    again = LiveLanding.land(_as_before(landing), staged)

    assert again.version == first.version
    assert landing.events.scan().select(pl.len()).collect().item() == 1
    assert rejected_offsets(stream) == [1]


def _as_before(landing: LiveLanding) -> LiveLanding:
    """The same owner, who was told that its commits had failed."""
    landing._state = landing._state.followed_by("append", positions={0: 0})
    return landing


def test_the_first_rejected_record_lands_after_a_table_that_was_only_half_made(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk was full between the making of the table and its take-over."""
    landing = owner(stream, "one")
    full = True
    write = LiveTable._write

    def sometimes(self: LiveTable, *arguments: object) -> None:
        if full:
            raise OSError("no space left")
        write(self, *arguments)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(LiveTable, "_write", sometimes)
    staged = landing.stage(batch(stream, 0, [b"bad"]), utc_now())
    with pytest.raises(OSError, match="no space left"):
        landing.land(staged)
    full = False
    landing.land(staged)

    assert rejected_offsets(stream) == [0]


def test_a_quarantine_that_an_older_owner_made_late_does_not_end_the_newer(stream: Stream) -> None:
    older = owner(stream, "older")
    newer = owner(stream, "newer")
    with pytest.raises(StreamLost, match="newer has taken"):
        land(stream, older, 0, b"bad", event(1))  # it makes the quarantine, and its events never come

    land(stream, newer, 0, b"bad", event(1))

    assert rejected_offsets(stream) == [0]
