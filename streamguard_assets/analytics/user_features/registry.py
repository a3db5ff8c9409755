"""The families and their features in the fixed order of the feature table."""

from __future__ import annotations

from collections.abc import Sequence

from streamguard_assets.analytics.user_features.address import ADDRESS
from streamguard_assets.analytics.user_features.behaviour import behaviour
from streamguard_assets.analytics.user_features.feature import Family, Feature
from streamguard_assets.analytics.user_features.sequence import SEQUENCE
from streamguard_assets.analytics.user_features.temporal import TEMPORAL
from streamguard_assets.analytics.user_features.threat import THREAT


def families(known_event_types: Sequence[str]) -> tuple[Family, ...]:
    """The five families, in order. ``ValueError`` if two of the event types would share a column."""
    family = behaviour(known_event_types)
    names = [each.name for each in family.features]
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"known event types {list(known_event_types)} give the feature {doubled[0]} twice")
    return (family, TEMPORAL, ADDRESS, SEQUENCE, THREAT)


def features(known_event_types: Sequence[str]) -> tuple[Feature, ...]:
    """Every feature, in the order of the columns: 28 when five event types are known."""
    return tuple(each for family in families(known_event_types) for each in family.features)


def feature_names(known_event_types: Sequence[str]) -> list[str]:
    """The columns of ``user_features`` after ``user``."""
    return [each.name for each in features(known_event_types)]
