"""Threat: how risky a user's events are, and how many of them fail."""

from __future__ import annotations

import narwhals as nw

from streamguard_assets.analytics.user_features.feature import Family, Feature, Grain, count_where, share

HIGH_RISK_SCORE = 0.7
AUTH_ATTEMPT = "auth_attempt"
FAILED = "failed"
BLOCKED = "blocked"

SCORE_STEPS = 10**10
"""Threat scores are summed in whole steps of 1e-10: exact in any order of rows, up to 9e8 events per user."""

_NO_SCORE = "no event carries a threat score"

# A score outside 0 to 1 breaks a soft rule only, and is accepted; taken as it is, one 1e300 would be the mean.
_SCORE = nw.col("threat_score").clip(0.0, 1.0)
_IS_AUTH = nw.col("event_type") == AUTH_ATTEMPT

THREAT = Family(
    "threat",
    tallies={
        Grain.EVENTS: {
            "threat_score_steps": (_SCORE * float(SCORE_STEPS) + 0.5).cast(nw.Int64).sum(),
            "scored_events": nw.col("threat_score").count().cast(nw.Int64),
            "max_threat_score": _SCORE.max(),
            "high_risk_events": count_where(nw.col("threat_score") >= HIGH_RISK_SCORE),
            "auth_attempts": count_where(_IS_AUTH),
            "failed_auth_attempts": count_where(_IS_AUTH & (nw.col("status") == FAILED)),
            "failures": count_where((nw.col("status") == FAILED) | (nw.col("status") == BLOCKED)),
        },
    },
    features=(
        Feature(
            "avg_threat_score",
            "threat",
            "Mean threat score; scores outside 0 to 1 count as the nearer end.",
            "score, 0 to 1",
            nw.when(nw.col("scored_events") > 0).then(
                nw.col("threat_score_steps").cast(nw.Float64) / (nw.col("scored_events") * SCORE_STEPS).cast(nw.Float64)
            ),
            null_when=_NO_SCORE,
        ),
        Feature(
            "max_threat_score",
            "threat",
            "Highest threat score; scores outside 0 to 1 count as the nearer end.",
            "score, 0 to 1",
            nw.col("max_threat_score"),
            null_when=_NO_SCORE,
        ),
        Feature(
            "high_risk_rate",
            "threat",
            f"Share of the scored events with a threat score of at least {HIGH_RISK_SCORE}.",
            "share",
            share("high_risk_events", "scored_events"),
            null_when=_NO_SCORE,
        ),
        Feature(
            "failed_auth_rate",
            "threat",
            "Share of the authentication attempts with status failed; a missing status is not a failure.",
            "share",
            share("failed_auth_attempts", "auth_attempts"),
            null_when="the user has no authentication attempts",
        ),
        Feature(
            "failure_rate",
            "threat",
            "Share of all events with status failed or blocked; a missing status is not a failure.",
            "share",
            share("failures", "total_events"),
        ),
    ),
)
"""Five features."""
