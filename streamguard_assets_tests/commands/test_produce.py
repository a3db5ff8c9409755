"""`streamguard produce` against a real broker: what is in the topic afterwards, and what the person is told."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer
from confluent_kafka import Consumer, Message, TopicPartition
from typer.testing import CliRunner

from streamguard_assets.commands.exit_codes import CommandError
from streamguard_assets.commands.produce import produce
from streamguard_assets.contracts.offsets import Boundary
from streamguard_assets.contracts.windows import Cadence
from streamguard_assets.kafka.broker.files import BrokerFiles
from streamguard_assets.kafka.broker.info import BrokerInfo, write_broker_info
from streamguard_assets.kafka.client import KafkaConnection
from streamguard_assets.kafka.errors import KafkaUnavailable, UnknownTopic
from streamguard_assets.kafka.retention import retention_ms
from streamguard_assets.kafka.topics import FOR_EVER_MS, list_topics, topic_identity
from streamguard_assets.lake.ledger import Ledger
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.settings import KafkaSettings, SettingsError

pytestmark = [pytest.mark.broker]

DATA = Path(__file__).parent.parent / "data"
HOUR_MS = 3_600_000


@dataclass(frozen=True)
class Result:
    stdout: str
    stderr: str
    status: int

    @property
    def document(self) -> dict:
        return json.loads(self.stdout)


def run(*arguments: str, stdin: bytes | None = None) -> Result:
    app = typer.Typer()
    app.command()(produce)
    result = CliRunner().invoke(app, list(arguments), input=stdin, catch_exceptions=False)
    return Result(result.stdout, result.stderr, result.exit_code)


@pytest.fixture
def connection(kafka_settings: KafkaSettings) -> KafkaConnection:
    return KafkaConnection.from_settings(kafka_settings)


@pytest.fixture
def topic(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, broker: BrokerInfo) -> str:
    """The topic of the stream `security` in the environment of the command; it does not exist yet."""
    name = f"produce-{uuid.uuid4().hex}"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STREAMGUARD_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("STREAMGUARD_KAFKA__BOOTSTRAP_SERVERS", broker.bootstrap_servers)
    monkeypatch.setenv("STREAMGUARD_KAFKA__TOPIC_PARTITIONS", "3")
    monkeypatch.setenv("STREAMGUARD_STREAMS__SECURITY__TOPIC", name)
    return name


@pytest.fixture
def events(tmp_path: Path) -> Callable[..., str]:
    def write(*lines: bytes) -> str:
        file = tmp_path / "events.ndjson"
        file.write_bytes(b"\n".join(lines) + b"\n")
        return str(file)

    return write


def event(n: int, at: datetime, user: str = "ada") -> bytes:
    stamp_ms = int(at.timestamp() * 1000)
    return json.dumps({"event_id": str(n), "timestamp": stamp_ms, "event_type": "dns_query", "user": user}).encode()


def records(broker: BrokerInfo, topic: str, count: int) -> list[Message]:
    """``count`` records of the topic, from the beginning of every partition."""
    consumer = Consumer(
        {"bootstrap.servers": broker.bootstrap_servers, "group.id": "test", "enable.auto.commit": False}
    )
    connection = KafkaConnection({"bootstrap.servers": broker.bootstrap_servers})
    consumer.assign([TopicPartition(topic, p, 0) for p in topic_identity(connection, topic).partitions])
    try:
        found = consumer.consume(count, timeout=20)
        assert consumer.consume(1, timeout=0.2) == []
        return found
    finally:
        consumer.close()


NOW = datetime.now(UTC)
PAST = datetime(2014, 11, 30, 8, tzinfo=UTC)


def test_real_logins_arrive_whole_with_their_own_times(topic: str, broker: BrokerInfo) -> None:
    file = DATA / "secrepo_auth.ndjson"
    lines = file.read_bytes().splitlines()
    result = run(str(file), "--stream", "security", "--timestamps", "event")
    assert result.status == 0
    assert f"produced {len(lines):,} events to {topic}, of 2014-11-30" in result.stdout
    assert "warning" not in result.stderr
    found = records(broker, topic, len(lines))
    assert sorted(message.value() for message in found) == sorted(lines)  # pyright: ignore
    assert all(m.timestamp()[1] == json.loads(m.value())["timestamp"] for m in found)  # pyright: ignore
    assert all(m.key() == json.loads(m.value())["user"].encode() for m in found)  # pyright: ignore


def test_stamps_are_of_the_present_unless_asked_otherwise(
    topic: str, broker: BrokerInfo, events: Callable[..., str]
) -> None:
    before_ms = datetime.now(UTC).timestamp() * 1000
    assert run(events(event(1, PAST)), "--stream", "security").status == 0
    (message,) = records(broker, topic, 1)
    assert message.timestamp()[1] >= before_ms - 1


def test_bad_lines_are_sent_as_they_are_and_those_without_time_are_counted(
    topic: str, broker: BrokerInfo, events: Callable[..., str]
) -> None:
    bad = [b"not json", b'{"user": 7}', b"\xff\xfe"]
    result = run(events(event(1, PAST), b"", *bad), "--stream", "security", "--timestamps", "event", "--json")
    assert result.status == 0
    assert "warning: 3 lines have no readable `timestamp`" in result.stderr
    document = result.document
    assert (document["produced"], document["without_time"], document["blank_lines"]) == (4, 3, 1)
    assert document["earliest"] == document["latest"] == "2014-11-30T08:00:00Z"
    assert {m.value() for m in records(broker, topic, 4)} == {event(1, PAST), *bad}


def test_standard_input_is_read(topic: str, broker: BrokerInfo) -> None:
    result = run("-", "--stream", "security", "--json", stdin=event(1, NOW) + b"\n" + event(2, NOW) + b"\n")
    assert result.document["produced"] == 2
    assert len(records(broker, topic, 2)) == 2


def test_a_rate_is_kept(topic: str, events: Callable[..., str]) -> None:
    result = run(events(*(event(n, NOW) for n in range(20))), "--stream", "security", "--rate", "40", "--json")
    assert 0.45 <= result.document["seconds"] < 5


class TestTopic:
    def test_it_is_created_to_keep_history_for_ever(
        self, topic: str, connection: KafkaConnection, events: Callable[..., str]
    ) -> None:
        result = run(events(event(1, PAST)), "--stream", "security", "--timestamps", "event")
        assert f"created topic {topic}" in result.stderr
        assert retention_ms(connection, topic) == FOR_EVER_MS

    def test_it_is_created_with_the_retention_of_the_settings_for_the_present(
        self, topic: str, connection: KafkaConnection, events: Callable[..., str]
    ) -> None:
        run(events(event(1, NOW)), "--stream", "security")
        assert retention_ms(connection, topic) == 168 * HOUR_MS

    def test_it_is_not_created_when_told_so(
        self, topic: str, connection: KafkaConnection, events: Callable[..., str]
    ) -> None:
        with pytest.raises(UnknownTopic, match=topic):
            run(events(event(1, NOW)), "--stream", "security", "--no-create-topic")
        assert topic not in list_topics(connection)

    def test_one_that_forgets_is_left_alone_on_your_cluster_with_a_warning(
        self, topic: str, connection: KafkaConnection, events: Callable[..., str]
    ) -> None:
        run(events(event(1, NOW)), "--stream", "security")
        result = run(events(event(2, NOW)), "--stream", "security", "--timestamps", "event")
        assert f"warning: topic {topic} deletes records that are older than 168 h" in result.stderr
        assert "--lift-retention" in result.stderr
        assert retention_ms(connection, topic) == 168 * HOUR_MS

    def test_one_that_forgets_keeps_everything_when_told_so(
        self, topic: str, connection: KafkaConnection, events: Callable[..., str]
    ) -> None:
        run(events(event(1, NOW)), "--stream", "security")
        result = run(events(event(2, PAST)), "--stream", "security", "--timestamps", "event", "--lift-retention")
        assert f"topic {topic} now keeps records for ever (retention.ms was {168 * HOUR_MS})" in result.stderr
        assert "warning" not in result.stderr
        assert retention_ms(connection, topic) == FOR_EVER_MS

    def test_one_that_forgets_on_the_local_broker_keeps_everything(
        self,
        topic: str,
        broker: BrokerInfo,
        connection: KafkaConnection,
        events: Callable[..., str],
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
    ) -> None:
        monkeypatch.delenv("STREAMGUARD_KAFKA__BOOTSTRAP_SERVERS")
        monkeypatch.delenv("STREAMGUARD_KAFKA__TOPIC_PARTITIONS")
        BrokerFiles(tmp_path / "state").info.parent.mkdir(parents=True)
        write_broker_info(tmp_path / "state", broker)
        run(events(event(1, NOW)), "--stream", "security")
        assert retention_ms(connection, topic) == 168 * HOUR_MS
        result = run(events(event(2, PAST)), "--stream", "security", "--timestamps", "event")
        assert f"topic {topic} now keeps records for ever" in result.stderr
        assert retention_ms(connection, topic) == FOR_EVER_MS


class TestDecidedBoundary:
    def decide(self, tmp_path: Path, topic: str, instant: datetime) -> None:
        ledger = Ledger(LakeLocation(str(tmp_path / "state" / "lake")), "security", topic, Cadence(60))
        ledger.insert(Boundary(instant, {0: 0, 1: 0, 2: 0}, "some-topic-id"), instant)

    def test_stamps_before_it_are_counted_and_explained(
        self, topic: str, tmp_path: Path, events: Callable[..., str]
    ) -> None:
        boundary = PAST.replace(hour=9)
        self.decide(tmp_path, topic, boundary)
        lines = [event(1, boundary - timedelta(milliseconds=1)), event(2, boundary), event(3, PAST)]
        result = run(events(*lines), "--stream", "security", "--timestamps", "event", "--json")
        assert result.document["behind_boundary"] == 2
        assert "2 events are stamped before 2014-11-30 09:00 UTC" in result.stderr

    def test_stamps_after_it_need_no_warning(self, topic: str, tmp_path: Path, events: Callable[..., str]) -> None:
        self.decide(tmp_path, topic, PAST.replace(hour=7))
        result = run(events(event(1, PAST)), "--stream", "security", "--timestamps", "event")
        assert "warning" not in result.stderr


class TestEnds:
    def test_nothing_to_send_is_a_failure(self, topic: str, events: Callable[..., str]) -> None:
        with pytest.raises(CommandError, match="holds no events"):
            run(events(b"", b""), "--stream", "security")

    @pytest.mark.parametrize(
        "arguments",
        [
            ["missing.ndjson", "--stream", "security"],
            [".", "--stream", "security"],
            ["-"],
            ["-", "--stream", "security", "--rate", "0"],
            ["-", "--stream", "security", "--timestamps", "yesterday"],
        ],
    )
    def test_wrong_usage_ends_with_2_and_touches_no_topic(
        self, topic: str, connection: KafkaConnection, arguments: list[str]
    ) -> None:
        assert run(*arguments, stdin=b"").status == 2
        assert topic not in list_topics(connection)

    def test_an_unknown_stream_is_a_settings_error(self, topic: str) -> None:
        with pytest.raises(SettingsError, match="configured streams: security"):
            run("-", "--stream", "sekurity", stdin=b"")

    def test_a_cluster_that_is_away_is_kafka_unavailable(
        self, topic: str, monkeypatch: pytest.MonkeyPatch, events: Callable[..., str]
    ) -> None:
        monkeypatch.setenv("STREAMGUARD_KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:9")
        monkeypatch.setenv("STREAMGUARD_KAFKA__REQUEST_TIMEOUT_MS", "500")
        with pytest.raises(KafkaUnavailable):
            run(events(event(1, NOW)), "--stream", "security")

    def test_the_help_teaches_with_examples_and_statuses(self) -> None:
        text = run("--help").stdout
        assert "produce history.ndjson --stream security --timestamps event" in text
        assert "4 if Kafka is not available" in " ".join(text.split())
