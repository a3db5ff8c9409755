"""Compaction makes few files of many and changes nothing that anybody reads."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from hypothesis import given
from hypothesis import strategies as st

from streamguard_assets.contracts.windows import Cadence
from streamguard_assets.lake.care import compaction
from streamguard_assets.lake.care.compaction import compact
from streamguard_assets.lake.care.rewrite import Rewriter
from streamguard_assets.lake.commit_log import read_commits
from streamguard_assets.lake.gaps import AcknowledgedGap, GapRegister
from streamguard_assets.lake.ledger import Ledger
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.lake.quarantine import ATTEMPT, Quarantine
from streamguard_assets.lake.quarantine import SCHEMA as QUARANTINED
from streamguard_assets.lake.sql import run_sql
from streamguard_assets_tests.lake.care.scattered import NOW, assert_same, everything, files_of, scattered
from streamguard_assets_tests.lake.samples import SCHEMA, START, boundary, commit_of, events, hour, no_pause, rows


@pytest.mark.parametrize("folder", ["lake", "my lake ü #1 50%"])
def test_rows_commits_and_the_fence_stay_and_files_become_few(tmp_path: Path, folder: str) -> None:
    table = scattered(LakeLocation(str(tmp_path / folder)))
    before = everything(table)
    report = compact(table.uri, {})
    assert (report.files_before, report.files_after, report.changed) == (12, 3, 3)
    assert report.bytes_after < report.bytes_before
    assert (report.left, report.damaged) == ((), ())
    assert files_of(table) == 3
    assert_same(before, everything(table))
    assert_same(before, everything(events(LakeLocation(str(tmp_path / folder)))))  # a process that comes later


def test_an_object_store_is_no_different(s3_location):
    table = scattered(s3_location)
    before = everything(table)
    assert compact(table.uri, s3_location.storage_options).files_after == 3
    assert_same(before, everything(table))


def test_done_twice_it_has_nothing_to_do(location):
    table = scattered(location)
    compact(table.uri, {})
    version = table.version()
    report = compact(table.uri, {})
    assert (report.changed, report.files_before, report.files_after, table.version()) == (0, 3, 3, version)


def test_a_dry_run_says_so_and_writes_nothing(location):
    table = scattered(location)
    version, files = table.version(), sorted(Path(table.uri).rglob("*"))
    report = compact(table.uri, {}, dry_run=True)
    assert (report.changed, report.files_before, report.files_after) == (3, 12, 3)
    assert (table.version(), sorted(Path(table.uri).rglob("*"))) == (version, files)


def test_only_windows_that_would_need_half_the_files_are_rewritten(location):
    table = scattered(location, windows=1)
    table.write(rows(2), commit_of(hour(9)))
    alone = {path for path in DeltaTable(table.uri).file_uris() if "-09%" in path}
    assert compact(table.uri, {}).changed == 1
    assert alone <= set(DeltaTable(table.uri).file_uris())
    size = compact(table.uri, {}, dry_run=True).bytes_before
    assert compact(scattered(LakeLocation(f"{location.uri}2")).uri, {}, target_bytes=size // 2).changed == 0


def test_files_are_of_the_wanted_size(location):
    table = events(location, file_rows=1_000)
    table.write(rows(20_000), commit_of(hour(0)))
    before = everything(table)
    report = compact(table.uri, {}, target_bytes=30_000)
    assert 1 < report.files_after <= -(-report.bytes_before // 30_000)
    assert files_of(table) == report.files_after
    assert_same(before, everything(table))


def test_a_turn_of_many_windows_is_few_commits_and_tells_its_progress(location, monkeypatch):
    monkeypatch.setattr(compaction, "PARTS_PER_COMMIT", 2)
    table, seen = scattered(location, windows=5), []
    begin = table.version() or 0
    compact(table.uri, {}, progress=lambda done, total: seen.append((done, total)))
    assert (table.version() or 0) - begin == 3
    assert seen == [(done, 5) for done in range(1, 6)]


def test_its_commits_move_rows_and_change_none(location):
    """Readers that follow a table's changes pass over entries without a data change; so does the fold of commits."""
    table = scattered(location)
    version = table.version() or 0
    compact(table.uri, {})
    entry = Path(table.uri, "_delta_log", f"{version + 1:020d}.json").read_text().splitlines()
    actions = [json.loads(line) for line in entry if line]
    changes = {next(iter(action.values()))["dataChange"] for action in actions if {"add", "remove"} & set(action)}
    assert changes == {False}
    assert read_commits(table.uri, {}, version, version + 1) == []
    assert json.loads(actions[0]["commitInfo"]["streamguardCare"]) == {"parts": 3, "purpose": "compact"}


