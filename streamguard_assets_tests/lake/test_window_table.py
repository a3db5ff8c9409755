"""A commit replaces exactly one window, whatever else happens at the same time."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
from datetime import timedelta
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from streamguard_assets.lake.care.vacuum import vacuum
from streamguard_assets.lake.commits import WindowCommit
from streamguard_assets.lake.content import content_of
from streamguard_assets.lake.errors import CommitContention, SchemaConflict, TableMissing
from streamguard_assets.lake.staging import FileStager
from streamguard_assets_tests.lake import processes
from streamguard_assets_tests.lake.samples import SCHEMA, commit_of, counts, events, hour, no_pause, rows

SPAWN = multiprocessing.get_context("spawn")


def test_overwriting_one_window_of_three_leaves_the_other_two(location):
    table = events(location)
    for index in range(3):
        table.write(rows(10 + index), commit_of(hour(index)))
    table.write(rows(5), commit_of(hour(1), "second"))
    assert counts(table) == {hour(0): 10, hour(1): 5, hour(2): 12}


def test_overwriting_one_window_of_three_on_s3_leaves_the_other_two(s3_location):
    """The class of bugs of dagster-deltalake #34064: a wrong predicate there overwrote the whole table."""
    table = events(s3_location)
    for index in range(3):
        table.write(rows(10 + index), commit_of(hour(index)))
    table.write(rows(5), commit_of(hour(1), "second"))
    reader = events(s3_location)
    assert counts(reader) == {hour(0): 10, hour(1): 5, hour(2): 12}
    assert reader.scan([hour(1)]).collect().height == 5
    assert reader.commits()[hour(1)].attempt == "second"


def test_a_hundred_windows(location):
    table = events(location)
    for index in range(100):
        table.write(rows(index % 7), commit_of(hour(index)))
    table.write(rows(50), commit_of(hour(33), "second"))
    expected = {hour(i): i % 7 for i in range(100) if i % 7} | {hour(33): 50}
    assert counts(events(location)) == expected
    assert len(events(location).commits()) == 100


def test_a_window_can_be_empty(location):
    table = events(location)
    table.write(rows(4), commit_of(hour(0)))
    landed = table.commit([], commit_of(hour(0), "second"))
    assert landed.rows == 0
    assert counts(table) == {}
    assert table.commits()[hour(0)].content_hash == "0:0000000000000000"


def test_the_same_rows_again_are_the_same_content(location):
    table = events(location)
    first = table.write(rows(10), commit_of(hour(0)))
    again = table.write(rows(10).reverse(), commit_of(hour(0), "second"))
    assert first.content_hash == again.content_hash == content_of(rows(10))
    assert counts(table) == {hour(0): 10}


def test_a_window_larger_than_a_file_passes_through_in_chunks(location):
    table = events(location, file_rows=100)
    table.write((rows(30, first) for first in range(0, 330, 30)), commit_of(hour(0)))
    assert len(DeltaTable(table.uri).file_uris()) == 4
    assert table.scan([hour(0)]).collect()["kafka_offset"].sort().to_list() == list(range(330))


def test_a_record_batch_reader_is_written(location):
    reader = pa.RecordBatchReader.from_batches(
        rows(0).to_arrow().schema, (batch for n in range(3) for batch in rows(5, n * 5).to_arrow().to_batches())
    )
    assert events(location).write(reader, commit_of(hour(0))).rows == 15


def test_a_commit_reads_back_as_it_was_made(location):
    details = {"range": {"topic": "t", "offsets": {"0": [0, 4]}}, "rejected": 2, "soft_rule_hits": {"status": 1}}
    made = WindowCommit(hour(0), "first", False, inputs_hash="in", code_version="1.2", details=details)
    landed = events(location).write(rows(4), made)
    read = events(location).commits()[hour(0)]
    assert read == landed
    assert (read.window, read.attempt, read.complete, read.rows) == (hour(0), "first", False, 4)
    assert (read.inputs_hash, read.code_version, read.details) == ("in", "1.2", details)
    assert read.version == 1
    assert read.committed_at is not None
    assert read.committed_at.tzinfo is not None


def test_files_must_be_what_the_commit_says(location):
    table = events(location)
    with table.stager(hour(0), "first") as stager:
        stager.add(rows(3))
        files = stager.finish()
    with pytest.raises(ValueError, match="holds rows of"):
        table.commit(files, commit_of(hour(1)))
    wrong = WindowCommit(hour(0), "first", True, rows=4, content_hash="4:0000000000000000")
    with pytest.raises(ValueError, match="the commit says 4 rows"):
        table.commit(files, wrong)
    assert table.commits() == {}


def test_an_open_window_never_replaces_a_complete_one(location):
    table = events(location)
    table.write(rows(3), commit_of(hour(0), "open", complete=False))
    table.write(rows(9), commit_of(hour(0), "closed"))
    standing = table.write(rows(5), commit_of(hour(0), "late", complete=False))
    assert standing.attempt == "closed"
    assert counts(table) == {hour(0): 9}


