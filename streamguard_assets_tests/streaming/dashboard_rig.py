"""A stream of security events whose live rows are written straight into the lake, and its dashboard beside them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from streamguard_assets.analytics.security_dashboard import SECURITY_DASHBOARD, security_dashboard
from streamguard_assets.lake.live.state import LiveState
from streamguard_assets.lake.live.table import LIVE_DATE, LiveTable
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.lake.schema import polars_schema
from streamguard_assets.settings import Settings
from streamguard_assets.streaming.dashboard.live import LiveDashboard
from streamguard_assets.streaming.dashboard.record import DashboardRecord, Ranges
from streamguard_assets.streaming.dashboard.replay import dashboard_history, recomputed, told_rows
from streamguard_assets.streaming.live_tables import live_dashboard, live_events
from streamguard_assets.windows.stream import open_stream

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NOW = datetime(2026, 2, 1, 9, tzinfo=UTC)
TOPIC_ID = "topic-1"

Event = dict[str, Any]


def at(minute: float, **fields: Any) -> Event:
    """An event so many minutes after noon, by its own clock and by Kafka's."""
    when = NOON + minute * MINUTE
    return {
        "kafka_timestamp": when,
        "timestamp": when,
        "event_type": "auth_attempt",
        "user": "ada",
        "status": "failed",
        "threat_score": 0.5,
        **fields,
    }


@dataclass
class DashboardRig:
    """``landed`` is every event that ``live/events`` has, with its place in Kafka."""

    settings: Settings
    topic_id: str = TOPIC_ID
    landed: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stream = open_stream(self.settings, "security", LakeLocation(self.settings.lake_uri))
        self.events = live_events(self.stream)
        self.epoch = 0

    @property
    def table(self) -> LiveTable:
        """The dashboard's table, as another process opens it."""
        found = live_dashboard(self.stream)
        assert found is not None
        return found

    @property
    def record(self) -> DashboardRecord:
        """What the newest commit says."""
        state = self.table.state()
        assert state is not None
        found = DashboardRecord.from_details(state.details)
        assert found is not None
        return found

    def own(self, owner: str = "one") -> LiveDashboard:
        """A process takes the stream over and opens the dashboard; it has not caught up yet."""
        self.epoch = self.events.take_over(owner, self.stream.topic, self.topic_id, {0: 0, 1: 0}).epoch
        return self.open(owner)

    def open(self, owner: str = "one") -> LiveDashboard:
        """The same process opens the dashboard once more."""
        found = LiveDashboard.open(self.stream, self.events, owner, self.topic_id, epoch=self.epoch)
        assert found is not None
        return found

    def restarted(self, owner: str = "one", now: datetime = NOW) -> LiveDashboard:
        """Another process goes on: it takes over and catches up."""
        dashboard = self.own(owner)
        self.catch_up(dashboard, now)
        return dashboard

    def catch_up(self, dashboard: LiveDashboard, now: datetime = NOW) -> None:
        snapshot = self.events.snapshot()
        assert snapshot is not None
        dashboard.catch_up(snapshot, now)

    def land(self, *events: Event, partition: int = 0, rejected: int = 0) -> tuple[pl.DataFrame, Ranges]:
        """Commit events to ``live/events``; after them come so many offsets without one."""
        state = self.events.state()
        assert state is not None
        begin = state.positions.get(partition, 0)
        rows = [
            {**event, "kafka_partition": partition, "kafka_offset": begin + n, "event_id": f"{partition}-{begin + n}"}
            for n, event in enumerate(events)
        ]
        ranges = {partition: (begin, begin + len(rows) + rejected)}
        frame = self._frame(rows)
        with self.events.stager(date(2026, 2, 1), "test") as stager:
            stager.add(frame)
            files = stager.finish()

        def change(found: LiveState) -> LiveState:
            starts = {partition: begin, **found.starts}
            return found.followed_by(
                "append", starts=starts, positions={**found.positions, partition: ranges[partition][1]}
            )

        self.events.commit(self.epoch, files, change)
        self.landed += rows
        return frame, ranges

    def feed(self, dashboard: LiveDashboard, *events: Event, partition: int = 0, rejected: int = 0) -> None:
        """Commit events, and tell the dashboard."""
        dashboard.add(*self.land(*events, partition=partition, rejected=rejected))

    def count(self, dashboard: LiveDashboard, *events: Event, now: datetime = NOW) -> None:
        """Commit events, tell the dashboard, and have it commit."""
        self.feed(dashboard, *events)
        dashboard.commit(now)

    def rows(self) -> pl.DataFrame:
        """What the dashboard tells, in its order."""
        rows = self.table.scan().drop(LIVE_DATE).collect()
        return rows.sort("window_start", "event_type")

    def whole(self) -> pl.DataFrame:
        """What its definition says of all events in one go."""
        return security_dashboard(self._frame(self.landed))

    def assert_as_recomputed(self) -> None:
        """The table is what its steps give when they are computed once more from the events."""
        history = dashboard_history(self.table)
        assert history is not None
        again = recomputed(SECURITY_DASHBOARD, history, self.events.scan(), self.stream.config.skew_s)
        assert told_rows(SECURITY_DASHBOARD, self.table, history).equals(again.rows, null_equal=True)
        assert (history.late, history.ahead) == (again.late, again.ahead)

    def state_files(self) -> list[str]:
        return sorted(self.table.store.files("_state"))

    def active_files(self) -> list[str]:
        """Paths of the files of the table."""
        return sorted(pl.DataFrame(self.table.pinned().get_add_actions(flatten=True))["path"].to_list())

    def _frame(self, rows: Iterable[Event]) -> pl.DataFrame:
        schema = {name: kind for name, kind in polars_schema(self.events.schema).items() if name != LIVE_DATE}
        return pl.DataFrame(list(rows), schema=schema)
