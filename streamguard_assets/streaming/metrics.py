"""Prometheus metrics of a running stream, served by the process that runs it and computed when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from streamguard_assets.settings import SettingsError, StreamingSettings
from streamguard_assets.streaming.progress import Phase, StreamSnapshot

_PREFIX = "streamguard_stream"

_GAUGES: dict[str, tuple[str, Callable[[StreamSnapshot], float | None]]] = {
    "lag_events": ("Records of the topic that are not committed yet", lambda s: s.lag_events),
    "lag_seconds": ("Age of the oldest record that is not committed yet", lambda s: s.lag_s),
    "events_per_second": ("Accepted events per second, over the last minute", lambda s: s.events_per_s),
    "batch_records": ("Records of the newest micro-batch", lambda s: s.batch_records),
    "dashboard_rows": ("Rows of the live dashboard's state", lambda s: s.dashboard_rows),
    "dashboard_state_bytes": ("Memory of the live dashboard's state", lambda s: s.dashboard_state_bytes),
    "table_version": ("Version of the table live/events", lambda s: s.version),
    "epoch": ("Number of the stream's owner; it grows with every take-over", lambda s: s.epoch),
    "start_timestamp_seconds": ("When this process began to run the stream", lambda s: s.started_at.timestamp()),
    "last_commit_timestamp_seconds": (
        "When the newest micro-batch was committed",
        lambda s: None if s.last_commit_at is None else s.last_commit_at.timestamp(),
    ),
    "last_turn_timestamp_seconds": (
        "When the loop last came round",
        lambda s: None if s.turn_at is None else s.turn_at.timestamp(),
    ),
}
_COUNTERS: dict[str, tuple[str, Callable[[StreamSnapshot], float]]] = {
    "events_total": ("Accepted events committed by this process", lambda s: s.events),
    "rejected_total": ("Rejected records committed by this process", lambda s: s.rejected),
    "late_events_total": ("Events behind the watermark of the live dashboard", lambda s: s.late),
    "commits_total": ("Micro-batches committed by this process", lambda s: s.commits),
    "bytes_total": ("Value bytes of committed records", lambda s: s.bytes),
}
_PERCENTILES: dict[str, tuple[str, Callable[[StreamSnapshot], dict[str, float | None]]]] = {
    "commit_seconds": (
        "Duration of a commit, over the last minute",
        lambda s: {"0.5": s.commit_ms_p50, "0.99": s.commit_ms_p99},
    ),
    "latency_seconds": (
        "From a record's Kafka timestamp to the commit that holds it, over the last minute",
        lambda s: {"0.5": s.latency_ms_p50, "0.99": s.latency_ms_p99},
    ),
}


class StreamCollector(Collector):
    """The metrics of one stream, from a look at it whenever they are scraped. What is not known yet is left out."""

    def __init__(self, look: Callable[[], StreamSnapshot]) -> None:
        self._look = look

    def describe(self) -> list[Metric]:
        """Nothing is told at registration, so that the stream need not have begun."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All metrics of this moment."""
        now = self._look()
        own = [now.stream]
        for name, (text, read) in _GAUGES.items():
            if (value := read(now)) is not None:
                yield _one(GaugeMetricFamily, name, text, own, value)
        for name, (text, read) in _COUNTERS.items():
            yield _one(CounterMetricFamily, name, text, own, read(now))
        for name, (text, read_all) in _PERCENTILES.items():
            family = GaugeMetricFamily(f"{_PREFIX}_{name}", text, labels=["stream", "quantile"])
            for quantile, ms in read_all(now).items():
                if ms is not None:
                    family.add_metric([now.stream, quantile], ms / 1000)
            if family.samples:
                yield family
        yield from self._partitioned(now)
        phases = GaugeMetricFamily(f"{_PREFIX}_phase", "1 for what the loop does now", labels=["stream", "phase"])
        for phase in Phase:
            phases.add_metric([now.stream, phase.value], float(phase is now.phase))
        yield phases

    def _partitioned(self, now: StreamSnapshot) -> Iterator[Metric]:
        labels = ["stream", "partition"]
        for name, text, offsets in (
            ("position_offset", "Next offset to be committed", now.positions),
            ("end_offset", "Next offset that the partition will give", now.end_offsets),
        ):
            family = GaugeMetricFamily(f"{_PREFIX}_{name}", text, labels=labels)
            for partition, offset in sorted(offsets.items()):
                family.add_metric([now.stream, str(partition)], offset)
            yield family


@contextmanager
def served_metrics(settings: StreamingSettings, look: Callable[[], StreamSnapshot]) -> Iterator[str]:
    """Serve them for the duration of the block; yields their address, ``host:port``.

    Raises ``SettingsError`` when the configured address cannot be taken.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(StreamCollector(look))
    try:
        server, thread = start_http_server(settings.metrics_port, settings.metrics_host, registry)
    except OSError as error:
        raise SettingsError(
            f"streaming.metrics_host and metrics_port: cannot listen on "
            f"{settings.metrics_host}:{settings.metrics_port} ({error}); port 0 takes any free one"
        ) from error
    try:
        yield f"{settings.metrics_host}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _one(family: Any, name: str, text: str, own: list[str], value: float) -> Metric:
    metric = family(f"{_PREFIX}_{name}", text, labels=["stream"])
    metric.add_metric(own, value)
    return metric
