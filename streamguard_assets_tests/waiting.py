"""Waiting for what other processes do, with an end."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], bool], timeout_s: float = 15.0, interval_s: float = 0.02) -> bool:
    """Whether ``condition`` came true in time; other processes give no event that could be waited for."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(interval_s)
    return True
