"""Address: where a user comes from and where it goes."""

from __future__ import annotations

import narwhals as nw

from streamguard_assets.analytics.user_features.feature import Family, Feature, Grain, count_where, distinct, share

_NO_ADDRESS = "no event carries a source address"

ADDRESS = Family(
    "address",
    tallies={
        Grain.EVENTS: {
            "unique_destinations": distinct("destination_ip"),
            "located_events": nw.col("location").count().cast(nw.Int64),
        },
        Grain.ADDRESSES: {
            "addressed_events": nw.col("address_events").sum(),
            "rare_ip_events": count_where(nw.col("address_events") == 1),
            "top_ip_events": nw.col("address_events").max(),
        },
    },
    features=(
        Feature(
            "ip_diversity",
            "address",
            "Different source addresses per event that carries one.",
            "share",
            share("unique_ips", "addressed_events"),
            null_when=_NO_ADDRESS,
        ),
        Feature(
            "location_diversity",
            "address",
            "Different locations per event that carries one.",
            "share",
            share("unique_locations", "located_events"),
            null_when="no event carries a location",
        ),
        Feature(
            "rare_ip_rate",
            "address",
            "Share of the events with a source address whose address this user used only once.",
            "share",
            share("rare_ip_events", "addressed_events"),
            null_when=_NO_ADDRESS,
        ),
        Feature(
            "top_ip_share",
            "address",
            "Share of the events with a source address that come from the user's most used one.",
            "share",
            share("top_ip_events", "addressed_events"),
            null_when=_NO_ADDRESS,
        ),
        Feature(
            "unique_destinations",
            "address",
            "Different destination addresses; 0 if no event carries one.",
            "addresses",
            nw.col("unique_destinations"),
            dtype=nw.Int64,
        ),
    ),
)
"""Five features. Events without an address or location are left out of the shares, not counted as one more place."""
