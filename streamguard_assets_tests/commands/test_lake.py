"""``streamguard lake``: history, rows as they were, and care; what programs read, and how it ends."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from deltalake import DeltaTable

from streamguard_assets.lake.care.compaction import compact
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.lake.window_table import WindowTable
from streamguard_assets_tests.commands.conftest import Answer, Site
from streamguard_assets_tests.lake.care.scattered import assert_same, everything, files_of, scattered
from streamguard_assets_tests.lake.samples import commit_of, hour, rows


@pytest.fixture
def here(tmp_path: Path) -> Site:
    """A state folder whose Kafka is nowhere: none of these commands asks it."""
    return Site(tmp_path / "state", "nowhere", "127.0.0.1:1")


@pytest.fixture
def table(here: Site) -> WindowTable:
    return scattered(LakeLocation(str(here.state / "lake")))


def lines(answer: Answer) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.stdout)))


class TestCare:
    def test_compact_reports_files_and_bytes_of_each_table(self, here: Site, table: WindowTable) -> None:
        before = everything(table)
        answer = here.run("lake", "compact", "--json")
        assert answer.status == 0, answer.stderr
        (record,) = answer.document
        assert (record["table"], record["files_before"], record["files_after"]) == ("security.events", 12, 3)
        assert record["bytes_before"] > record["bytes_after"]
        assert files_of(table) == 3
        assert_same(before, everything(table))
        assert lines(here.run("lake", "compact", "--csv"))[0]["changed"] == "0"

    @pytest.mark.parametrize("name", ["security.events", "SECURITY.EVENTS", "security/events"])
    def test_a_table_goes_by_either_name_and_a_dry_run_writes_nothing(
        self, here: Site, table: WindowTable, name: str
    ) -> None:
        answer = here.run("lake", "compact", name, "--dry-run", "--json")
        assert (answer.status, answer.document[0]["files_after"], files_of(table)) == (0, 3, 12)
        assert "nothing was changed" in answer.stderr

    @pytest.mark.parametrize("care", ["compact", "zorder", "vacuum", "checkpoint", "history", "at"])
    def test_an_unknown_table_lists_those_that_are_there(self, here: Site, table: WindowTable, care: str) -> None:
        more = ["--version", "0"] if care == "at" else []
        answer = here.run("lake", care, "security.evnts", *more)
        assert (answer.status, answer.stdout) == (1, "")
        assert "the lake has: security.events" in answer.stderr

    def test_checkpoint_writes_one(self, here: Site, table: WindowTable) -> None:
        answer = here.run("lake", "checkpoint", "--json")
        assert (answer.status, answer.document[0]["files_after"]) == (0, 1)
        assert len(list(Path(table.uri, "_delta_log").glob("*.checkpoint.parquet"))) == 1

    def test_vacuum_counts_the_files_on_the_store(self, here: Site, table: WindowTable) -> None:
        here.run("lake", "compact")
        answer = here.run("lake", "vacuum", "security.events", "--json")
        assert (answer.document[0]["files_before"], answer.document[0]["files_after"]) == (15, 15)

    def test_zorder_of_all_tables_names_none_when_none_has_the_columns(self, here: Site, table: WindowTable) -> None:
        answer = here.run("lake", "zorder", "--json")
        assert (answer.status, answer.document) == (0, [])
        assert "no table needs that" in answer.stderr

    def test_a_damaged_window_is_a_failure_that_says_where(self, here: Site, table: WindowTable) -> None:
        next(Path(table.uri).rglob("window=*-01%*/*.parquet")).write_bytes(b"not Parquet")
        answer = here.run("lake", "compact", "--json")
        assert (answer.status, answer.document[0]["changed"]) == (1, 2)
        assert hour(1) in answer.document[0]["remarks"]
        assert "1 of 1 tables need a look" in answer.stderr

    def test_an_empty_lake_needs_nothing(self, here: Site) -> None:
        answer = here.run("lake", "compact", "--json")
        assert (answer.status, answer.document) == (0, [])


class TestHistory:
    def test_versions_newest_first_with_their_windows(self, here: Site, table: WindowTable) -> None:
        compact(table.uri, {})
        answer = here.run("lake", "history", "security.events", "--json")
        assert answer.status == 0, answer.stderr
        assert [(r["version"], r["operation"], r["window"], r["rows"]) for r in answer.document] == [
            (4, "COMPACT", None, 36),
            (3, "WRITE", hour(2), 12),
            (2, "WRITE", hour(1), 12),
            (1, "WRITE", hour(0), 12),
            (0, "CREATE TABLE", None, 0),
        ]
        assert answer.document[1]["time"].endswith("Z")
        assert answer.document[1]["attempt"] == "first"

    def test_a_limit_says_that_there_is_more(self, here: Site, table: WindowTable) -> None:
        answer = here.run("lake", "history", "security.events", "--limit", "2", "--csv")
        assert [row["version"] for row in lines(answer)] == ["3", "2"]
        assert "--limit shows more" in answer.stderr


class TestAt:
    def test_rows_as_of_a_version_page_by_page(self, here: Site, table: WindowTable) -> None:
        table.write(rows(5, 700), commit_of(hour(0), "second"))
        seen, said = [], ""
        for offset in range(0, 12, 5):
            answer = here.run(
                "lake", "at", "security/events", "--version", "1", "--limit", "5", "--offset", str(offset), "--json"
            )
            assert answer.status == 0, answer.stderr
            seen += [row["kafka_offset"] for row in answer.document]
            said = answer.stderr
        assert sorted(seen) == list(range(12))
        assert "2 of 12 rows, from row 10" in said

    def test_rows_as_of_an_instant(self, here: Site, table: WindowTable) -> None:
        times = [row["time"] for row in here.run("lake", "history", "security.events", "--json").document]
        answer = here.run("lake", "at", "security.events", "--timestamp", times[1], "--csv")
        assert answer.status == 0, answer.stderr
        assert len(lines(answer)) == 24
        assert lines(answer)[0].keys() == set(table.schema.names)

    def test_an_instant_before_the_table_says_when_it_begins(self, here: Site, table: WindowTable) -> None:
        answer = here.run("lake", "at", "security.events", "--timestamp", "2020-01-01")
        assert (answer.status, answer.stdout) == (1, "")
        assert "begins with version 0" in answer.stderr

    def test_a_version_that_is_not_there_names_those_that_are(self, here: Site, table: WindowTable) -> None:
        answer = here.run("lake", "at", "security.events", "--version", "99")
        assert (answer.status, answer.stdout) == (1, "")
        assert "it has 0 to 3" in answer.stderr

    def test_a_version_whose_files_vacuum_took_offers_to_build_the_windows_again(
        self, here: Site, table: WindowTable
    ) -> None:
        compact(table.uri, {})
        active = set(DeltaTable(table.uri).file_uris())
        for path in Path(table.uri).glob("window=*/part-first*"):
            assert str(path) not in active
            path.unlink()
        answer = here.run("lake", "at", "security.events", "--version", "3")
        assert (answer.status, answer.stdout) == (1, "")
        assert "versions 4 to 4 can be read" in answer.stderr
        assert f"streamguard materialize STREAM --from {hour(0)}" in answer.stderr

    @pytest.mark.parametrize("which", [[], ["--version", "1", "--timestamp", "2026-01-01"]])
    def test_one_of_version_and_timestamp_is_needed(self, here: Site, table: WindowTable, which: list[str]) -> None:
        answer = here.run("lake", "at", "security.events", *which)
        assert (answer.status, answer.stdout) == (2, "")
        assert "--version or --timestamp" in answer.stderr
