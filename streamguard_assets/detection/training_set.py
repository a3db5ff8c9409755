"""Which windows a model is fitted on."""

from __future__ import annotations

from collections.abc import Collection

from streamguard_assets.contracts.windows import Cadence, window_start


def training_windows(
    window: str,
    available: Collection[str],
    cadence: Cadence,
    *,
    most: int,
    least: int,
    first_window: str | None = None,
    lookback_windows: int = 1,
) -> list[str]:
    """Windows whose features the model as of ``window`` is fitted on, oldest first.

    The training lookback is the ``most`` windows that end with ``window`` itself; those of it that are
    ``available`` (their features exist) are taken. While they are fewer than ``least`` the answer is ``[window]``:
    the model is fitted on the rows that it scores. Windows less than ``lookback_windows`` after ``first_window``,
    where the stream begins, are passed over: their features see a shorter history, and next to half-filled users
    every full one would look odd.
    Raises ``ValueError`` if ``window`` itself is not available.
    """
    if window not in available:
        raise ValueError(f"window {window} has no features yet; materialize user_features of it first")
    full_from = None if first_window is None else window_start(first_window) + (lookback_windows - 1) * cadence.length
    found = [
        key
        for key in cadence.lookback(window, most)
        if key in available and (full_from is None or window_start(key) >= full_from)
    ]
    return found if len(found) >= least else [window]
