"""Errors that a person can act on end a command with a text and a telling status; defects keep their traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamguard_assets.commands.exit_codes import CommandError, ExitCode, exit_code_of, exit_on_error
from streamguard_assets.kafka.broker.errors import BrokerError
from streamguard_assets.kafka.errors import KafkaMisconfigured, KafkaUnavailable, RetentionGap, UnknownTopic
from streamguard_assets.lake.files import FileStore
from streamguard_assets.settings import SettingsError


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (CommandError("none found"), 1),
        (CommandError("two formats", ExitCode.USAGE), 2),
        (SettingsError("broker.port: too large"), 3),
        (KafkaMisconfigured("no such option"), 3),
        (KafkaUnavailable("host:9092", "listing topics", "timed out"), 4),
        (BrokerError("no broker is running"), 4),
        (UnknownTopic("security-events"), 1),
        (RetentionGap("security-events", 0, 5, 9), 1),
    ],
)
def test_the_status_and_text_of_an_expected_error(
    capsys: pytest.CaptureFixture[str], error: Exception, status: int
) -> None:
    with pytest.raises(SystemExit) as end, exit_on_error():
        raise error
    assert end.value.code == status
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", f"error: {error}\n")


@pytest.mark.parametrize("defect", [ValueError("x"), KeyError("y"), AssertionError(), OSError()])
def test_a_defect_passes_through(defect: Exception) -> None:
    assert exit_code_of(defect) is None
    with pytest.raises(type(defect)), exit_on_error():
        raise defect


def test_a_lake_that_does_not_answer_is_told_in_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(SystemExit) as end, exit_on_error():
        FileStore(str(tmp_path), {}).read_bytes("a")
    assert end.value.code == ExitCode.FAILED
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        f"error: the lake does not answer: IsADirectoryError: [Errno 21] Is a directory: '{tmp_path / 'a'}'\n"
    )


def test_statuses_are_what_the_help_says() -> None:
    assert {code.name: int(code) for code in ExitCode} == {
        "OK": 0,
        "FAILED": 1,
        "USAGE": 2,
        "SETTINGS": 3,
        "KAFKA_UNAVAILABLE": 4,
    }
