"""The settings of a stream, and the streams that are there when the user says nothing."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from streamguard_assets.settings.section import Instant, Name, Section, WindowMinutes

TopicName = Annotated[str, Field(min_length=1, max_length=249, pattern=r"^[a-zA-Z0-9._-]+$")]


class StreamSettings(Section):
    """One stream: a topic, its contract and how it is cut into windows."""

    topic: TopicName = Field(description="Kafka topic")
    contract: Name = Field(description="name of the contract that its records follow")
    window_minutes: WindowMinutes = Field(60, description="length of a window; never changes under a ledger")
    start: Instant | None = Field(
        None, description="first boundary; absent: the hour of the oldest record, decided by the first command"
    )
    grace_s: float = Field(60.0, ge=0, description="wait after an instant before its boundary is decided")
    skew_s: float = Field(300.0, ge=0, description="records stamped this far past the decision are passed over")
    lookback_windows: int = Field(24, ge=1, description="windows whose events a window's features see")
    open_window_growth: float = Field(
        0.25, gt=0, description="share by which the open window grows before it is materialized again"
    )
    max_attempts: int = Field(3, ge=1, description="times a failing window is tried before it is left to a person")
    max_windows_per_run: int = Field(168, ge=1, description="most windows that one run of the sensor takes")
    analyses: tuple[Name, ...] | None = Field(
        None, description="analyses of each window; absent: every one whose columns the contract has"
    )
    batch_topics: tuple[TopicName, ...] = Field(
        (), description="further topics with this contract, which are read by batches only"
    )
    dead_letter_topic: TopicName | None = Field(None, description="topic that rejected records are also sent to")


BUILT_IN_STREAMS: dict[str, dict[str, Any]] = {
    "security": {"topic": "security-events", "contract": "security"},
    "transactions": {
        "topic": "transactions-stream",
        "contract": "transactions",
        "batch_topics": ["transactions-batch"],
    },
}
"""What a built-in stream is when the user says nothing, or only a part of it."""
