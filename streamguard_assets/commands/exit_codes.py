"""What the exit status of a command says, and which error ends a command with which status."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

from streamguard_assets.commands.output import print_error


class ExitCode(IntEnum):
    """The exit status of every `streamguard` command."""

    OK = 0
    """Done as asked."""
    FAILED = 1
    """The answer is no: a check failed, nothing was found, the work could not be done."""
    USAGE = 2
    """The command was written wrongly."""
    SETTINGS = 3
    """A setting is missing, wrong or unknown."""
    KAFKA_UNAVAILABLE = 4
    """The cluster does not answer, or the local broker does not run."""


EXIT_CODES_HELP = (
    "Exit status: 0 done · 1 failed, or nothing found · 2 wrong usage · 3 wrong settings · 4 Kafka unavailable"
)
"""For the foot of the help of the whole program."""


NO_ANSWER = "the lake does not answer"
"""How the error of a command begins when a table or a file of the lake cannot be read or written."""


class CommandError(Exception):
    """An expected end of a command: a text for the person and a status for the script."""

    def __init__(self, text: str, code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(text, code)
        self.text = text
        self.code = code

    def __str__(self) -> str:
        return self.text


def exit_code_of(error: BaseException) -> ExitCode | None:
    """The status for an error that a person can act on; None for a defect, which deserves its traceback.

    The errors that this package defines are written for people; those of libraries and of Python are not.
    """
    # Imported here: `streamguard --help` fails at nothing, and need not wait for what can.
    from streamguard_assets.kafka.broker.errors import BrokerError
    from streamguard_assets.kafka.errors import KafkaMisconfigured, KafkaUnavailable
    from streamguard_assets.settings import SettingsError

    match error:
        case CommandError():
            return error.code
        case SettingsError() | KafkaMisconfigured():
            return ExitCode.SETTINGS
        case KafkaUnavailable() | BrokerError():
            return ExitCode.KAFKA_UNAVAILABLE
    is_ours = type(error).__module__.partition(".")[0] == __name__.partition(".")[0]
    return ExitCode.FAILED if is_ours else None


def _fault_of_the_lake(error: Exception) -> str | None:
    # Every `--help` ends here, with an exception of the command line: it must not wait for the lake's libraries.
    if "deltalake" not in sys.modules:
        return None
    from streamguard_assets.streaming.supervision.lake_fault import lake_fault

    return lake_fault(error)


@contextmanager
def exit_on_error() -> Iterator[None]:
    """Turn expected errors into a text on stderr and the exit status they stand for; defects pass through.

    A lake that does not answer is expected too, though it is libraries and the system who say so.
    """
    try:
        yield
    except Exception as error:
        code, text = exit_code_of(error), str(error)
        if code is None:
            fault = _fault_of_the_lake(error)
            if fault is None:
                raise
            code, text = ExitCode.FAILED, f"{NO_ANSWER}: {fault}"
        print_error(text)
        raise SystemExit(int(code)) from error