def test_a_commit_whose_answer_was_lost_is_recognised_and_not_made_twice(location):
    table = events(location)
    with table.stager(hour(0), "first") as stager:
        stager.add(rows(3))
        files = stager.finish()
    landed = table.commit(files, commit_of(hour(0)))
    again = events(location).commit(files, commit_of(hour(0)))
    assert again == landed
    assert table.version() == landed.version


def test_the_loser_of_a_race_looks_again_and_the_later_commit_wins(location):
    """Another writer commits the same window between this one's look at the table and its commit."""
    rival, table = events(location), events(location)
    rival.write(rows(1), commit_of(hour(9)))
    table.version()
    create = DeltaTable.create_write_transaction
    turns: list[int] = []

    def rival_first(self: DeltaTable, *arguments, **options):
        turns.append(self.version())
        if len(turns) == 1:
            rival.write(rows(10), commit_of(hour(0), "rival"))
        return create(self, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DeltaTable, "create_write_transaction", rival_first)
        landed = events(location, pause=no_pause).write(rows(10), commit_of(hour(0), "mine"))
    assert landed.attempt == "mine"
    assert landed.version == 3
    assert counts(table) == {hour(0): 10, hour(9): 1}
    assert table.superseded() == {hour(0): {"rival"}}


def test_a_writer_that_always_loses_gives_up_and_says_so(location):
    rival = events(location)
    rival.write(rows(1), commit_of(hour(0), "start"))
    create = DeltaTable.create_write_transaction
    busy: list[bool] = []

    def rival_always_first(self: DeltaTable, *arguments, **options):
        if not busy:
            busy.append(True)
            rival.write(rows(1), commit_of(hour(0), f"rival{rival.version()}"))
            busy.clear()
        return create(self, *arguments, **options)

    pauses: list[float] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DeltaTable, "create_write_transaction", rival_always_first)
        with pytest.raises(CommitContention, match="nothing was written"):
            events(location, pause=pauses.append).write(rows(10), commit_of(hour(1), "mine"))
    assert hour(1) not in events(location).commits()
    assert len(set(pauses)) == len(pauses)
    assert max(pauses) <= 0.5


@pytest.mark.fault
def test_two_processes_race_for_the_same_windows_and_no_row_is_doubled(location, start):
    barrier = SPAWN.Barrier(2)
    windows = [hour(index % 3) for index in range(9)]
    racers = [start(processes.write_windows, location, windows, name, barrier) for name in ("left", "right")]
    for racer in racers:
        racer.join(120)
    assert [racer.exitcode for racer in racers] == [0, 0]
    table = events(location)
    assert counts(table) == {hour(0): 10, hour(1): 10, hour(2): 10}
    written = [entry for entry in DeltaTable(table.uri).history() if "streamguard" in entry]
    assert len(written) == 18


@pytest.mark.fault
def test_two_processes_write_different_windows_and_all_land(location, start):
    barrier = SPAWN.Barrier(2)
    halves = [[hour(index) for index in range(10)], [hour(index) for index in range(10, 20)]]
    racers = [
        start(processes.write_windows, location, half, name, barrier)
        for half, name in zip(halves, ("left", "right"), strict=True)
    ]
    for racer in racers:
        racer.join(120)
    assert [racer.exitcode for racer in racers] == [0, 0]
    assert counts(events(location)) == {hour(index): 10 for index in range(20)}


@pytest.mark.fault
def test_two_processes_race_on_s3(s3_location, start):
    """Conditional puts decide the race there; delta-rs asks for them by itself."""
    barrier = SPAWN.Barrier(2)
    windows = [hour(0), hour(1), hour(0)]
    racers = [start(processes.write_windows, s3_location, windows, name, barrier) for name in ("left", "right")]
    for racer in racers:
        racer.join(120)
    assert [racer.exitcode for racer in racers] == [0, 0]
    table = events(s3_location)
    assert counts(table) == {hour(0): 10, hour(1): 10}
    assert len(table.superseded()[hour(0)]) == 3


@pytest.mark.fault
def test_a_kill_between_staging_and_commit_leaves_the_old_rows(location, start):
    table = events(location)
    table.write(rows(10), commit_of(hour(0)))
    staged = SPAWN.Event()
    victim = start(processes.stage_and_wait, location, hour(0), staged)
    assert staged.wait(60)
    os.kill(victim.pid, signal.SIGKILL)
    victim.join(30)
    assert counts(table) == {hour(0): 10}
    assert len(list(Path(table.uri).rglob("*killed*"))) == 1
    table.write(rows(11), commit_of(hour(0), "retry"))
    assert counts(table) == {hour(0): 11}


def test_vacuum_collects_a_file_whose_commit_never_came_and_nothing_that_is_read(location):
    table = events(location)
    table.write(rows(10), commit_of(hour(0)))
    stager: FileStager = table.stager(hour(0), "lost")
    stager.add(rows(5))
    stager.finish()
    (orphan,) = Path(table.uri).rglob("*lost*")
    assert vacuum(table.uri, {}).changed == 0
    week_ago = orphan.stat().st_mtime - timedelta(hours=169).total_seconds()
    os.utime(orphan, (week_ago, week_ago))
    assert vacuum(table.uri, {}).changed == 1
    assert not orphan.exists()
    assert counts(table) == {hour(0): 10}
    assert list(table.commits()) == [hour(0)]


