"""The commands of a stream, one after the other, on real events: what programs read on stdout, and the exit status.

``Site.run(...).document`` parses the whole of stdout: a remark among the results fails the test that reads it.
"""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from pathlib import Path

import pandas as pd
import polars as pl
import pytest
from confluent_kafka import TopicPartition
from deltalake import DeltaTable

from streamguard_assets.kafka.client import KafkaConnection
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets_tests.commands.conftest import USERS, Answer, BuiltSite, Site, event, events_of, past_hours

# One worker has the built stream: a second would build it again.
pytestmark = [pytest.mark.broker, pytest.mark.xdist_group("stream-commands")]


def csv_rows(answer: Answer) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.stdout)))


def table_uri(site: Site, asset: str) -> str:
    return LakeLocation(str(site.state / "lake")).table("security", asset)


class TestMaterialize:
    def test_the_latest_window_again_gives_the_same_content(self, built_site: BuiltSite, tmp_path: Path) -> None:
        site = built_site.copied(tmp_path / "state")
        before = pl.read_delta(table_uri(site, "events")).sort("kafka_offset")
        answer = site.run("materialize", "security", "--latest", "--json")
        assert answer.status == 0, answer.stderr
        (row,) = answer.document
        assert (row["window"], row["complete"], row["events"], row["rejected"]) == (site.windows[2], True, 30, 0)
        assert (row["users"], row["holes"]) == (6, 0)
        assert pl.read_delta(table_uri(site, "events")).sort("kafka_offset").equals(before)

    def test_nothing_to_build_is_an_empty_list_and_a_remark(self, built_site: BuiltSite, tmp_path: Path) -> None:
        site = built_site.copied(tmp_path / "state")
        assert site.run("materialize", "security").status == 0  # the hours since, which hold no events
        answer = site.run("materialize", "security", "--json")
        assert (answer.status, answer.document) == (0, [])
        assert "every window is built" in answer.stderr

    def test_without_options_it_builds_what_is_missing(self, site: Site) -> None:
        (hour,) = past_hours(1)
        site.produce(events_of(hour))
        answer = site.run("materialize", "security", "--json")
        assert answer.status == 0, answer.stderr
        first, *empty = answer.document
        assert (first["window"], first["events"], first["complete"]) == (f"{hour:%Y-%m-%d-%H:%M}", 30, True)
        assert all(row["events"] is None for row in empty)

    def test_a_sample_needs_no_window_and_leaves_training_data(self, built_site: BuiltSite, tmp_path: Path) -> None:
        sample = tmp_path / "sample"
        answer = built_site.run("materialize", "security", "--max-events", "40", "--output", str(sample), "--json")
        assert answer.status == 0, answer.stderr
        assert isinstance(answer.document, dict)
        foreign = tmp_path / "foreign"
        foreign.mkdir()
        (foreign / "thesis.txt").touch()
        refused = built_site.run("materialize", "security", "--max-events", "40", "--output", str(foreign))
        assert (refused.status, refused.stdout) == (2, "")
        assert "thesis.txt" in refused.stderr or str(foreign) in refused.stderr
        users = pd.read_parquet(f"{sample}.parquet")  # as anybody reads it
        assert answer.document["records"] == 40
        assert (users["total_events"].sum(), set(users["user"])) == (40, set(USERS))
        assert "is_anomaly" in users.columns
        assert (sample / "_SUCCESS").exists()

    def test_a_sample_of_too_few_users_says_why_it_has_no_training_data(self, site: Site, tmp_path: Path) -> None:
        site.produce([event(n, past_hours(1)[0], "ada") for n in range(9)])
        answer = site.run("materialize", "security", "--max-events", "9", "--output", str(tmp_path / "few"), "--json")
        assert (answer.status, answer.document["total_users"]) == (0, 0)
        assert "warning: no user has a score" in answer.stderr

    def test_windows_before_the_stream_are_named_as_empty(self, built_site: BuiltSite) -> None:
        early = (built_site.hours[0] - timedelta(hours=5)).isoformat()
        until = built_site.hours[0].isoformat()
        answer = built_site.run("materialize", "security", "--from", early, "--to", until)
        assert (answer.status, answer.stdout) == (2, "")
        assert f"security begins with {built_site.windows[0]}" in answer.stderr


