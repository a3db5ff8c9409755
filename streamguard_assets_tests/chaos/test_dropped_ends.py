"""What a broker says of transactions that it left without their end, in its log and in those that were rolled over."""

from __future__ import annotations

from pathlib import Path

from streamguard_assets.chaos.dropped_ends import dropped_ends

DROPPED = (
    "2026-11-21T21:54:17,140 INFO  [Transaction Marker Channel Manager 1]: "
    "Couldn't find leader endpoint for partitions "
    "Set(chaos-events-0, chaos-events-1) while trying to send transaction markers for chaos-chaos-events, these "
    "partitions are likely deleted already and hence can be skipped\n"
)


def test_a_broker_that_wrote_every_end_says_nothing(tmp_path: Path) -> None:
    assert dropped_ends(tmp_path / "server.log") == 0
    (tmp_path / "server.log").write_text("INFO Kafka Server started\n")
    assert dropped_ends(tmp_path / "server.log") == 0


def test_each_dropped_end_counts_once_also_after_the_log_rolled_over(tmp_path: Path) -> None:
    (tmp_path / "server.log").write_text("INFO started\n" + DROPPED)
    (tmp_path / "server.log.1").write_text(DROPPED * 2)
    (tmp_path / "console.log").write_text(DROPPED)
    assert dropped_ends(tmp_path / "server.log") == 3
