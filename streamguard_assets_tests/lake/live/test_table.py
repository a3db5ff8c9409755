from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

from streamguard_assets.lake.care.unneeded import delete_unneeded
from streamguard_assets.lake.errors import LakeError, StreamLost
from streamguard_assets.lake.live.active_files import active_files
from streamguard_assets.lake.live.table import LiveTable
from streamguard_assets_tests.lake.live.conftest import WIDER, Lake, offsets_in

BELOW_5 = pl.col("kafka_offset") < 5


def test_a_table_that_nobody_has_taken_over_has_no_state_and_no_rows(lake: Lake) -> None:
    table = lake.table()

    assert (table.exists(), table.snapshot(), table.state()) == (False, None, None)
    assert table.scan(empty_if_missing=True).collect().height == 0


def test_rows_and_offsets_come_in_one_commit(lake: Lake) -> None:
    writer = lake.owned()
    landed = writer.append(3)

    seen = lake.table().snapshot()
    assert seen is not None
    assert (seen.version, seen.state.positions, seen.state.held) == (landed.version, {0: 3}, {0: (0, 3)})
    assert offsets_in(lake.table()) == [0, 1, 2]


def test_a_reader_of_an_older_version_sees_its_rows_and_its_state(lake: Lake) -> None:
    writer = lake.owned()
    first = writer.append(2)
    writer.append(2)

    table = lake.table()
    assert table.scan(first.version).collect().height == 2
    state = table.state(first.version)
    assert state is not None
    assert state.positions == {0: 2}


def test_the_newest_owner_wins_and_the_older_one_is_told_who_it_is(lake: Lake) -> None:
    older = lake.owned("older")
    older.append(2)
    newer = lake.owned("newer")

    with pytest.raises(StreamLost, match="newer has taken the stream over") as lost:
        older.append(2)
    assert (lost.value.owner, lost.value.epoch) == ("newer", newer.state.epoch)
    assert newer.state.positions == {0: 2}
    newer.append(1)
    assert offsets_in(lake.table()) == [0, 1, 2]


def test_a_writer_that_slept_through_a_take_over_commits_nothing(lake: Lake) -> None:
    """It holds an object from before: the fence must not be in its memory, but in the commit."""
    sleeper = lake.owned("sleeper")
    assert sleeper.table.snapshot() is not None
    lake.owned("awake").append(4)

    with pytest.raises(StreamLost):
        sleeper.append(1)
    assert offsets_in(lake.table()) == [0, 1, 2, 3]


def test_a_further_table_is_taken_at_the_epoch_of_the_first_or_not_at_all(lake: Lake) -> None:
    table = lake.table()
    assert table.take_over("a", "topic", "one", {0: 0}, at=7).epoch == 7
    with pytest.raises(StreamLost, match="a has taken"):
        table.take_over("b", "topic", "one", {0: 0}, at=7)


def test_an_owner_that_looks_anew_does_not_take_the_stream_from_a_newer_one(lake: Lake) -> None:
    older = lake.owned("older")
    assert older.table.take_over("older", "topic", "one", {0: 0}, expected=1).epoch == 2
    lake.owned("newer")

    with pytest.raises(StreamLost, match="newer has taken"):
        older.table.take_over("older", "topic", "one", {0: 0}, expected=2)


def test_an_owner_of_a_table_that_was_deleted_and_made_anew_commits_nothing(lake: Lake) -> None:
    """Epochs begin anew with a table, so the number alone would let it in."""
    older = lake.owned("older")
    older.append(1)
    shutil.rmtree(older.table.uri)
    newer = lake.owned("newer")
    assert newer.state.epoch == older.state.epoch

    with pytest.raises(StreamLost, match="newer has taken"):
        older.append(1)
    newer.append(2)
    assert offsets_in(lake.table()) == [0, 1]


