"""What Prometheus reads of a running stream."""

from __future__ import annotations

import socket
import urllib.request
from dataclasses import replace
from datetime import timedelta

import pytest
from prometheus_client.core import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from streamguard_assets.settings import SettingsError, StreamingSettings
from streamguard_assets.streaming.metrics import StreamCollector, served_metrics
from streamguard_assets.streaming.progress import Phase, StreamSnapshot
from streamguard_assets_tests.streaming.beats import NOW

SNAPSHOT = StreamSnapshot(
    "security",
    "ada",
    NOW,
    NOW - timedelta(minutes=1),
    phase=Phase.RUNNING,
    epoch=3,
    version=41,
    positions={0: 10, 1: 20},
    end_offsets={0: 12, 1: 20},
    lag_events=2,
    lag_s=0.5,
    events=28,
    rejected=2,
    late=1,
    commits=5,
    bytes=4_096,
    events_per_s=7.5,
    commit_ms_p50=8.0,
    commit_ms_p99=25.0,
    last_commit_at=NOW,
)
SETTINGS = StreamingSettings.model_validate({})


def scraped(address: str) -> dict[tuple[str, str], float]:
    """Values by name and the label that is not the stream's."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as response:
        text = response.read().decode()
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation
        for sample in family.samples:
            assert sample.labels.pop("stream") == "security"
            found[sample.name, "".join(sample.labels.values())] = sample.value
    return found


def test_a_scrape_tells_of_that_moment() -> None:
    looks = iter([SNAPSHOT, replace(SNAPSHOT, lag_events=900, events=30)])
    with served_metrics(SETTINGS, lambda: next(looks)) as address:
        first, second = scraped(address), scraped(address)
    assert first["streamguard_stream_lag_events", ""] == 2
    assert first["streamguard_stream_lag_seconds", ""] == 0.5
    assert first["streamguard_stream_events_total", ""] == 28
    assert first["streamguard_stream_rejected_total", ""] == 2
    assert first["streamguard_stream_commit_seconds", "0.99"] == 0.025
    assert first["streamguard_stream_position_offset", "1"] == 20
    assert first["streamguard_stream_end_offset", "0"] == 12
    assert first["streamguard_stream_phase", "running"] == 1
    assert first["streamguard_stream_phase", "idle"] == 0
    assert first["streamguard_stream_last_commit_timestamp_seconds", ""] == NOW.timestamp()
    assert (second["streamguard_stream_lag_events", ""], second["streamguard_stream_events_total", ""]) == (900, 30)


def test_what_is_not_known_yet_is_left_out() -> None:
    young = StreamSnapshot("security", "ada", NOW, NOW)
    with served_metrics(SETTINGS, lambda: young) as address:
        found = scraped(address)
    assert ("streamguard_stream_table_version", "") not in found
    assert not any(name == "streamguard_stream_latency_seconds" for name, _ in found)
    assert found["streamguard_stream_commits_total", ""] == 0


def test_names_follow_the_conventions() -> None:
    registry = CollectorRegistry()
    registry.register(StreamCollector(lambda: SNAPSHOT))
    for family in registry.collect():
        assert family.name.startswith("streamguard_stream_")
        assert not family.name.endswith("_ms")
        assert (family.type == "counter") == all(sample.name.endswith("_total") for sample in family.samples)


def test_nobody_listens_afterwards() -> None:
    with served_metrics(SETTINGS, lambda: SNAPSHOT) as address:
        port = int(address.rpartition(":")[2])
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_an_address_that_is_taken_is_told_by_its_setting() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = SETTINGS.model_copy(update={"metrics_port": taken.getsockname()[1]})
        with pytest.raises(SettingsError, match="metrics_host and metrics_port"):
            served_metrics(settings, lambda: SNAPSHOT).__enter__()