class TestWindows:
    def test_a_window_from_missing_to_complete_and_lost(self, site: Site) -> None:
        hours = past_hours(3)
        site.produce([line for hour in hours for line in events_of(hour)])
        site.produce([event(999, hours[2] + timedelta(hours=2, seconds=1))])
        first, lost, last = (f"{hour:%Y-%m-%d-%H:%M}" for hour in hours)

        def states() -> dict[str, str]:
            answer = site.run("windows", "security", "--json")
            assert answer.status == 0, answer.stderr
            return {row["window"]: row["state"] for row in answer.document}

        assert {w: s for w, s in states().items() if w <= last} == dict.fromkeys((first, lost, last), "missing")
        assert list(states().values())[-1] == "open"
        assert site.run("materialize", "security", "--from", first).status == 0
        assert (states()[first], states()[lost]) == ("complete", "missing")

        self.delete_up_to(site, 40)
        assert (states()[first], states()[lost], states()[last]) == ("complete", "lost", "missing")
        failed = site.run("materialize", "security", "--from", lost, "--json")
        assert failed.status == 1
        assert json.loads(failed.stdout) == []
        assert "--acknowledge-gap" in failed.stderr
        assert f"{site.topic}" in failed.stderr

        given_up = site.run("windows", "security", "--acknowledge-gap", lost, "--reason", "retention was 1 h", "--json")
        assert given_up.document == [
            {
                "window": lost,
                "kafka_partition": 0,
                "start_offset": 30,
                "end_offset": 40,
                "reason": "retention was 1 h",
            }
        ]
        built = site.run("materialize", "security", "--from", lost, "--json")
        assert built.status == 0, built.stderr
        assert [row["events"] for row in built.document] == [20]
        assert states()[lost] == "complete"
        again = site.run("windows", "security", "--acknowledge-gap", lost, "--reason", "twice")
        assert (again.status, again.stdout) == (1, "")
        assert "nothing was given up" in again.stderr

    @staticmethod
    def delete_up_to(site: Site, offset: int) -> None:
        """As retention does, but now."""
        admin = KafkaConnection({"bootstrap.servers": site.bootstrap_servers}).admin()
        (deleted,) = admin.delete_records([TopicPartition(site.topic, 0, offset)]).values()
        deleted.result(30)

    def test_rows_are_the_same_as_csv(self, built_site: BuiltSite) -> None:
        rows = csv_rows(built_site.run("windows", "security", "--csv"))
        closed = rows[:3]
        assert [row["window"] for row in closed] == list(built_site.windows)
        assert [(row["state"], row["covered"], row["rows"], row["rejected"]) for row in closed] == [
            ("complete", "30", "30", "0"),
            ("complete", "32", "30", "2"),
            ("complete", "30", "30", "0"),
        ]

    def test_only_the_newest(self, built_site: BuiltSite) -> None:
        (row,) = built_site.run("windows", "security", "--last", "1", "--json").document
        assert row["window"] == built_site.windows[2]

    def test_a_stream_without_events_says_so(self, site: Site) -> None:
        site.produce([event(1, past_hours(1)[0])])
        answer = site.run("windows", "security", "--last", "5", "--json")
        assert answer.status == 0
        assert len(answer.document) == 1

    def test_only_a_closed_window_can_have_a_gap(self, built_site: BuiltSite) -> None:
        answer = built_site.run("windows", "security", "--acknowledge-gap", "2001-01-01-00:00", "--reason", "why")
        assert (answer.status, answer.stdout) == (2, "")
        assert "no closed window" in answer.stderr