def test_a_reader_that_is_pinned_reads_on(location):
    table = scattered(location)
    version = table.version()
    pinned = table.scan([hour(1)], version)
    compact(table.uri, {})
    assert pinned.collect().height == 12
    assert table.scan(version=version).collect().height == 36


def test_a_window_is_read_from_its_file_alone_and_values_are_found(location):
    table = scattered(location)
    compact(table.uri, {})
    one = table.scan([hour(1)])
    assert one.collect()["kafka_offset"].sort().to_list() == list(range(100, 112))
    assert one.explain().count("part-compact") == 1
    assert table.scan().filter(pl.col("kafka_offset") == 205).collect().height == 1
    assert run_sql(location, "select count(*) as n from security.events where kafka_offset >= 105")["n"].item() == 19


def test_columns_and_fields_that_came_later_are_null_in_old_rows(location):
    scattered(location)
    nested = pa.struct([("port", pa.int64()), ("domain", pa.string()), ("zone", pa.string())])
    wider = pa.schema([*list(SCHEMA)[:-1], ("metadata", nested), ("country", pa.string())])
    table = events(location, wider, file_rows=3)
    fresh = rows(12, 900).with_columns(
        pl.col("metadata").struct.with_fields(pl.lit("eu").alias("zone")), pl.lit("NO").alias("country")
    )
    table.write(fresh, commit_of(hour(8)))
    before = everything(table)
    assert compact(table.uri, {}).files_after == 4
    assert_same(before, everything(table))


def test_a_window_written_anew_while_it_is_compacted_keeps_its_new_rows(location):
    table = scattered(location, windows=2)
    delta, rewriter = DeltaTable(table.uri), Rewriter(table.uri, {}, "compact", 10**9, pause=no_pause)
    parts = compaction.parts_of(delta)
    staged = [rewriter.stage(delta, part, rewriter.declared(delta)) for part in parts]
    table.write(rows(5, 500), commit_of(hour(0), "second"))
    before = everything(table)
    assert [rewrite.part.label for rewrite in rewriter.commit(staged)] == [f"window={hour(1)}"]
    assert_same(before, everything(table))


def test_two_turns_from_the_same_version_never_double_a_row(location):
    """What `optimize` of delta-rs does; it is why there is a rewriter here at all."""
    table = scattered(location)
    stale = DeltaTable(table.uri)
    rewriter = Rewriter(table.uri, {}, "compact", 10**9, pause=no_pause)
    staged = [rewriter.stage(stale, part, {}) for part in compaction.parts_of(stale)]
    before = everything(table)
    compact(table.uri, {})
    assert rewriter.commit(staged) == []
    assert_same(before, everything(table))
    broken = scattered(LakeLocation(f"{location.uri}-optimized"))
    first, second = DeltaTable(broken.uri), DeltaTable(broken.uri)
    first.optimize.compact()
    second.optimize.compact()
    assert broken.scan().collect().height == 2 * 36  # once this fails, delta-rs finds the conflict


def test_a_commit_whose_answer_was_lost_is_found_and_not_made_twice(location):
    table = scattered(location, windows=1)
    delta, rewriter = DeltaTable(table.uri), Rewriter(table.uri, {}, "compact", 10**9, pause=no_pause)
    staged = [rewriter.stage(delta, part, {}) for part in compaction.parts_of(delta)]
    assert rewriter.commit(staged) == staged
    version = table.version()
    assert rewriter.commit(staged) == staged
    assert table.version() == version


def test_files_that_do_not_hold_what_was_committed_are_left_and_reported(location):
    table = scattered(location)
    victim = next(Path(table.uri).rglob("window=*-01%*/*.parquet"))
    pl.read_parquet(victim, hive_partitioning=False).with_columns(pl.lit("eve").alias("user")).write_parquet(victim)
    report = compact(table.uri, {})
    assert report.changed == 2
    (damage,) = report.damaged
    assert hour(1) in damage
    assert "was committed with content" in damage
    assert victim.exists()
    assert pl.read_parquet(victim, hive_partitioning=False)["user"].to_list() == ["eve"] * 3


