"""Security events: who did what, from where to where, and how suspicious the source found it."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from streamguard_assets.contracts.contract import Contract
from streamguard_assets.contracts.fields import Int64, Record, Timestamp
from streamguard_assets.contracts.soft_rules import (
    PLAUSIBLE_FROM,
    PLAUSIBLE_UNTIL,
    implausible_timestamp,
    outside,
    repeated,
    unknown_value,
)

EVENT_TYPES = ("auth_attempt", "network_connection", "file_access", "process_execution", "dns_query")
STATUSES = ("success", "failed", "blocked", "pending")


class SecurityMetadata(Record):
    """Circumstances of an event; which of them are there depends on its type."""

    user_agent: Annotated[str | None, Meta(description="client program, as it names itself")] = None
    geo_location: Annotated[str | None, Meta(description="place of the source address, as the producer names it")] = (
        None
    )
    port: Annotated[Int64 | None, Meta(description="destination port")] = None
    protocol: Annotated[str | None, Meta(description="network protocol")] = None
    file_path: Annotated[str | None, Meta(description="file that was accessed")] = None
    process_name: Annotated[str | None, Meta(description="process that was executed")] = None
    domain: Annotated[str | None, Meta(description="domain name that was asked for")] = None
    bytes_transferred: Annotated[Int64 | None, Meta(description="bytes moved over the connection")] = None


class SecurityEvent(Record):
    """One security event as the producer writes it."""

    event_id: Annotated[str, Meta(description="the producer's id of the event; repeats are counted, not dropped")]
    timestamp: Annotated[Timestamp, Meta(description="when it happened; epoch milliseconds or ISO-8601 with a zone")]
    event_type: Annotated[str, Meta(description=f"what happened; known: {', '.join(EVENT_TYPES)}")]
    user: Annotated[str, Meta(description="account that acted, or was tried")]
    source_ip: Annotated[str | None, Meta(description="where it came from; an address or a service name")] = None
    destination_ip: Annotated[str | None, Meta(description="where it went; an address or a service name")] = None
    status: Annotated[str | None, Meta(description=f"how it ended; known: {', '.join(STATUSES)}")] = None
    threat_score: Annotated[float | None, Meta(description="the source's own suspicion, 0 to 1")] = None
    metadata: Annotated[SecurityMetadata | None, Meta(description="circumstances, by type of event")] = None


SECURITY = Contract(
    name="security",
    description="Security events: authentication, network, files, processes, DNS",
    event=SecurityEvent,
    user_column="user",
    time_column="timestamp",
    id_column="event_id",
    event_types=EVENT_TYPES,
    soft_rules=(
        unknown_value("event_type", EVENT_TYPES),
        unknown_value("status", STATUSES),
        outside("threat_score_range", "threat_score", 0, 1),
        implausible_timestamp(
            "timestamp", PLAUSIBLE_FROM, PLAUSIBLE_UNTIL, "seconds, perhaps, where milliseconds are meant"
        ),
        repeated("event_id"),
    ),
)
