"""The assets of users' behaviour, one window at a time: read what it is built from, call, commit.

Each builder returns the commit, or None when the window has nothing to be built from (no events in its lookback).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from streamguard_assets.analytics.user_features.definition_hash import feature_hash
from streamguard_assets.analytics.user_features.lookback import window_features
from streamguard_assets.analytics.user_features.registry import feature_names
from streamguard_assets.analytics.user_features.rows import EVENT_COLUMNS
from streamguard_assets.detection.anomaly_model import AnomalyModel, train_model
from streamguard_assets.detection.model_store import model_from_frame, model_to_frame
from streamguard_assets.detection.report import anomaly_report, training_frame
from streamguard_assets.detection.scoring import Provenance, score_window
from streamguard_assets.detection.training_set import training_windows
from streamguard_assets.lake.commits import WindowCommit
from streamguard_assets.lake.exports import export_training_data
from streamguard_assets.windows.building import begin_build
from streamguard_assets.windows.keeper import missing_windows, still_open
from streamguard_assets.windows.stream import Stream

Builder = Callable[[Stream, str, str], WindowCommit | None]
"""(stream, window, attempt) → the commit of that window, or None."""


class InputMissingError(Exception):
    """A window that this one is built from is not in the lake; the text says which to materialize first."""


def build_user_features(stream: Stream, window: str, attempt: str) -> WindowCommit | None:
    """28 features per user over the lookback that ends with ``window``."""
    build = begin_build(stream, "user_features", window, attempt)
    config, table = stream.config, stream.table("events")
    lookback = stream.cadence.lookback(window, config.lookback_windows)
    commits = table.commits()
    present = [key for key in lookback if key in commits]
    if not present:
        return None
    missing = missing_windows(stream, lookback)
    version = table.version()
    columns = ["window", *(name for name in EVENT_COLUMNS if name != "window")]
    features = window_features(
        table.scan(present, version=version).select(columns),
        window,
        lookback,
        stream.contract.event_types,
        windows_missing=len(missing),
    ).collect()
    # Complete only if nothing of the lookback can still grow: the open window is the newest, so its own flag decides.
    complete = all(commits[key].complete for key in present) and not still_open(stream, [window])
    details = {
        "events_version": version,
        "lookback_windows": config.lookback_windows,
        "windows_present": len(present),
        "windows_missing": missing,
        "users": features.height,
    }
    return build.commit(features, complete, details)


def build_anomaly_model(stream: Stream, window: str, attempt: str) -> WindowCommit | None:
    """The forest as of ``window``; without rows when there are too few users to fit one."""
    build = begin_build(stream, "anomaly_model", window, attempt)
    table, detection = stream.table("user_features"), stream.settings.detection
    commits = table.commits()
    if window not in commits:
        return _nothing_to_build(stream, "anomaly_model", window)
    today = feature_hash(stream.contract.event_types)
    # Features of an older definition have other meanings under the same names; a model must not mix them.
    fitting = {key for key, commit in commits.items() if commit.details["definition_hash"] == today}
    trained_on = training_windows(
        window,
        fitting | {window},
        stream.cadence,
        most=detection.training_windows,
        least=detection.min_training_windows,
        first_window=stream.first_window,
        lookback_windows=stream.config.lookback_windows,
    )
    rows = table.scan(trained_on).collect()
    details: dict[str, Any] = {"training_windows": len(trained_on), "training_rows": rows.height}
    if rows.filter(pl.col("window") == window).height < detection.min_users:
        empty = pl.DataFrame(schema=stream.polars_schema("anomaly_model"))
        details["unfitted_reason"] = f"fewer than {detection.min_users} users"
        return build.commit(empty, commits[window].complete, details)
    model = train_model(
        rows,
        feature_names(stream.contract.event_types),
        today,
        trees=detection.trees,
        random_state=detection.random_state,
        contamination=detection.contamination,
        threshold=detection.threshold,
    )
    details |= {key: value for key, value in model.metadata().items() if key not in {"windows", "features", "medians"}}
    return build.commit(model_to_frame(model, window), commits[window].complete, details)


def build_anomaly_scores(stream: Stream, window: str, attempt: str) -> WindowCommit | None:
    """A score, a label and three reasons per user of ``window``."""
    build = begin_build(stream, "anomaly_scores", window, attempt)
    features = stream.table("user_features").commits().get(window)
    if features is None:
        return _nothing_to_build(stream, "anomaly_scores", window)
    rows = stream.table("user_features").scan([window]).collect()
    model = _model_of(stream, window)
    provenance = Provenance(
        window, features.details["definition_hash"], features.details["events_version"], _offset_ranges(stream, window)
    )
    scores = score_window(rows, model, provenance, min_users=stream.settings.detection.min_users)
    anomalous = int(scores["is_anomaly"].fill_null(False).sum())
    details = {
        "users": scores.height,
        "anomalous_users": anomalous,
        "anomaly_rate": anomalous / scores.height if scores.height else 0.0,
        "model_version": model.model_version if model else None,
        "threshold": model.threshold.score if model else None,
        "unscored_reason": scores["unscored_reason"].drop_nulls().first(),
    }
    return build.commit(scores, features.complete, details)


def build_training_data(stream: Stream, window: str, attempt: str) -> WindowCommit | None:
    """Features with score and label, as a table and as the exported folder; ``latest`` follows the newest window."""
    build = begin_build(stream, "training_data", window, attempt)
    scored = stream.table("anomaly_scores").commits().get(window)
    if scored is None:
        return _nothing_to_build(stream, "training_data", window)
    features = stream.table("user_features").scan([window]).collect()
    scores = stream.table("anomaly_scores").scan([window]).collect()
    frame = training_frame(features, scores, feature_names(stream.contract.event_types))
    report = {**anomaly_report(frame), "users_without_verdict": features.height - frame.height}
    folder = export_training_data(stream.exports_folder, window, frame, report)
    details = {
        "folder": str(folder),
        **{key: report[key] for key in ("total_users", "anomalous_users", "anomaly_rate")},
    }
    return build.commit(frame.with_columns(window=pl.lit(window)), scored.complete, details)


DERIVED: Mapping[str, Builder] = {
    "user_features": build_user_features,
    "anomaly_model": build_anomaly_model,
    "anomaly_scores": build_anomaly_scores,
    "training_data": build_training_data,
}
"""Builders by asset, in build order."""


def _model_of(stream: Stream, window: str) -> AnomalyModel | None:
    if window not in stream.table("anomaly_model").commits():
        raise InputMissingError(f"window {window} has no anomaly_model; materialize it before anomaly_scores")
    frame = stream.table("anomaly_model").scan([window]).collect()
    return model_from_frame(frame) if frame.height else None


def _offset_ranges(stream: Stream, window: str) -> str:
    """The offsets that the lookback of ``window`` covers, as JSON text: from its first window to its last."""
    commits = stream.table("events").commits()
    lookback = stream.cadence.lookback(window, stream.config.lookback_windows)
    ranges = [commits[key].details["range"] for key in lookback if key in commits]
    covered: dict[str, list[int]] = {}
    for piece in ranges:
        for partition, (start, end) in piece["offsets"].items():
            known = covered.setdefault(partition, [start, end])
            known[0], known[1] = min(known[0], start), max(known[1], end)
    return json.dumps({"topic": stream.topic, "offsets": covered}, sort_keys=True)


def _nothing_to_build(stream: Stream, asset: str, window: str) -> None:
    """None for a window whose lookback is empty; an error when its features should be there and are not."""
    commits = stream.table("events").commits()
    lookback = stream.cadence.lookback(window, stream.config.lookback_windows)
    if any(key in commits for key in lookback):
        raise InputMissingError(f"window {window} has no user_features; materialize them before {asset}")