def test_owners_that_come_at_once_have_different_epochs(lake: Lake) -> None:
    lake.owned()
    epochs: list[int] = []
    threads = [threading.Thread(target=lambda: epochs.append(lake.owned().state.epoch)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(epochs)) == 4


def test_a_new_partition_begins_where_the_new_owner_says_and_known_ones_stay(lake: Lake) -> None:
    lake.owned().append(3)
    state = lake.table().take_over("second", "topic", "one", {0: 0, 1: 40})

    assert (state.starts, state.positions) == ({0: 0, 1: 40}, {0: 3, 1: 40})


def test_rows_of_a_topic_that_is_gone_leave_the_table_when_asked(lake: Lake) -> None:
    lake.owned().append(3)
    kept = lake.owned(topic_id="two")
    assert (kept.state.positions, offsets_in(lake.table())) == ({0: 0}, [0, 1, 2])

    lake.owned(topic_id="three", clears_other_topic=True)
    assert offsets_in(lake.table()) == []


def test_a_column_that_the_contract_gained_is_there_and_null_in_old_rows(lake: Lake) -> None:
    lake.owned().append(1)
    lake.owned("with the new contract", schema=WIDER).append(1, extra="new")

    rows = lake.table(WIDER).scan().sort("kafka_offset").collect()
    assert rows["extra"].to_list() == [None, "new"]


def test_a_column_that_the_contract_lost_keeps_its_values_when_rows_are_dropped(lake: Lake) -> None:
    lake.owned(schema=WIDER).append(6, extra="old")
    lake.owned("with the new contract").table.drop_rows(BELOW_5, lambda state: state.followed_by("remove"))

    assert lake.table(WIDER).scan().collect()["extra"].to_list() == ["old"]


def test_rows_are_dropped_in_one_commit_with_a_new_state(lake: Lake) -> None:
    writer = lake.owned()
    for _ in range(3):
        writer.append(3)

    dropped = lake.table().drop_rows(BELOW_5, lambda state: state.followed_by("remove", removed={0: 5}))

    assert (dropped.rows, dropped.files) == (5, 2)
    assert offsets_in(lake.table()) == [5, 6, 7, 8]
    assert writer.append(1).state.removed == {0: 5}
    assert writer.state.held == {0: (5, 10)}


def test_nothing_to_drop_is_no_commit(lake: Lake) -> None:
    lake.owned().append(3)
    before = lake.table().version()

    assert lake.table().drop_rows(pl.lit(False), lambda state: state.followed_by("remove")).rows == 0
    assert lake.table().version() == before


def test_rows_are_dropped_beside_an_owner_that_appends(lake: Lake) -> None:
    writer = lake.owned()
    writer.append(8)
    done = threading.Event()

    def append_on() -> None:
        while not done.is_set():
            writer.append(1)

    appending = threading.Thread(target=append_on)
    appending.start()
    try:
        dropped = lake.table().drop_rows(BELOW_5, lambda state: state.followed_by("remove", removed={0: 5}))
    finally:
        done.set()
        appending.join()

    assert dropped.rows == 5
    assert offsets_in(lake.table()) == list(range(5, writer.state.positions[0]))


def test_a_commit_whose_answer_was_lost_lands_once(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store can take a commit and fail to say so; trying again must find it."""
    from deltalake.exceptions import CommitFailedError

    writer = lake.owned()
    write = LiveTable._write
    answers = iter([CommitFailedError("the answer was lost"), None])

    def write_and_lose(self: LiveTable, *arguments: object) -> None:
        write(self, *arguments)  # pyright: ignore[reportArgumentType]
        if (lost := next(answers)) is not None:
            raise lost

    monkeypatch.setattr(LiveTable, "_write", write_and_lose)
    landed = writer.append(2)

    assert offsets_in(lake.table()) == [0, 1]
    assert landed.version == lake.table().version()


def test_a_file_that_is_not_there_cannot_be_replaced(lake: Lake) -> None:
    writer = lake.owned()
    writer.append(1)

    with pytest.raises(LakeError, match="is no file of the table"):
        writer.table.commit(1, [], lambda state: state.followed_by("append"), replaces=["live_date=1/none.parquet"])


def test_the_state_is_found_behind_commits_of_other_tools(lake: Lake) -> None:
    writer = lake.owned()
    writer.append(2)
    DeltaTable(writer.table.uri).alter.set_table_description("described by somebody")

    assert lake.table().state() == writer.state
    assert writer.append(1).state.positions == {0: 3}


def test_every_row_stands_in_the_folder_of_the_day_of_its_commit(lake: Lake) -> None:
    writer = lake.owned()
    writer.append(2)

    (path,) = active_files(writer.table.pinned())
    assert path.startswith("live_date=2026-01-31/")
    log = Path(writer.table.uri, "_delta_log")
    newest = max(log.glob("*.json"))
    assert any("streamguard_live" in json.loads(line).get("commitInfo", {}) for line in newest.read_text().splitlines())


def test_a_log_is_kept_short_while_the_stream_goes_on(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamguard_assets.lake.live.log.KEPT_ENTRIES", 10)
    writer = lake.owned()
    reader = lake.table()
    assert reader.state() is not None
    for _ in range(80):
        writer.append(1)

    writer.table.clean_log()

    versions = sorted(int(entry.name[:20]) for entry in Path(writer.table.uri, "_delta_log").glob("*.json"))
    assert versions[0] == 74 - 10, "ten before the newest checkpoint, which is made every 25"
    assert versions[-1] == writer.table.version() == 81
    assert (reader.state(), lake.table().state()) == (writer.state, writer.state)
    assert offsets_in(lake.table()) == list(range(80))
    assert writer.append(1).state.positions == {0: 81}


def test_the_care_of_live_tables_keeps_every_log_short(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream shortens only those that it commits to every second."""
    monkeypatch.setattr("streamguard_assets.lake.live.log.KEPT_ENTRIES", 10)
    writer = lake.owned()
    for _ in range(60):
        writer.append(1)
    reader = lake.table()
    assert reader.state() is not None
    log = Path(writer.table.uri, "_delta_log")
    before = len(list(log.glob("*.json")))

    delete_unneeded(writer.table.uri, {}, retention_hours=6)

    assert len(list(log.glob("*.json"))) < before - 20
    assert lake.table().state() == writer.state
    assert offsets_in(lake.table()) == list(range(60))
    assert writer.append(1).state.positions == {0: 61}
    assert reader.state() == writer.state, "a reader from before goes on"