def test_a_file_that_cannot_be_read_is_reported_and_the_other_windows_are_compacted(location):
    table = scattered(location)
    victim = next(Path(table.uri).rglob("window=*-01%*/*.parquet"))
    victim.write_bytes(b"PAR1 and nothing more")
    report = compact(table.uri, {})
    assert report.changed == 2
    (damage,) = report.damaged
    assert f"window={hour(1)} cannot be read" in damage


def test_columns_of_provenance_are_no_damage(location):
    table = events(location, file_rows=3, provenance=("threat_score",))
    table.write(rows(12), commit_of(hour(0)))
    assert compact(table.uri, {}, provenance=("threat_score",)).damaged == ()


def test_the_ledger_and_the_gaps_stay_what_they_are(location):
    ledger, gaps = Ledger(location, "security", "topic", Cadence(60)), GapRegister(location, "security")
    made = [boundary(index, index * 10) for index in range(5)]
    for index, one in enumerate(made):
        ledger.insert(one, START)
        gaps.acknowledge([AcknowledgedGap(hour(index), hour(index), 0, index, index + 1, "lost", "me", NOW)])
    known = gaps.gaps()
    for uri in (ledger.uri, gaps.uri):
        assert compact(uri, {}).files_after == 1
    assert (ledger.boundaries(), gaps.gaps()) == (made, known)
    assert Ledger(location, "security", "topic", Cadence(60)).insert(boundary(5, 50), START) == boundary(5, 50)


def rejected() -> pl.DataFrame:
    """One rejected record of which nothing is known."""
    return pl.DataFrame({name: [None] for name in QUARANTINED.names if name not in ("window", ATTEMPT)})


def test_rejected_records_of_two_attempts_never_share_a_file(location):
    """Quarantine deletes whole files by their attempt, once it can never count."""
    quarantine = Quarantine(location, "security")
    for attempt in ("old", "old", "new", "new"):
        quarantine.write(rejected(), hour(0), attempt)
    report = compact(quarantine.uri, {}, apart=ATTEMPT)
    assert (report.files_before, report.files_after) == (4, 2)
    assert quarantine.scan({hour(0): "new"}).collect().height == 2
    assert quarantine.collect({hour(0): "new"}, {hour(0): {"old"}}, NOW) == {hour(0): {"old"}}
    assert quarantine.scan({hour(0): "new"}).collect().height == 2
    assert quarantine.scan({hour(0): "old"}).collect().height == 0


def test_rewriting_rejected_records_does_not_make_them_younger(location):
    quarantine = Quarantine(location, "security")
    for _ in range(2):
        quarantine.write(rejected(), hour(0), "lost")
    newest = max(pl.DataFrame(DeltaTable(quarantine.uri).get_add_actions(flatten=True))["modification_time"])
    compact(quarantine.uri, {}, apart=ATTEMPT)
    (kept,) = pl.DataFrame(DeltaTable(quarantine.uri).get_add_actions(flatten=True))["modification_time"]
    assert kept == newest


def test_a_table_of_another_tool_is_left_to_it(location, tmp_path):
    uri = str(tmp_path / "foreign")
    frame = pl.DataFrame({"a": ["x", "y"], "b": ["u", "v"], "n": [1, 2]})
    for _ in range(4):
        frame.write_delta(uri, mode="append", delta_write_options={"partition_by": ["a", "b"]})
    (reason,) = compact(uri, {}).left
    assert "left to the tool that wrote it" in reason
    odd = str(tmp_path / "odd")
    for _ in range(4):
        frame.with_columns(pl.lit("home & garden").alias("a")).write_delta(
            odd, mode="append", delta_write_options={"partition_by": ["a"]}
        )
    report = compact(odd, {})
    assert pl.read_delta(odd).height == 8
    assert report.changed == 1 or report.left


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(1, 6), st.sampled_from(["write", "compact", "again"])), max_size=6
    )
)
def test_the_fold_of_commits_never_sees_care(tmp_path_factory, steps):
    table = events(LakeLocation(str(tmp_path_factory.mktemp("lake"))), file_rows=2)
    wanted: dict[str, int] = {}
    for number, (index, count, step) in enumerate(steps):
        if step == "compact" and wanted:
            compact(table.uri, {})
        else:
            table.write(rows(count, index * 10), commit_of(hour(index), f"attempt{number}"))
            wanted[hour(index)] = count
    for reader in (table, events(LakeLocation(table.uri.removesuffix("/security/events")))):
        assert {window: commit.rows for window, commit in reader.commits().items()} == wanted
