"""What can go wrong with the local broker."""

from __future__ import annotations

from streamguard_assets.kafka.errors import KafkaFailure


class BrokerError(KafkaFailure):
    """The local broker cannot be started, stopped or found; the text says why and where its log is."""
