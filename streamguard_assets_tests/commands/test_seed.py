"""``streamguard seed``: a table that is replaced, and a topic with the same events."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from streamguard_assets.contracts.registry import contract
from streamguard_assets.engines.polars.parsing import parse_records
from streamguard_assets.generators.retail.transactions import FIELDS
from streamguard_assets.kafka.client import KafkaConnection
from streamguard_assets.kafka.retention import retention_ms
from streamguard_assets.kafka.topics import FOR_EVER_MS, TopicLayout, create_topic
from streamguard_assets.settings import KafkaSettings
from streamguard_assets_tests.commands.conftest import Answer, Site
from streamguard_assets_tests.commands.topic_records import records, text
from streamguard_assets_tests.waiting import wait_until

pytestmark = [pytest.mark.broker]

SMALL = ("--rows", "3000", "--days", "7", "--until", "2026-02-02")


@pytest.fixture
def connection(kafka_settings: KafkaSettings) -> KafkaConnection:
    return KafkaConnection.from_settings(kafka_settings)


def seeded(site: Site, *arguments: str) -> Any:
    answer = site.run("seed", "transactions", *arguments, "--json")
    assert answer.status == 0, answer.stderr
    return answer.document


def stored(site: Site) -> pl.DataFrame:
    return pl.read_delta(str(site.state / "lake" / "seed" / "transactions"))


def test_the_table_is_in_the_lake_and_the_summary_tells_what_it_holds(site: Site) -> None:
    told = seeded(site, *SMALL)
    rows = stored(site)
    assert told["table"] == str(site.state / "lake" / "seed" / "transactions")
    assert told["rows"] == rows.height == 3_000
    assert told["rows_per_category"] == dict(rows["category"].value_counts().rows())
    assert told["average_order_value"] == pytest.approx(rows["total_amount"].mean(), abs=0.005)
    assert told["fraud_rate"] == pytest.approx(rows["is_fraudulent"].mean())
    assert rows["event_date"].min() == date(2026, 1, 26)
    assert rows["event_date"].max() == date(2026, 2, 1)
    assert (rows["event_date"] == rows["event_timestamp"].dt.date()).all()
    answer = site.run("sql", "select count(*) as n from seed.transactions", "--json")
    assert answer.document == [{"n": 3_000}]


def test_people_are_shown_what_was_asked_for(site: Site) -> None:
    shown = site.run("seed", "transactions", *SMALL).stdout
    for expected in ("electronics", "3,000", "2026-01-26 to 2026-02-01", "average order value", "fraud rate", "rows/s"):
        assert expected in shown


def test_without_an_end_it_ends_with_yesterday(site: Site) -> None:
    today = datetime.now(UTC).date()
    seeded(site, "--rows", "500", "--days", "3")
    assert stored(site)["event_date"].max() in (today - timedelta(days=1), today)  # midnight may have passed


def test_the_same_arguments_make_the_same_rows_and_replace_them(site: Site) -> None:
    first = seeded(site, *SMALL)
    assert seeded(site, *SMALL)["content_hash"] == first["content_hash"]
    assert stored(site).height == 3_000
    assert seeded(site, *SMALL, "--seed", "1")["content_hash"] != first["content_hash"]
    assert seeded(site, "--rows", "40", "--days", "2", "--until", "2020-01-01")["rows"] == 40
    assert stored(site).height == 40


def test_the_names_of_the_specification_are_taken(
    site: Site, tmp_path: Path, connection: KafkaConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic, output = f"seed-{uuid.uuid4().hex}", tmp_path / "elsewhere"
    for name, value in {
        "TOTAL_RECORDS": "120",
        "DATE_RANGE_DAYS": "4",
        "DELTA_OUTPUT_PATH": str(output),
        "SEED_KAFKA": "true",
        "KAFKA_BATCH_TOPIC": topic,
        "KAFKA_BOOTSTRAP_SERVERS": site.bootstrap_servers,
        "NUM_CUSTOMERS": "2",
    }.items():
        monkeypatch.setenv(name, value)
    told = seeded(site, "--until", "2026-02-02")
    assert (told["table"], told["topic"], told["rows"]) == (str(output), topic, 120)
    rows = pl.read_delta(str(output))
    assert rows["event_date"].n_unique() == 4
    assert rows["customer_id"].n_unique() == 2
    assert len(records(connection, topic)) == 120


@pytest.mark.parametrize(
    ("name", "value"), [("TOTAL_RECORDS", "many"), ("DATE_RANGE_DAYS", "0"), ("SEED_KAFKA", "perhaps")]
)
def test_a_bad_value_ends_with_2_and_names_the_variable(
    site: Site, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    monkeypatch.setenv("COLUMNS", "200")
    answer = site.run("seed", "transactions")
    assert answer.status == 2
    assert name in answer.stderr


def test_an_end_inside_a_day_is_wrong_usage(site: Site) -> None:
    answer = site.run("seed", "transactions", "--rows", "5", "--until", "2026-02-01T12:00Z")
    assert answer.status == 2
    assert not (site.state / "lake").exists()


class TestKafka:
    def test_the_topic_has_the_rows_of_the_table_in_order_of_time_and_keeps_them(
        self, site: Site, connection: KafkaConnection
    ) -> None:
        topic = f"seed-{uuid.uuid4().hex}"
        create_topic(connection, topic, TopicLayout(3, 1, FOR_EVER_MS))
        seeded(site, *SMALL, "--kafka", "--topic", topic)
        found = records(connection, topic)
        values = [message.value() for message in found]
        stamps = [message.timestamp()[1] for message in found]
        rows = parse_records(contract("transactions"), topic, 0, range(len(found)), stamps, None, values).accepted
        apart = ["processing_timestamp"]  # set at ingestion
        assert_frame_equal(
            rows.select(FIELDS).drop(apart).sort("transaction_id"),
            stored(site).select(FIELDS).drop(apart).sort("transaction_id"),
        )
        assert stamps == rows["event_timestamp"].dt.epoch("ms").to_list()
        assert [text(message.key()) for message in found] == rows["transaction_id"].to_list()
        by_partition: dict[Any, list[int]] = defaultdict(list)
        for message in found:
            by_partition[message.partition()].append(message.timestamp()[1])
        assert len(by_partition) == 3
        assert all(times == sorted(times) for times in by_partition.values())

    def test_a_new_topic_keeps_records_for_ever(self, site: Site, connection: KafkaConnection) -> None:
        topic = f"seed-{uuid.uuid4().hex}"
        seeded(site, "--rows", "10", "--days", "1", "--kafka", "--topic", topic)
        assert retention_ms(connection, topic) == FOR_EVER_MS

    def test_a_topic_that_forgets_is_warned_of_or_told_to_keep(self, site: Site, connection: KafkaConnection) -> None:
        few = ("--rows", "10", "--days", "1")
        for option, kept in (("--keep-retention", 3_600_000), ("--lift-retention", FOR_EVER_MS)):
            topic = f"seed-{uuid.uuid4().hex}"
            create_topic(connection, topic, TopicLayout(1, 1, 3_600_000))
            answer: Answer = site.run("seed", "transactions", *few, "--kafka", "--topic", topic, option)
            assert answer.status == 0, answer.stderr
            assert retention_ms(connection, topic) == kept
            assert ("deletes records" in answer.stderr) == (kept != FOR_EVER_MS)

    def test_a_topic_with_records_is_refused_and_the_table_stays(self, site: Site, connection: KafkaConnection) -> None:
        topic = f"seed-{uuid.uuid4().hex}"
        first = seeded(site, *SMALL, "--kafka", "--topic", topic)
        answer = site.run("seed", "transactions", "--rows", "10", "--kafka", "--topic", topic)
        assert answer.status == 1
        assert f"topic {topic} has records already" in answer.stderr
        assert stored(site).height == first["rows"] == len(records(connection, topic))

    def test_a_cluster_that_is_away_changes_no_table(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        seeded(site, *SMALL)
        monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9")
        monkeypatch.setattr(Site, "variables", {**site.variables, "STREAMGUARD_KAFKA__REQUEST_TIMEOUT_MS": "500"})
        assert site.run("seed", "transactions", "--rows", "10", "--kafka").status == 4
        assert stored(site).height == 3_000


def test_somebody_elses_table_is_refused(site: Site, tmp_path: Path) -> None:
    pl.DataFrame({"a": [1]}).write_delta(str(tmp_path / "theirs"))
    answer = site.run("seed", "transactions", *SMALL, "--output", str(tmp_path / "theirs"))
    assert answer.status == 1
    assert "was not seeded" in answer.stderr
    assert pl.read_delta(str(tmp_path / "theirs")).height == 1


@pytest.mark.fault
def test_ctrl_c_leaves_the_table_as_it_was_and_no_file_behind(site: Site, tmp_path: Path) -> None:
    output = tmp_path / "table"
    seeded(site, *SMALL, "--output", str(output))
    before = {*output.rglob("*.parquet")}
    endless = ("--rows", "50000000", "--days", "500", "--output", str(output))
    process = subprocess.Popen(
        [sys.executable, "-m", "streamguard_assets.cli", "seed", "transactions", *endless],
        env={**os.environ, **site.variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert wait_until(lambda: len([*output.rglob("*.parquet")]) > len(before), timeout_s=90)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in err
    assert {*output.rglob("*.parquet")} == before
    assert pl.read_delta(str(output)).height == 3_000