class TestCheck:
    def test_what_was_built_holds(self, built_site: BuiltSite) -> None:
        answer = built_site.run("check", "security", "--json")
        assert answer.status == 0, answer.stdout
        results = {row["check"]: row for row in answer.document}
        assert {"ledger_contiguity", "conservation", "schema"} <= results.keys()
        assert all(row["result"] != "FAILED" for row in results.values())
        assert results["conservation"]["findings"] == []
        assert {row["check"] for row in csv_rows(built_site.run("check", "--csv"))} == results.keys()

    def test_a_row_that_is_gone_is_found(self, built_site: BuiltSite, tmp_path: Path) -> None:
        site = built_site.copied(tmp_path / "state")
        DeltaTable(table_uri(site, "events")).delete("kafka_offset = 35")
        answer = site.run("check", "security", "--json")
        assert answer.status == 1
        (broken,) = [row for row in answer.document if row["check"] == "conservation"]
        assert broken["result"] == "FAILED"
        assert site.windows[1] in broken["findings"][0]
        one = site.run("check", "security", "--window", site.windows[0], "--json")
        assert one.status == 0
        assert "FAILED" in site.run("check", "security").stdout

    def test_a_window_that_is_not_in_the_lake_is_wrong_usage(self, built_site: BuiltSite) -> None:
        answer = built_site.run("check", "security", "--window", "2001-01-01-00:00", "--json")
        assert (answer.status, answer.stdout) == (2, "")

    def test_an_empty_lake_has_no_results(self, site: Site) -> None:
        answer = site.run("check", "--json")
        assert (answer.status, answer.document) == (0, [])
        assert "no window is in the lake yet" in answer.stderr


class TestLake:
    def test_sql_gives_what_the_table_has(self, built_site: BuiltSite) -> None:
        query = 'select "window", count(*) as n from security.events group by all order by all'
        expected = [{"window": window, "n": 30} for window in built_site.windows]
        assert built_site.run("sql", query, "--json").document == expected
        assert csv_rows(built_site.run("sql", query, "--csv")) == [{**row, "n": "30"} for row in expected]

    def test_the_example_of_the_help_runs(self, built_site: BuiltSite) -> None:
        query = "select user, count(*) from security.events group by all order by 2 desc limit 10"
        assert len(built_site.run("sql", query, "--json").document) == 6

    @pytest.mark.parametrize("query", ["select", "select * from security.nothing", "drop table security.events"])
    def test_a_wrong_query_ends_with_1_and_a_reason(self, built_site: BuiltSite, query: str) -> None:
        answer = built_site.run("sql", query, "--json")
        assert (answer.status, answer.stdout) == (1, "")
        assert answer.stderr.startswith("error: ")

    def test_paths_are_those_of_the_tables(self, built_site: BuiltSite) -> None:
        tables = {row["table"]: row["uri"] for row in built_site.run("lake", "tables", "--json").document}
        path = built_site.run("lake", "path", "security/events")
        assert path.stdout.strip() == tables["security.events"]
        assert DeltaTable(tables["security.events"]).to_pyarrow_table().num_rows == 90
        assert built_site.run("lake", "path", "security/events", "--json").document["uri"] == tables["security.events"]
        assert built_site.run("lake", "path", "security/nothing").status == 2


