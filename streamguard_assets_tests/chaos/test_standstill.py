"""A process that is made to stand still does nothing meanwhile, and goes on afterwards."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from streamguard_assets.chaos.standstill import standing_still

ECHO = "import sys\nfor line in sys.stdin: print(line, end='', flush=True)"


@pytest.fixture
def echo() -> Iterator[subprocess.Popen[str]]:
    """A process that says what it is told."""
    with subprocess.Popen(
        [sys.executable, "-c", ECHO], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        yield child
        child.kill()


def answer(echo: subprocess.Popen[str]) -> str:
    assert echo.stdin is not None
    assert echo.stdout is not None
    print("there", file=echo.stdin, flush=True)
    return echo.stdout.readline().strip()


def test_it_stands_still_in_the_block_and_goes_on_after_it(echo: subprocess.Popen[str]) -> None:
    process = psutil.Process(echo.pid)

    with standing_still([process]):
        assert process.status() == psutil.STATUS_STOPPED

    assert answer(echo) == "there"


def test_it_goes_on_also_after_a_failure(echo: subprocess.Popen[str]) -> None:
    with pytest.raises(RuntimeError), standing_still([psutil.Process(echo.pid)]):
        raise RuntimeError

    assert answer(echo) == "there"


def test_one_that_ends_meanwhile_is_passed_over(echo: subprocess.Popen[str]) -> None:
    process = psutil.Process(echo.pid)

    with standing_still([process]):
        echo.kill()
        echo.wait()

    with standing_still([process]):
        assert not process.is_running()
