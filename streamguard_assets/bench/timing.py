"""The clock of the bench."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable


def seconds(action: Callable[[], object]) -> float:
    """How long ``action`` takes. Garbage of what ran before is collected first, so that it is not charged to it."""
    gc.collect()
    began = time.perf_counter()
    action()
    return time.perf_counter() - began