def test_a_new_column_is_added_with_the_commit_and_old_rows_have_null(location):
    events(location).write(rows(2), commit_of(hour(0)))
    wider = events(location, SCHEMA.append(pa.field("country", pa.string())))
    wider.write(rows(3).with_columns(pl.lit("NO").alias("country")), commit_of(hour(1)))
    assert wider.scan().collect()["country"].null_count() == 2
    assert DeltaTable(wider.uri).version() == 2
    assert DeltaTable(wider.uri).metadata().configuration["delta.enableExpiredLogCleanup"] == "false"
    old_reader = events(location)
    assert old_reader.scan().collect().columns == SCHEMA.names
    assert wider.scan(version=1).collect()["country"].to_list() == [None, None]


def test_an_old_writer_leaves_the_new_column_in_the_table(location):
    wider = events(location, SCHEMA.append(pa.field("country", pa.string())))
    wider.write(rows(3).with_columns(pl.lit("NO").alias("country")), commit_of(hour(0)))
    events(location).write(rows(2), commit_of(hour(1)))
    assert wider.scan([hour(0)]).collect()["country"].to_list() == ["NO"] * 3
    assert wider.scan([hour(1)]).collect()["country"].to_list() == [None] * 2


def test_a_struct_may_gain_a_field(location):
    events(location).write(rows(2), commit_of(hour(0)))
    metadata = pa.struct([("port", pa.int64()), ("domain", pa.string()), ("country", pa.string())])
    schema = SCHEMA.set(SCHEMA.get_field_index("metadata"), pa.field("metadata", metadata))
    wider = events(location, schema)
    dtype = pl.Struct({"port": pl.Int64, "domain": pl.String, "country": pl.String})
    wider.write(rows(2).cast({"metadata": dtype}), commit_of(hour(1)))
    assert wider.scan().collect().schema["metadata"] == dtype
    assert wider.scan(version=1).collect().schema["metadata"] == dtype


def test_a_column_that_changes_its_type_is_refused_by_name(location):
    events(location).write(rows(2), commit_of(hour(0)))
    index = SCHEMA.get_field_index("threat_score")
    table = events(location, SCHEMA.set(index, pa.field("threat_score", pa.string())))
    with pytest.raises(SchemaConflict, match="threat_score"):
        table.write(rows(1).with_columns(pl.lit("high").alias("threat_score")), commit_of(hour(1)))
    assert list(events(location).commits()) == [hour(0)]


def test_a_missing_table_is_an_error_or_empty_when_asked(location):
    table = events(location)
    with pytest.raises(TableMissing, match="materialize"):
        table.scan()
    assert table.scan(empty_if_missing=True).collect().columns == SCHEMA.names
    assert (table.exists(), table.version(), table.commits(), table.superseded()) == (False, None, {}, {})


def test_reading_windows_opens_only_their_files(location):
    table = events(location)
    for index in range(3):
        table.write(rows(2), commit_of(hour(index)))
    for file in (Path(table.uri) / "window=2026-01-01-02%3A00").iterdir():
        file.unlink()
    assert table.scan([hour(0), hour(1)]).collect().height == 4
    assert table.scan([]).collect().height == 0
    assert table.scan(["2020-01-01-00:00"]).collect().height == 0


def test_a_scan_stays_at_its_version(location):
    table = events(location)
    first = table.write(rows(2), commit_of(hour(0)))
    before = table.scan()
    table.write(rows(5), commit_of(hour(0), "second"))
    assert before.collect().height == 2
    assert table.scan(version=first.version).collect().height == 2
    assert table.scan().collect().height == 5


def test_commits_of_other_processes_and_of_other_tools_are_followed(location):
    table = events(location)
    table.write(rows(2), commit_of(hour(0)))
    assert list(table.commits()) == [hour(0)]
    events(location).write(rows(3), commit_of(hour(1), "elsewhere"))
    foreign = rows(1).with_columns(pl.lit(hour(7)).alias("window")).select(SCHEMA.names)
    write_deltalake(table.uri, foreign.to_arrow(), mode="append")
    DeltaTable(table.uri).optimize.compact()
    assert list(table.commits()) == [hour(0), hour(1)]
    table.write(rows(4), commit_of(hour(0), "second"))
    assert table.commits()[hour(0)].attempt == "second"
    assert table.commits() == events(location).commits()


def test_a_table_thrown_away_and_made_anew_is_not_mixed_with_the_old_one(location):
    """`streamguard reset` beside a process that has the old table open."""
    table = events(location)
    for index in range(3):
        table.write(rows(1), commit_of(hour(index)))
    shutil.rmtree(table.uri)
    assert table.commits() == {}
    for index in range(5, 10):
        events(location).write(rows(1), commit_of(hour(index)))
    assert list(table.commits()) == [hour(index) for index in range(5, 10)]
    table.write(rows(2), commit_of(hour(0), "after"))
    assert len(counts(table)) == 6