class TestQuarantine:
    def test_rejected_records_are_listed_and_shown_whole(self, built_site: BuiltSite) -> None:
        rows = built_site.run("quarantine", "list", "security", "--json").document
        assert [(row["window"], row["kafka_offset"]) for row in rows] == [(built_site.windows[1], n) for n in (60, 61)]
        assert rows[0]["json_path"] == "$.user"
        shown = built_site.run("quarantine", "show", "security", "0", "60", "--json").document
        assert '"user": 7' in shown["value"]
        assert len(csv_rows(built_site.run("quarantine", "list", "security", "--csv", "--limit", "1"))) == 1

    def test_a_window_of_good_records_has_none(self, built_site: BuiltSite) -> None:
        answer = built_site.run("quarantine", "list", "security", "--window", built_site.windows[0], "--json")
        assert (answer.status, answer.document) == (0, [])

    def test_a_record_that_was_not_rejected_is_not_shown(self, built_site: BuiltSite) -> None:
        assert built_site.run("quarantine", "show", "security", "0", "1", "--json").status == 1

    def test_a_replay_says_what_stays_and_needs_no_kafka(self, built_site: BuiltSite, tmp_path: Path) -> None:
        site = BuiltSite(tmp_path / "state", built_site.topic, "127.0.0.1:9", built_site.hours)
        built_site.copied(site.state)
        answer = site.run("quarantine", "replay", "security", "--json")
        assert answer.status == 0, answer.stderr
        assert answer.document == [{"window": site.windows[1], "landed": 0, "still_rejected": 2}]
        assert "0 records landed, 2 stay" in answer.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["materialize"],
        ["materialize", "security", "--latest", "--from", "2026-01-01"],
        ["materialize", "security", "--to", "2026-01-01"],
        ["materialize", "security", "--from", "yesterday"],
        ["materialize", "security", "--max-events", "10"],
        ["materialize", "security", "--max-events", "0", "--output", "x"],
        ["materialize", "security", "--max-events", "10", "--output", "x", "--start", "middle"],
        ["materialize", "security", "--latest", "--output", "x"],
        ["materialize", "security", "--latest", "--start", "latest"],
        ["windows", "security", "--last", "0"],
        ["windows", "security", "--reason", "why"],
        ["windows", "security", "--acknowledge-gap", "2026-01-31-14:00"],
        ["windows", "security", "--acknowledge-gap", "today", "--reason", "why"],
        ["windows", "security", "--json", "--csv"],
        ["check", "security", "--json", "--csv"],
        ["sql"],
        ["sql", "select 1", "--json", "--csv"],
        ["lake", "path", "security/nothing"],
        ["quarantine", "list", "security", "--window", "today"],
        ["quarantine", "list", "security", "--json", "--csv"],
        ["quarantine", "replay", "security", "--window", "today"],
        ["quarantine", "show", "security", "zero", "one"],
        ["produce", "nothing.ndjson", "--stream", "security"],
    ],
    ids=" ".join,
)
def test_wrong_usage_ends_with_2_and_nothing_on_stdout(built_site: BuiltSite, arguments: list[str]) -> None:
    answer = built_site.run(*arguments)
    assert (answer.status, answer.stdout) == (2, ""), answer.stderr
    assert answer.stderr


NEED_SETTINGS = [
    ["materialize", "sekurity", "--latest"],
    ["windows", "sekurity"],
    ["check", "sekurity"],
    ["lake", "path", "sekurity/events"],
    ["quarantine", "list", "sekurity"],
    ["produce", "-", "--stream", "sekurity"],
]


@pytest.mark.parametrize("arguments", NEED_SETTINGS, ids=" ".join)
def test_an_unknown_stream_ends_with_3_and_names_the_known_ones(built_site: BuiltSite, arguments: list[str]) -> None:
    answer = built_site.run(*arguments)
    assert (answer.status, answer.stdout) == (3, "")
    assert "security" in answer.stderr


@pytest.mark.parametrize(
    "arguments",
    [["windows", "security"], ["materialize", "security", "--latest"], ["kafka", "topics"]],
    ids=" ".join,
)
def test_a_cluster_that_is_away_ends_with_4(tmp_path: Path, arguments: list[str], monkeypatch) -> None:
    away = Site(tmp_path / "state", "nowhere", "127.0.0.1:9")
    monkeypatch.setattr(Site, "variables", {**away.variables, "STREAMGUARD_KAFKA__REQUEST_TIMEOUT_MS": "500"})
    answer = away.run(*arguments)
    assert (answer.status, answer.stdout) == (4, "")
    assert "127.0.0.1:9" in answer.stderr
