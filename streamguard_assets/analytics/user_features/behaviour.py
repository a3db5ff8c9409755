"""Behaviour: how much a user does, and of what kind."""

from __future__ import annotations

from collections.abc import Sequence

import narwhals as nw

from streamguard_assets.analytics.user_features.feature import Family, Feature, Grain, count_where, distinct


def event_type_column(event_type: str) -> str:
    """The feature that counts the events of one known type: ``event_type_auth_attempt``."""
    return f"event_type_{event_type.lower()}"


def behaviour(known_event_types: Sequence[str]) -> Family:
    """Eight features for the five types of a security stream; events of unknown types count in the total only."""
    by_type = {event_type_column(kind): count_where(nw.col("event_type") == kind) for kind in known_event_types}
    return Family(
        "behaviour",
        tallies={
            Grain.EVENTS: {"unique_locations": distinct("location"), **by_type},
            Grain.ADDRESSES: {"unique_ips": nw.len().cast(nw.Int64)},
        },
        features=(
            _count("total_events", "Events of the user."),
            _count("unique_ips", "Different source addresses; 0 if no event carries one.", unit="addresses"),
            _count("unique_locations", "Different locations; 0 if no event carries one.", unit="locations"),
            *(_count(event_type_column(kind), f"Events of type {kind}.") for kind in known_event_types),
        ),
    )


def _count(name: str, description: str, unit: str = "events") -> Feature:
    return Feature(name, "behaviour", description, unit, nw.col(name), dtype=nw.Int64)
