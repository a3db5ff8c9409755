"""The list of features is complete, in order, and described."""

from __future__ import annotations

import pytest

from streamguard_assets.analytics.user_features.registry import families, feature_names, features
from streamguard_assets_tests.analytics.events import EVENT_TYPES


def test_the_28_features_stand_in_the_published_order() -> None:
    assert feature_names(EVENT_TYPES) == [
        "total_events", "unique_ips", "unique_locations",
        "event_type_auth_attempt", "event_type_network_connection", "event_type_file_access",
        "event_type_process_execution", "event_type_dns_query",
        "unusual_hour_rate", "weekend_rate", "active_hours", "hour_entropy", "time_stddev_hours",
        "events_per_active_hour",
        "ip_diversity", "location_diversity", "rare_ip_rate", "top_ip_share", "unique_destinations",
        "mean_interval_s", "interval_stddev_s", "burst_rate", "type_change_rate",
        "avg_threat_score", "max_threat_score", "high_risk_rate", "failed_auth_rate", "failure_rate",
    ]  # fmt: skip


def test_families_hold_8_6_5_4_and_5_features_of_their_own_name() -> None:
    assert [(family.name, len(family.features)) for family in families(EVENT_TYPES)] == [
        ("behaviour", 8), ("temporal", 6), ("address", 5), ("sequence", 4), ("threat", 5)
    ]  # fmt: skip
    assert all(each.family == family.name for family in families(EVENT_TYPES) for each in family.features)


def test_every_feature_says_what_it_is_and_in_which_unit() -> None:
    for each in features(EVENT_TYPES):
        assert each.description.endswith(".")
        assert each.unit


def test_event_types_that_would_share_a_column_are_refused() -> None:
    with pytest.raises(ValueError, match="give the feature event_type_login twice"):
        features(["login", "LOGIN"])
