"""What each asset of a stream computes, as a hash: contract, feature definitions, model settings.

A commit records the hash that held when it was made; the planner compares it with today's.
"""

from __future__ import annotations

import hashlib
import json

from streamguard_assets.analytics.user_features.definition_hash import feature_hash
from streamguard_assets.windows.stream import Stream

_CHARACTERS = 16


def definition_hashes(stream: Stream) -> dict[str, str]:
    """By asset, the hash of today's definition; only what changes its rows counts."""
    detection = stream.settings.detection
    features = feature_hash(stream.contract.event_types)
    model = [features, detection.trees, detection.random_state, detection.contamination, detection.threshold]
    training = [detection.training_windows, detection.min_training_windows]
    return {
        "events": stream.contract.hash,
        "user_features": features,
        "anomaly_model": _digest(*model, *training, detection.min_users),
        "anomaly_scores": _digest(features, detection.min_users),
        "training_data": features,
    }


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:_CHARACTERS]
