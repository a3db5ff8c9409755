"""Memory is that of the whole process tree at its highest."""

import subprocess
import sys

import pytest

from streamguard_assets.bench.footprint import ProgramError, peak_resident_bytes

HOLD = "import time; held = bytearray(b'x' * 150_000_000); time.sleep(0.4)"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {HOLD!r}], check=True)"
MEGABYTE = 1_000_000


def test_what_a_program_holds_is_seen() -> None:
    assert 150 * MEGABYTE < peak_resident_bytes([sys.executable, "-c", HOLD]) < 400 * MEGABYTE


def test_what_its_children_hold_counts() -> None:
    assert peak_resident_bytes([sys.executable, "-c", PARENT]) > 150 * MEGABYTE


def test_a_program_that_fails_is_no_figure() -> None:
    with pytest.raises(ProgramError, match="out of luck"):
        peak_resident_bytes([sys.executable, "-c", "raise SystemExit('out of luck')"])


def test_a_program_that_does_not_end_is_ended() -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        peak_resident_bytes([sys.executable, "-c", "import time; time.sleep(60)"], timeout_s=0.5)
