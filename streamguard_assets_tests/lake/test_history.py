"""The history of a table says of every version what really happened in it, also while others write."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from deltalake import DeltaTable

from streamguard_assets.lake.care.compaction import compact
from streamguard_assets.lake.errors import TableMissing
from streamguard_assets.lake.history import read_history
from streamguard_assets_tests.lake.samples import commit_of, events, hour, rows


def test_every_version_newest_first_with_its_window_rows_files_and_bytes(location):
    table = events(location, file_rows=5)
    table.write(rows(12), commit_of(hour(0), complete=False))
    second = table.write(rows(7), commit_of(hour(0), "second"))
    compact(table.uri, {})
    care, rewritten, first, created = read_history(table.uri, {})
    assert [entry.version for entry in (care, rewritten, first, created)] == [3, 2, 1, 0]
    assert [entry.operation for entry in (care, rewritten, first, created)] == [
        "COMPACT",
        "WRITE",
        "WRITE",
        "CREATE TABLE",
    ]
    assert (rewritten.window, rewritten.attempt, rewritten.complete) == (hour(0), "second", True)
    assert rewritten.committed_at == second.committed_at
    assert rewritten.content_hash == second.content_hash
    assert f"{hour(0)}, 7 rows, complete" in rewritten.writer
    assert (first.rows, first.files_added, first.files_removed) == (12, 3, 0)
    assert (rewritten.rows, rewritten.files_added, rewritten.files_removed) == (7, 2, 3)
    assert rewritten.bytes_removed == first.bytes_added > 0
    assert (care.window, care.rows, care.files_added, care.files_removed) == (None, 7, 1, 2)


def test_the_newest_few_are_read_and_no_more(location):
    table = events(location)
    for index in range(5):
        table.write(rows(1), commit_of(hour(index)))
    Path(table.uri, "_delta_log", f"{1:020d}.json").write_text("not JSON")
    assert [entry.version for entry in read_history(table.uri, {}, limit=3)] == [5, 4, 3]


def test_entries_of_other_tools_say_what_their_log_says(location):
    table = events(location)
    table.write(rows(3), commit_of(hour(0)))
    DeltaTable(table.uri).delete("kafka_offset = 1")
    newest = read_history(table.uri, {}, limit=1)[0]
    assert (newest.operation, newest.window) == ("DELETE", None)
    assert newest.writer.startswith("delta-rs")
    bare = Path(table.uri, "_delta_log", f"{3:020d}.json")
    bare.write_text(json.dumps({"commitInfo": {"timestamp": 1}}) + "\n" + json.dumps({"add": {"path": "x", "size": 4}}))
    newest = read_history(table.uri, {}, limit=1)[0]
    assert (newest.version, newest.operation, newest.rows, newest.bytes_added) == (3, "", None, 4)


def test_an_object_store_is_no_different(s3_location):
    table = events(s3_location)
    table.write(rows(3), commit_of(hour(0)))
    assert [entry.rows for entry in read_history(table.uri, s3_location.storage_options)] == [3, 0]


def test_no_table_is_said_so(location):
    with pytest.raises(TableMissing, match="materialize"):
        read_history(location.table("security", "events"), {})
