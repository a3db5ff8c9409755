"""What a window is built from: one hash for the plan and for the asset that builds it."""

from __future__ import annotations

import pytest

from streamguard_assets.contracts.offsets import OffsetRange
from streamguard_assets.contracts.windows import Cadence
from streamguard_assets.windows.inputs import (
    WindowAsset,
    derived_inputs,
    derived_inputs_hash,
    downstream,
    events_inputs_hash,
    read_inputs_hash,
    window_graph,
)
from streamguard_assets_tests.windows.graphs import GRAPH, STREAM_GRAPH

HOUR = Cadence(60)
FEATURES = next(asset for asset in STREAM_GRAPH if asset.name == "user_features")
SCORES = next(asset for asset in STREAM_GRAPH if asset.name == "anomaly_scores")


def offsets(starts: dict[int, int], ends: dict[int, int]) -> OffsetRange:
    return OffsetRange("security-events", starts, ends)


def test_the_graph_is_the_stream_s_graph_in_build_order() -> None:
    assert [asset.name for asset in STREAM_GRAPH] == [
        "events",
        "user_features",
        "anomaly_model",
        "anomaly_scores",
        "training_data",
    ]
    assert window_graph(GRAPH) == STREAM_GRAPH


def test_only_features_read_the_lookback_so_a_late_window_cannot_reach_further() -> None:
    assert [asset.name for asset in STREAM_GRAPH if asset.lookback] == ["user_features"]


def test_events_are_built_from_their_offsets_and_the_contract() -> None:
    base = events_inputs_hash(offsets({0: 5}, {0: 9}), "c1")

    assert base == events_inputs_hash(offsets({0: 5}, {0: 9}), "c1")
    assert base != events_inputs_hash(offsets({0: 5}, {0: 10}), "c1")
    assert base != events_inputs_hash(offsets({0: 4}, {0: 9}), "c1")
    assert base != events_inputs_hash(offsets({0: 5}, {0: 9}), "c2")


def test_a_partition_without_offsets_in_the_window_does_not_count() -> None:
    assert events_inputs_hash(offsets({0: 5, 1: 7}, {0: 9, 1: 7}), "c") == events_inputs_hash(
        offsets({0: 5}, {0: 9}), "c"
    )


def test_the_order_in_which_inputs_are_named_does_not_count() -> None:
    contents = {("events", "2026-01-01-00:00"): "a", ("events", "2026-01-01-01:00"): "b"}

    assert derived_inputs_hash(FEATURES, "d", 24, contents) == derived_inputs_hash(
        FEATURES, "d", 24, dict(reversed(contents.items()))
    )


@pytest.mark.parametrize(
    "contents",
    [
        {("events", "2026-01-01-00:00"): "b", ("events", "2026-01-01-01:00"): "a"},
        {("events", "2026-01-01-00:00"): "a"},
        {("quarantine", "2026-01-01-00:00"): "a", ("events", "2026-01-01-01:00"): "b"},
        {},
    ],
    ids=["contents swapped", "one is missing", "another asset", "none"],
)
def test_other_inputs_have_another_hash(contents: dict[tuple[str, str], str]) -> None:
    base = {("events", "2026-01-01-00:00"): "a", ("events", "2026-01-01-01:00"): "b"}

    assert derived_inputs_hash(FEATURES, "d", 24, contents) != derived_inputs_hash(FEATURES, "d", 24, base)


def test_the_definition_and_the_lookback_are_inputs() -> None:
    contents = {("events", "2026-01-01-00:00"): "a"}
    base = derived_inputs_hash(FEATURES, "d", 24, contents)

    assert base != derived_inputs_hash(FEATURES, "e", 24, contents)
    assert base != derived_inputs_hash(FEATURES, "d", 23, contents)


def test_the_lookback_is_no_input_of_an_asset_that_reads_its_own_window_only() -> None:
    contents = {("user_features", "2026-01-01-00:00"): "a"}

    assert derived_inputs_hash(SCORES, "d", 24, contents) == derived_inputs_hash(SCORES, "d", 1, contents)


def test_features_read_the_events_of_the_lookback_and_scores_their_own_window() -> None:
    assert derived_inputs(FEATURES, "2026-01-01-02:00", HOUR, 2) == [
        ("events", "2026-01-01-01:00"),
        ("events", "2026-01-01-02:00"),
    ]
    assert derived_inputs(SCORES, "2026-01-01-02:00", HOUR, 2) == [
        ("user_features", "2026-01-01-02:00"),
        ("anomaly_model", "2026-01-01-02:00"),
    ]


def test_an_asset_records_the_hash_of_what_it_read_and_ignores_the_rest() -> None:
    built = {
        "events": {"2025-12-31-23:00": "old", "2026-01-01-01:00": "a", "2026-01-01-03:00": "later"},
        "user_features": {"2026-01-01-01:00": "f"},
    }

    assert read_inputs_hash(FEATURES, "2026-01-01-02:00", HOUR, 2, "d", built) == derived_inputs_hash(
        FEATURES, "d", 2, {("events", "2026-01-01-01:00"): "a"}
    )


def test_downstream_follows_every_reader_in_build_order() -> None:
    graph = (*STREAM_GRAPH, WindowAsset("analyses/by_hour", ("events",)))

    assert downstream(graph, ["anomaly_model"]) == ("anomaly_model", "anomaly_scores", "training_data")
    assert downstream(graph, ["events"])[-1] == "analyses/by_hour"
    assert downstream(graph, []) == ()
