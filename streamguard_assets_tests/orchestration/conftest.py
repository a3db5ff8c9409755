"""Sites to orchestrate: a topic, a lake and an instance of their own for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance

from streamguard_assets_tests.conftest import SettingsFactory, TopicFactory
from streamguard_assets_tests.lake.conftest import s3_options as s3_options
from streamguard_assets_tests.orchestration.site import HOUR, STREAM, Clock, Site, this_hour

GRACE = timedelta(minutes=2)
"""Past the hour by enough for its boundary to be decided."""

SiteFactory = Callable[..., Site]


@pytest.fixture
def site(settings: SettingsFactory, fresh_topic: TopicFactory, tmp_path: Path) -> Iterator[SiteFactory]:
    """``site(hours=5, durable=False, stream={...}, …)``: a stream that began ``hours`` before this hour.

    ``durable`` keeps runs and events in SQLite, as the real instance does; else in memory, which is ten times faster.
    """
    with ExitStack() as stack:

        def make(hours: int = 5, *, durable: bool = False, stream: dict[str, Any] | None = None, **more: Any) -> Site:
            begin = this_hour() - hours * HOUR
            config = {"topic": fresh_topic(2), "start": begin.isoformat(), **(stream or {})}
            made = settings(streams={STREAM: config}, **more)
            folder = tmp_path / "dagster"
            folder.mkdir()
            instance = DagsterInstance.local_temp(str(folder)) if durable else DagsterInstance.ephemeral()
            return Site(made, stack.enter_context(instance), begin, Clock(this_hour() + GRACE))

        yield make
