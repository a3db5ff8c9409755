"""The stream as tests run it: in a thread of this process, with handles to wait for what it does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from streamguard_assets.lake.live.table import LiveTable
from streamguard_assets.streaming.control import Control
from streamguard_assets.streaming.embedded.engine import run_stream
from streamguard_assets.streaming.live_tables import live_events, live_quarantine
from streamguard_assets.streaming.progress import Progress, StreamSnapshot
from streamguard_assets.streaming.steps import OnStep, nothing
from streamguard_assets_tests.waiting import wait_until
from streamguard_assets_tests.windows.rig import Rig, opened

TIMEOUT_S = 60.0


def utc_now() -> datetime:
    return datetime.now(UTC)


class Running:
    """A stream that runs until the block ends; what it raised is in ``failure``."""

    def __init__(self, rig: Rig, owner: str = "the test", on_step: OnStep = nothing) -> None:
        self.stream = opened(rig.settings)
        self.control = Control()
        self.progress = Progress(self.stream.name, owner, utc_now)
        self.failure: BaseException | None = None
        self._owner = owner
        self._on_step = on_step
        self._thread = threading.Thread(target=self._run, name=f"stream of {owner}")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        self.control.stop("the test is over")
        self._thread.join(TIMEOUT_S)
        assert not self._thread.is_alive(), "the stream does not end"

    def until(self, condition: Callable[[StreamSnapshot], bool]) -> StreamSnapshot:
        """Wait until what the stream tells of itself is so."""
        came = wait_until(lambda: condition(self.progress.snapshot()) or self.failure is not None, TIMEOUT_S)
        seen = self.progress.snapshot()
        assert came, seen
        if self.failure is not None and not condition(seen):
            raise AssertionError(f"the stream has ended: {seen}") from self.failure
        return seen

    def until_committed(self, **positions: int) -> StreamSnapshot:
        """Wait until ``live/events`` has come to ``p0=…, p1=…``."""
        wanted = {int(name[1:]): offset for name, offset in positions.items()}
        return self.until(lambda seen: all(seen.positions.get(p, -1) >= offset for p, offset in wanted.items()))

    def until_ended(self) -> BaseException | None:
        """Wait until it has ended by itself; what it raised."""
        self._thread.join(TIMEOUT_S)
        assert not self._thread.is_alive(), self.progress.snapshot()
        return self.failure

    def _run(self) -> None:
        try:
            run_stream(self.stream, self._owner, self.control, self.progress, now=utc_now, on_step=self._on_step)
        except BaseException as failure:  # noqa: BLE001 - handed to the test, which looks at it
            self.failure = failure


def live_rows(rig: Rig) -> list[tuple[int, int]]:
    """Partition and offset of every live event."""
    return _places(live_events(opened(rig.settings)))


def live_rejects(rig: Rig) -> list[tuple[int, int]]:
    """Partition and offset of every rejected live record."""
    return _places(live_quarantine(opened(rig.settings)))


def _places(table: LiveTable) -> list[tuple[int, int]]:
    rows = table.scan(empty_if_missing=True).select("kafka_partition", "kafka_offset").collect()
    return sorted(rows.iter_rows())


@contextmanager
def away(table: Path) -> Iterator[None]:
    """A file in the place of the folder for the block: nobody can write below it, root neither."""
    aside = table.rename(table.with_name("aside"))
    table.touch()
    yield
    table.unlink()
    aside.rename(table)
