"""Rejected records land once when the contract accepts them, from the bytes that the lake kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated

import pytest
from msgspec import Meta

from streamguard_assets.contracts.contract import Contract
from streamguard_assets.contracts.fields import Record, Timestamp
from streamguard_assets.contracts.registry import CONTRACTS
from streamguard_assets.contracts.security import SECURITY, SecurityMetadata
from streamguard_assets.lake.staging import DataFile
from streamguard_assets.windows.replay import Replayed, rejected_rows, replay
from streamguard_assets_tests.contracts.records import record
from streamguard_assets_tests.windows.conftest import RigFactory
from streamguard_assets_tests.windows.rig import Rig, at, event, key

pytestmark = [pytest.mark.broker]


class LenientEvent(Record):
    """A security event whose type may be absent."""

    event_id: str
    timestamp: Timestamp
    user: str
    event_type: str | None = None
    source_ip: str | None = None
    destination_ip: str | None = None
    status: str | None = None
    threat_score: Annotated[float | None, Meta(description="0 to 1")] = None
    metadata: SecurityMetadata | None = None


LENIENT: Contract = replace(SECURITY, name="lenient", event=LenientEvent)


@pytest.fixture(autouse=True)
def lenient() -> Iterator[None]:
    """The second contract is known while a test runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(CONTRACTS, "lenient", LENIENT)
        yield


def under(rig: Rig, contract: str) -> Rig:
    """The same stream, started anew under another contract."""
    stream = rig.settings.streams["security"].model_copy(update={"contract": contract})
    return Rig(rig.settings.model_copy(update={"streams": {"security": stream}}))


@pytest.fixture
def rejecting(make_rig: RigFactory) -> Rig:
    """One window; in partition 0 two records that only the other contract takes (offsets 1 and 3) and one that
    nobody takes (4), in partition 1 one that only the other takes (0)."""
    rig = make_rig()
    untyped = [event(n, event_type=..., status="strange") for n in range(10, 13)]
    rig.produce([event(0), untyped[0], event(1), untyped[1], b"bad"])
    rig.produce([untyped[2]], partition=1)
    rig.keep(1)
    rig.ingest(0)
    assert rig.rejected(0).select("kafka_partition", "kafka_offset").rows() == [(0, 1), (0, 3), (0, 4), (1, 0)]
    return rig


def test_what_the_contract_accepts_now_lands_and_the_rest_stays(rejecting: Rig) -> None:
    rig = under(rejecting, "lenient")
    assert replay(rig.stream, [key(0)], "replay-1", at(1_000)) == [Replayed(key(0), landed=3, still_rejected=1)]
    rows = rig.events(0)
    assert rows.select("kafka_partition", "kafka_offset", "event_id").rows() == [
        (0, 0, "e-0"),
        (0, 1, "e-10"),
        (0, 2, "e-1"),
        (0, 3, "e-11"),
        (1, 0, "e-12"),
    ]
    left = rig.rejected(0)
    assert left.select("kafka_offset", "value", "contract_hash").rows() == [(4, b"bad", LENIENT.hash)]
    commit = rig.stream.table("events").commits()[key(0)]
    assert (commit.complete, commit.rows, commit.details["rejected"], commit.attempt) == (True, 5, 1, "replay-1")
    assert commit.details["soft_rule_hits"]["unknown_status"] == 3
    assert rig.violations() == []


def test_a_window_of_which_all_lands_has_an_empty_quarantine(make_rig: RigFactory) -> None:
    rig = make_rig()
    rig.produce([event(0, event_type=...), event(0)])
    rig.keep(1)
    rig.ingest(0)
    rig = under(rig, "lenient")
    assert replay(rig.stream, [key(0)], "replay-1", at(1_000)) == [Replayed(key(0), 1, 0)]
    assert rejected_rows(rig.stream).collect().height == 0
    assert rig.stream.table("events").commits()[key(0)].details["soft_rule_hits"]["repeated_event_id"] == 1
    assert rig.violations() == []


def test_a_second_replay_changes_nothing(rejecting: Rig) -> None:
    rig = under(rejecting, "lenient")
    replay(rig.stream, [key(0)], "replay-1", at(1_000))
    before = rig.stream.table("events").commits()
    assert replay(rig.stream, [key(0)], "replay-2", at(1_000)) == [Replayed(key(0), 0, 1)]
    assert rig.again().stream.table("events").commits() == before


def test_the_same_contract_lands_nothing(rejecting: Rig) -> None:
    before = rejecting.stream.table("events").commits()
    assert replay(rejecting.stream, [key(0)], "replay-1", at(1_000)) == [Replayed(key(0), 0, 4)]
    assert rejecting.again().stream.table("events").commits() == before


def test_it_needs_nothing_of_kafka_any_more(rejecting: Rig) -> None:
    rejecting.delete_before(5)
    rejecting.delete_before(1, partition=1)
    rig = under(rejecting, "lenient")
    assert replay(rig.stream, [key(0)], "replay-1", at(1_000)) == [Replayed(key(0), 3, 1)]
    assert rig.events(0).height == 5
    assert rig.violations() == []


def test_it_is_what_reading_the_window_again_would_give(rejecting: Rig) -> None:
    rig = under(rejecting, "lenient")
    replay(rig.stream, [key(0)], "replay-1", at(1_000))
    replayed = rig.stream.table("events").commits()[key(0)]
    (read_again,) = rig.again().ingest(0)
    assert (replayed.content_hash, replayed.inputs_hash) == (read_again.content_hash, read_again.inputs_hash)
    same = (
        "rejected",
        "rejected_content",
        "delivered",
        "range",
        "receipt",
        "soft_rule_hits",
        "definition_hash",
        "contract",
    )
    assert {k: replayed.details[k] for k in same} == {k: read_again.details[k] for k in same}


def test_a_replay_of_an_open_window_that_closed_meanwhile_gives_way(
    make_rig: RigFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make_rig()
    rig.produce([event(0), event(1, event_type=...), b"bad"])
    rig.keep(0.5)
    rig.ingest(0, now=0.5)
    late = under(rig, "lenient")
    append = late.stream.quarantine.append

    def close_first(files: Sequence[DataFile], attempt: str) -> int | None:
        rig.produce([event(2)], hour=0.5)
        rig.keep(1)
        rig.ingest(0)
        return append(files, attempt)

    monkeypatch.setattr(late.stream.quarantine, "append", close_first)
    assert replay(late.stream, [key(0)], "replay-1", at(1_000)) == [Replayed(key(0), 0, 2)]
    assert rig.offsets(0) == [0, 3]
    assert rig.violations() == []


def test_features_are_planned_again_after_a_replay(make_rig: RigFactory) -> None:
    rig = make_rig()
    rig.produce_hours([0], events=5)
    rig.produce([record(event_type=...)], hour=0.5)
    rig.keep(1)
    rig.obey(rig.plan(1), 1)
    changed = under(rig, "lenient")
    assert changed.plan(1).requests == ()
    replay(changed.stream, [key(0)], "replay-1", at(1_000))
    (request,) = changed.plan(1).requests
    assert request.windows == (key(0),)
    assert "events" not in request.assets
    changed.obey(changed.plan(1), 1)
    assert changed.plan(1).requests == ()
