"""A model learns from the past as soon as there is enough of it."""

from __future__ import annotations

import pytest

from streamguard_assets.contracts.windows import Cadence
from streamguard_assets.detection.training_set import training_windows

HOURLY = Cadence(60)
NOW = "2026-01-14-12:00"
PAST = HOURLY.lookback(NOW, 200)


def chosen(available: list[str], window: str = NOW, **options) -> list[str]:
    return training_windows(window, available, HOURLY, **{"most": 168, "least": 24, **options})


def test_until_there_is_enough_the_scored_window_itself_is_fitted_on() -> None:
    assert chosen(PAST[-23:]) == [NOW]


def test_from_then_on_the_training_lookback_is() -> None:
    assert chosen(PAST[-24:]) == PAST[-24:]


def test_the_lookback_ends_with_the_window_and_is_not_longer_than_asked() -> None:
    assert chosen(PAST) == PAST[-168:]


def test_windows_without_features_are_passed_over() -> None:
    available = [*PAST[-40::2], NOW]

    assert chosen(available, least=20) == sorted(set(available))


def test_later_windows_are_not_learnt_from() -> None:
    assert chosen([*PAST[-24:], "2026-01-14-13:00"]) == PAST[-24:]


def test_windows_whose_own_lookback_reaches_before_the_stream_are_passed_over() -> None:
    first = PAST[-48]

    assert chosen(PAST[-48:], first_window=first, lookback_windows=24) == PAST[-25:]
    assert chosen(PAST[-46:], first_window=PAST[-46], lookback_windows=24) == [NOW]


def test_a_window_without_features_has_no_model() -> None:
    with pytest.raises(ValueError, match="window 2026-01-14-12:00 has no features yet"):
        chosen(PAST[:-1])
