"""Every transform of ``analytics``, and what it is run on in the suite.

A transform is a public function of a module of ``analytics`` that gives back the kind of frame it was given
(``IntoFrameT``). ``discovered`` finds them; ``TRANSFORMS`` says how each is called. A new one without an entry here
fails ``test_transforms``.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from streamguard_assets import analytics
from streamguard_assets.analytics.realtime_dashboard import REALTIME_DASHBOARD, realtime_dashboard
from streamguard_assets.analytics.security_dashboard import security_dashboard
from streamguard_assets.analytics.sliding_windows import closed, still_open
from streamguard_assets.analytics.user_features.extraction import user_features
from streamguard_assets.analytics.user_features.lookback import window_features
from streamguard_assets.analytics.window_summary import events_per_minute, score_histogram
from streamguard_assets.bench.events import EVENT_TYPES
from streamguard_assets_tests.parity.events import (
    EVENT_FRAMES,
    PREVIOUS_WINDOW,
    START,
    WINDOW,
    anomaly_scores,
    two_windows,
)
from streamguard_assets_tests.parity.transactions import dashboard_partials, failed_transactions, odd_transactions

FRAME_KIND = "IntoFrameT"


@dataclass(frozen=True)
class Transform:
    """``call`` takes a frame of any engine; ``frames`` makes the inputs, by the name of the case."""

    call: Callable[[Any], Any]
    frames: Mapping[str, Callable[[], pl.DataFrame]]


TRANSFORMS: dict[str, Transform] = {
    "user_features.extraction.user_features": Transform(
        lambda events: user_features(events, EVENT_TYPES), EVENT_FRAMES
    ),
    "user_features.lookback.window_features": Transform(
        lambda events: window_features(events, WINDOW, [PREVIOUS_WINDOW, WINDOW], EVENT_TYPES, windows_missing=1),
        {"two_windows": two_windows},
    ),
    "realtime_dashboard.realtime_dashboard": Transform(
        realtime_dashboard, {"odd_transactions": odd_transactions, "failed_transactions": failed_transactions}
    ),
    "security_dashboard.security_dashboard": Transform(security_dashboard, EVENT_FRAMES),
    "sliding_windows.still_open": Transform(
        lambda partials: REALTIME_DASHBOARD.finish(still_open(partials, START)),
        {"dashboard_partials": dashboard_partials},
    ),
    "sliding_windows.closed": Transform(
        lambda partials: REALTIME_DASHBOARD.finish(closed(partials, START)), {"dashboard_partials": dashboard_partials}
    ),
    "window_summary.events_per_minute": Transform(events_per_minute, EVENT_FRAMES),
    "window_summary.score_histogram": Transform(score_histogram, {"anomaly_scores": anomaly_scores}),
}


def cases() -> list[tuple[str, str]]:
    """Every transform with every one of its inputs."""
    return [(name, frame) for name, transform in sorted(TRANSFORMS.items()) for frame in transform.frames]


def discovered() -> set[str]:
    """The transforms that there are, as module below ``analytics`` and function."""
    return {f"{module}.{function}" for module in _modules() for function in _transforms_of(module)}


def _modules() -> Iterator[str]:
    prefix = f"{analytics.__name__}."
    for found in pkgutil.walk_packages(analytics.__path__, prefix):
        yield found.name.removeprefix(prefix)


def _transforms_of(module_name: str) -> Iterator[str]:
    module = importlib.import_module(f"{analytics.__name__}.{module_name}")
    for name, function in inspect.getmembers(module, inspect.isfunction):
        given_back = str(inspect.signature(function).return_annotation)
        if function.__module__ == module.__name__ and not name.startswith("_") and FRAME_KIND in given_back:
            yield name
