"""``streamguard generate`` against a real broker and into files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streamguard_assets.contracts.offsets import Boundary
from streamguard_assets.contracts.windows import Cadence
from streamguard_assets.generators.attackers import DEFAULT_ATTACKERS, KINDS
from streamguard_assets.generators.security import generate_security_day
from streamguard_assets.kafka.client import KafkaConnection
from streamguard_assets.kafka.offsets import last_stable_offsets
from streamguard_assets.kafka.retention import retention_ms
from streamguard_assets.kafka.topics import FOR_EVER_MS, HOUR_MS, list_topics
from streamguard_assets.lake.ledger import Ledger
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.settings import KafkaSettings
from streamguard_assets_tests.commands.conftest import Answer, Site
from streamguard_assets_tests.commands.topic_records import records, text
from streamguard_assets_tests.waiting import wait_until

pytestmark = [pytest.mark.broker]

START = "2026-01-28T08:00Z"
DAY = ("--start", "2026-01-28", "--duration", "86400")
FIRST_MS = 1_769_587_200_000


@pytest.fixture
def connection(kafka_settings: KafkaSettings) -> KafkaConnection:
    return KafkaConnection.from_settings(kafka_settings)


@pytest.fixture
def topic(site: Site, monkeypatch: pytest.MonkeyPatch) -> str:
    """The topic of the stream `transactions`; it does not exist yet."""
    name = f"transactions-{uuid.uuid4().hex}"
    monkeypatch.setenv("STREAMGUARD_STREAMS__TRANSACTIONS__TOPIC", name)
    return name


def done(answer: Answer) -> Any:
    assert answer.status == 0, answer.stderr
    return answer.document


def documents(file: Path) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in file.read_bytes().splitlines()]


class TestTransactions:
    def test_past_ones_have_their_id_as_key_and_their_time_as_stamp(
        self, site: Site, topic: str, connection: KafkaConnection
    ) -> None:
        told = done(site.run("generate", "transactions", "--start", START, "--count", "700", "--seed", "3", "--json"))
        found = records(connection, topic)
        events = [msgspec.json.decode(message.value() or b"") for message in found]
        assert len(found) == told["events"] == 700
        assert [text(message.key()) for message in found] == [event["transaction_id"] for event in events]
        stamps = [datetime.fromtimestamp(message.timestamp()[1] / 1000, UTC) for message in found]
        assert stamps == [datetime.fromisoformat(event["event_timestamp"]) for event in events]
        assert min(stamps) >= datetime(2026, 1, 28, 8, tzinfo=UTC)
        assert retention_ms(connection, topic) == FOR_EVER_MS
        assert told["target"] == topic
        assert {int(p): last + 1 for p, last in told["last_offsets"].items()} == {
            p: end for p, end in last_stable_offsets(connection, topic).items() if end
        }

    def test_live_ones_have_the_present_as_their_time(
        self, site: Site, topic: str, connection: KafkaConnection
    ) -> None:
        before = datetime.now(UTC).replace(microsecond=0)
        told = done(site.run("generate", "transactions", "--unthrottled", "--count", "6000", "--json"))
        assert told["events"] == 6_000
        for message in records(connection, topic):
            stamp = datetime.fromtimestamp(message.timestamp()[1] / 1000, UTC)
            assert before <= stamp <= datetime.now(UTC)
        assert retention_ms(connection, topic) == 168 * HOUR_MS

    def test_a_duration_at_a_steady_rate_is_so_many_events(self, site: Site, topic: str) -> None:
        told = done(site.run("generate", "transactions", "--rate", "60", "--steady", "--duration", "1.5", "--json"))
        assert told["events"] in (89, 90)
        assert not told["stopped"]

    def test_the_same_seed_gives_the_same_bytes_in_a_topic_and_in_a_file(
        self, site: Site, topic: str, connection: KafkaConnection, tmp_path: Path
    ) -> None:
        same = ("--start", START, "--rate", "7", "--count", "400", "--seed", "12", "--json")
        file = tmp_path / "events.ndjson"
        done(site.run("generate", "transactions", *same, "--output", str(file)))
        first = file.read_bytes()
        done(site.run("generate", "transactions", *same, "--output", str(file)))
        assert file.read_bytes() == first
        done(site.run("generate", "transactions", *same))
        assert sorted(message.value() or b"" for message in records(connection, topic)) == sorted(first.splitlines())

    def test_a_seed_that_was_drawn_is_told_and_makes_the_same_again(self, site: Site, tmp_path: Path) -> None:
        files = [tmp_path / name for name in ("one", "two", "three")]
        span = ("--start", START, "--count", "50")
        told = done(site.run("generate", "transactions", *span, "--output", str(files[0]), "--json"))
        done(site.run("generate", "transactions", *span, "--output", str(files[1]), "--json"))
        answer = site.run("generate", "transactions", *span, "--output", str(files[2]), "--seed", str(told["seed"]))
        assert answer.stdout.startswith(f"50 events to {files[2]}, of 2026-01-28 08:00:")
        assert f"--seed {told['seed']} makes the same events" in answer.stdout
        assert files[0].read_bytes() == files[2].read_bytes() != files[1].read_bytes()

    def test_a_file_follows_the_hours_of_the_day(self, site: Site, tmp_path: Path) -> None:
        file = tmp_path / "day.ndjson"
        done(site.run("generate", "transactions", *DAY, "--rate", "0.05", "--output", str(file), "--json"))
        hours = [int(event["event_timestamp"][11:13]) for event in documents(file)]
        assert abs(len(hours) - 0.05 * 86_400) <= 1
        assert hours.count(19) > 10 * hours.count(3)

    def test_events_behind_a_decided_boundary_are_warned_of(self, site: Site, topic: str) -> None:
        ledger = Ledger(LakeLocation(str(site.state / "lake")), "transactions", topic, Cadence(60))
        instant = datetime(2026, 1, 28, 9, tzinfo=UTC)
        ledger.insert(Boundary(instant, {0: 0}, "some-topic-id"), instant)
        answer = site.run("generate", "transactions", "--start", START, "--count", "1")
        assert "windows of transactions are decided up to 2026-01-28 09:00 UTC" in answer.stderr
        later = site.run("generate", "transactions", "--start", "2026-01-28T09:00Z", "--count", "1")
        assert "warning" not in later.stderr


class TestVariables:
    def test_the_names_of_the_specification_are_taken(
        self, site: Site, connection: KafkaConnection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        topic = f"named-{uuid.uuid4().hex}"
        for name, value in {
            "KAFKA_TOPIC": topic,
            "EVENTS_PER_SECOND": "100",
            "FRAUD_RATE": "1",
            "NUM_CUSTOMERS": "3",
            "NUM_PRODUCTS": "11",
            "NUM_STORES": "2",
        }.items():
            monkeypatch.setenv(name, value)
        told = done(site.run("generate", "transactions", "--start", START, "--steady", "--duration", "4", "--json"))
        assert told["events"] == 400
        events = [msgspec.json.decode(message.value() or b"") for message in records(connection, topic)]
        assert all(event["is_fraudulent"] for event in events)
        assert len({event["customer_id"] for event in events}) == 3
        assert len({event["product_id"] for event in events}) == 11
        assert len({event["store_id"] for event in events} - {None}) == 2

    def test_the_servers_of_the_variable_win_over_the_settings(
        self, site: Site, topic: str, connection: KafkaConnection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            Site, "variables", {**site.variables, "STREAMGUARD_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:9"}
        )
        monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", site.bootstrap_servers)
        done(site.run("generate", "transactions", "--start", START, "--count", "2", "--json"))
        assert len(records(connection, topic)) == 2

    def test_an_option_wins_over_its_variable(
        self, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FRAUD_RATE", "1")
        file = tmp_path / "events.ndjson"
        honest = ("--fraud-rate", "0", "--start", START, "--count", "100", "--output", str(file), "--json")
        done(site.run("generate", "transactions", *honest))
        assert not any(event["is_fraudulent"] for event in documents(file))

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("EVENTS_PER_SECOND", "fast"),
            ("FRAUD_RATE", "2"),
            ("NUM_CUSTOMERS", "0"),
            ("NUM_PRODUCTS", "9"),
            ("NUM_STORES", "many"),
        ],
    )
    def test_a_bad_value_ends_with_2_and_names_the_variable(
        self, site: Site, monkeypatch: pytest.MonkeyPatch, name: str, value: str
    ) -> None:
        monkeypatch.setenv(name, value)
        monkeypatch.setenv("COLUMNS", "200")
        answer = site.run("generate", "transactions", "--count", "1")
        assert answer.status == 2
        assert name in answer.stderr


class TestUsage:
    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            (("--output", "x.ndjson"), "a file needs an end"),
            (("--output", ".", "--count", "1"), "cannot be written"),
            (("--start", START, "--rate", "0", "--count", "1"), "--rate above 0"),
            (("--rate", "nan", "--count", "1"), "--rate"),
            (("--rate", "inf", "--count", "1"), "--rate"),
            (("--start", "yesterday", "--count", "1"), "no instant"),
            (("--count", "0"), "--count"),
            (("--seed", "-1"), "--seed"),
        ],
    )
    def test_what_cannot_be_meant_ends_with_2_and_touches_no_topic(
        self,
        site: Site,
        topic: str,
        connection: KafkaConnection,
        arguments: tuple[str, ...],
        reason: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("COLUMNS", "300")
        answer = site.run("generate", "transactions", *arguments)
        assert answer.status == 2
        assert reason in answer.stderr
        assert topic not in list_topics(connection)

    def test_an_unknown_kind_of_attacker_lists_the_known_ones(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("COLUMNS", "300")
        answer = site.run("generate", "security", "--attackers", "phishing,night_owl", "--count", "1")
        assert answer.status == 2
        assert "'phishing'; known: brute_force" in answer.stderr

    def test_a_live_company_that_would_begin_minutes_late_is_refused(self, site: Site) -> None:
        answer = site.run("generate", "security", "--rate", "2000")
        assert answer.status == 2
        assert "more than 500 events per second" in " ".join(answer.stderr.replace("│", " ").split())

    def test_a_company_of_nobody_is_refused(self, site: Site) -> None:
        assert site.run("generate", "security", "--attackers", "none", "--users", "0", "--count", "1").status == 2


class TestSecurity:
    def test_a_day_in_a_file_is_the_generated_day_with_its_truth_beside_it(self, site: Site, tmp_path: Path) -> None:
        file = tmp_path / "day.ndjson"
        company = ("--seed", "7", "--users", "6")
        told = done(site.run("generate", "security", *DAY, *company, "--output", str(file), "--json"))
        day = generate_security_day(7, datetime(2026, 1, 28, tzinfo=UTC), users=6)
        assert file.read_bytes().splitlines() == [event.value for event in day.events]
        truth = json.loads((tmp_path / "day.ndjson.truth.json").read_text())
        assert truth["attackers"] == told["attackers"] == day.truth
        assert sorted(day.truth.values()) == sorted(DEFAULT_ATTACKERS)
        assert (truth["seed"], truth["users"], truth["events"]) == (7, 6, len(day.events))

    def test_every_kind_can_be_planted_and_none(self, site: Site, tmp_path: Path) -> None:
        for asked, planted in (("all", sorted(KINDS)), ("none", [])):
            file = tmp_path / asked
            company = ("--users", "2", "--seed", "1", "--attackers", asked)
            told = done(site.run("generate", "security", *DAY, *company, "--output", str(file), "--json"))
            assert sorted(told["attackers"].values()) == planted

    def test_only_attacks_that_were_sent_are_true(self, site: Site, tmp_path: Path) -> None:
        company = ("--seed", "8", "--users", "5", "--attackers", "night_owl", "--output", str(tmp_path / "f"), "--json")
        for hour, kinds in ((12, []), (1, ["night_owl"])):
            start = f"2026-01-28T{hour:02}:00Z"
            told = done(site.run("generate", "security", "--start", start, "--duration", "14400", *company))
            assert list(told["attackers"].values()) == kinds

    def test_in_a_topic_users_are_keys_and_the_truth_goes_where_it_is_told_to(
        self, site: Site, connection: KafkaConnection, tmp_path: Path
    ) -> None:
        truth = tmp_path / "truth.json"
        company = ("--seed", "2", "--users", "3", "--truth", str(truth))
        answer = site.run("generate", "security", "--start", "2026-01-28", "--count", "900", *company)
        assert answer.status == 0, answer.stderr
        found = records(connection, site.topic)
        assert len(found) == 900
        for message in found:
            event = msgspec.json.decode(message.value() or b"")
            assert (text(message.key()), message.timestamp()[1]) == (event["user"], event["timestamp"])
        for user, kind in json.loads(truth.read_text())["attackers"].items():
            assert f"{user} ({kind})" in answer.stdout

    def test_a_rate_makes_the_company_busier(self, site: Site, tmp_path: Path) -> None:
        company = ("--seed", "5", "--users", "10", "--rate", "0.3", "--output", str(tmp_path / "f"), "--json")
        told = done(site.run("generate", "security", *DAY, *company))
        assert told["events"] / 86_400 == pytest.approx(0.3, rel=0.15)


@pytest.mark.fault
@pytest.mark.parametrize("command", ["transactions", "security"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_signal_delivers_what_was_taken_and_ends_with_0(
    site: Site, topic: str, connection: KafkaConnection, command: str, number: int
) -> None:
    wanted = topic if command == "transactions" else site.topic
    pace = ("--rate", "400", "--steady") if command == "transactions" else ("--users", "5", "--rate", "5")
    process = subprocess.Popen(
        [sys.executable, "-m", "streamguard_assets.cli", "generate", command, *pace, "--json"],
        env={**os.environ, **site.variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert wait_until(lambda: _some_records(connection, wanted), timeout_s=90)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0, err
    assert "Traceback" not in err
    told = json.loads(out)
    assert told["stopped"]
    assert told["events"] == sum(last_stable_offsets(connection, wanted).values()) > 0


def _some_records(connection: KafkaConnection, topic: str) -> bool:
    return topic in list_topics(connection) and sum(last_stable_offsets(connection, topic).values()) > 0


def test_a_run_that_crosses_an_hour_changes_its_pace(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson"
    start = datetime(2026, 1, 28, 7, 59, tzinfo=UTC)
    span = ("--start", start.isoformat(), "--duration", "120", "--rate", "10", "--output", str(file), "--json")
    done(site.run("generate", "transactions", *span))
    times = [datetime.fromisoformat(event["event_timestamp"]) for event in documents(file)]
    assert times == sorted(times)
    before = sum(time < start + timedelta(minutes=1) for time in times)
    assert (len(times) - before) / before == pytest.approx(0.9 / 0.5, rel=0.05)
