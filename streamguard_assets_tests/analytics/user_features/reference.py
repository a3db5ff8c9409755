"""The 28 features again, in plain Python and exact fractions, written from their definitions and from nothing else."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from itertools import pairwise
from typing import Any

from streamguard_assets_tests.analytics.events import Event

Value = int | float | None
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def reference_features(events: Iterable[Event], event_types: Sequence[str]) -> dict[str, dict[str, Value]]:
    """Features by user."""
    by_user: dict[str, list[Event]] = defaultdict(list)
    for each in events:
        by_user[each["user"]].append(each)
    return {user: _features(sorted(seen, key=_order), event_types) for user, seen in by_user.items()}


def _order(event: Event) -> tuple[Any, ...]:
    return event["timestamp"], event["kafka_partition"], event["kafka_offset"]


def _microseconds(event: Event) -> int:
    since = event["timestamp"] - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _features(events: list[Event], event_types: Sequence[str]) -> dict[str, Value]:
    return {
        **_behaviour(events, event_types),
        **_temporal(events),
        **_address(events),
        **_sequence(events),
        **_threat(events),
    }


def _behaviour(events: list[Event], event_types: Sequence[str]) -> dict[str, Value]:
    types = Counter(e["event_type"] for e in events)
    return {
        "total_events": len(events),
        "unique_ips": len(set(_present(events, "source_ip"))),
        "unique_locations": len(set(_locations(events))),
        **{f"event_type_{kind}": types[kind] for kind in event_types},
    }


def _temporal(events: list[Event]) -> dict[str, Value]:
    hours = Counter(e["timestamp"].hour for e in events)
    shares = [count / len(events) for count in hours.values()]
    return {
        "unusual_hour_rate": _share([e["timestamp"].hour < 6 or e["timestamp"].hour >= 20 for e in events]),
        "weekend_rate": _share([e["timestamp"].weekday() >= 5 for e in events]),
        "active_hours": len(hours),
        "hour_entropy": math.fsum(-p * math.log2(p) for p in shares),
        "time_stddev_hours": _stddev([Fraction(_microseconds(e), 3_600_000_000) for e in events]),
        "events_per_active_hour": len(events) / len(hours),
    }


def _address(events: list[Event]) -> dict[str, Value]:
    uses = Counter(_present(events, "source_ip"))
    total, locations = uses.total(), _locations(events)
    return {
        "ip_diversity": len(uses) / total if total else None,
        "location_diversity": len(set(locations)) / len(locations) if locations else None,
        "rare_ip_rate": sum(n == 1 for n in uses.values()) / total if total else None,
        "top_ip_share": max(uses.values()) / total if total else None,
        "unique_destinations": len(set(_present(events, "destination_ip"))),
    }


def _sequence(events: list[Event]) -> dict[str, Value]:
    pairs = list(pairwise(events))
    gaps = [Fraction(_microseconds(later) - _microseconds(earlier), 1_000_000) for earlier, later in pairs]
    return {
        "mean_interval_s": float(sum(gaps) / len(gaps)) if gaps else None,
        "interval_stddev_s": _stddev(gaps),
        "burst_rate": _share([gap < 1 for gap in gaps]),
        "type_change_rate": _share([a["event_type"] != b["event_type"] for a, b in pairs]),
    }


def _threat(events: list[Event]) -> dict[str, Value]:
    scores = [min(1.0, max(0.0, score)) for score in _present(events, "threat_score")]
    attempts = [e for e in events if e["event_type"] == "auth_attempt"]
    return {
        "avg_threat_score": float(sum(map(Fraction, scores)) / len(scores)) if scores else None,
        "max_threat_score": max(scores, default=None),
        "high_risk_rate": _share([score >= 0.7 for score in scores]),
        "failed_auth_rate": _share([e["status"] == "failed" for e in attempts]),
        "failure_rate": _share([e["status"] in ("failed", "blocked") for e in events]),
    }


def _present(events: list[Event], column: str) -> list[Any]:
    return [e[column] for e in events if e[column] is not None]


def _locations(events: list[Event]) -> list[str]:
    places = [e["metadata"]["geo_location"] for e in events if e["metadata"] is not None]
    return [place for place in places if place is not None]


def _share(hits: list[bool]) -> float | None:
    return sum(hits) / len(hits) if hits else None


def _stddev(values: list[Fraction]) -> float | None:
    """Of the sample: n - 1."""
    if len(values) < 2:
        return None
    mean = sum(values) / len(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
