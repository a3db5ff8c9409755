"""The features of one window: its users over the lookback of windows that ends with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals as nw
from narwhals.typing import IntoFrameT

from streamguard_assets.analytics.user_features.definition_hash import feature_hash
from streamguard_assets.analytics.user_features.extraction import user_features


def window_features(
    events: IntoFrameT,
    window: str,
    lookback: Sequence[str],
    known_event_types: Sequence[str],
    *,
    windows_missing: int = 0,
) -> IntoFrameT:
    """The rows of the table ``user_features`` for ``window``: every user seen in its lookback, sorted by user.

    ``events`` may hold more windows than that, as a run over many windows loads them once; only those of
    ``lookback`` count (``Cadence.lookback(window, n)``, which ends with the window itself).
    ``windows_missing`` is how many of them the lake lacks; the caller knows, since a window without events is
    empty and not missing. Columns: window, user, the features, windows_missing (Int32), feature_hash.
    Raises ``ValueError`` if the lookback does not end with the window.
    """
    if not lookback or lookback[-1] != window:
        raise ValueError(f"the lookback of window {window} must end with it; it was given {list(lookback)[-3:]}")
    if not 0 <= windows_missing <= len(lookback):
        raise ValueError(f"window {window}: {windows_missing} of {len(lookback)} windows cannot be missing")
    frame: Any = nw.from_native(events)
    seen = frame.filter(nw.col("window").is_in(list(lookback)))
    made: Any = nw.from_native(user_features(seen.to_native(), known_event_types))
    return made.select(
        nw.lit(window).alias("window"),
        nw.all(),
        nw.lit(windows_missing).cast(nw.Int32).alias("windows_missing"),
        nw.lit(feature_hash(known_event_types)).alias("feature_hash"),
    ).to_native()
