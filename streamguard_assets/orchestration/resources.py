"""What asset bodies are handed: the configured streams, the clock and the place that hears of progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from streamguard_assets.orchestration.storage import lake_location
from streamguard_assets.settings import Settings
from streamguard_assets.windows.stream import Stream, open_stream

Progress = Callable[[str, str], None]
"""Called with (asset, window) whenever a window of an asset is in the lake."""


def system_clock() -> datetime:
    """Now, UTC. The only clock of a run; everything below takes the time as an argument."""
    return datetime.now(UTC)


def no_progress(asset: str, window: str) -> None:
    """Nobody watches this run's progress."""


@dataclass
class Streams:
    """Every configured stream, opened once per process; a test swaps the clock and listens to the progress."""

    settings: Settings
    now: Callable[[], datetime] = system_clock
    progress: Progress = no_progress
    _opened: dict[str, Stream] = field(default_factory=dict)

    def open(self, name: str) -> Stream:
        """The stream ``name``; its tables stay open, so that a later call reads only newer versions of their logs.

        Raises:
            SettingsError: no such stream, or the lake's options are wrong.
        """
        if name not in self._opened:
            self._opened[name] = open_stream(self.settings, name, lake_location(self.settings))
        return self._opened[name]
