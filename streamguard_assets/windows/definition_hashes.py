"""What each asset of a stream computes, as a hash: contract, feature definitions, model settings,
analyses.

A commit records the hash that held when it was made; the planner compares it with today's.
"""

from __future__ import annotations

import hashlib
import json

from streamguard_assets.analytics.analyses.registry import analysis
from streamguard_assets.analytics.user_features.definition_hash import feature_hash
from streamguard_assets.windows.graph import analyses_of, analysis_asset
from streamguard_assets.windows.stream import Stream

_CHARACTERS = 16


def definition_hashes(stream: Stream) -> dict[str, str]:
    """By asset, the hash of today's definition; only what changes its rows counts."""
    of_analyses = {analysis_asset(name): analysis(name).definition_hash for name in analyses_of(stream.graph)}
    of_behaviour = _behaviour_hashes(stream) if "user_features" in stream.graph else {}
    return {"events": stream.contract.hash, **of_behaviour, **of_analyses}


def _behaviour_hashes(stream: Stream) -> dict[str, str]:
    detection = stream.settings.detection
    features = feature_hash(stream.contract.event_types)
    model = [features, detection.trees, detection.random_state, detection.contamination, detection.threshold]
    training = [detection.training_windows, detection.min_training_windows]
    return {
        "user_features": features,
        "anomaly_model": _digest(*model, *training, detection.min_users),
        "anomaly_scores": _digest(features, detection.min_users),
        "training_data": features,
    }


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:_CHARACTERS]
