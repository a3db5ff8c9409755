"""What is computed from events: over the right windows, with its origin written down, and the same each time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest

from streamguard_assets.analytics.user_features.definition_hash import feature_hash
from streamguard_assets.windows import derive
from streamguard_assets.windows.definition_hashes import definition_hashes
from streamguard_assets.windows.derive import (
    DERIVED,
    InputMissingError,
    build_anomaly_model,
    build_anomaly_scores,
    build_training_data,
    build_user_features,
)
from streamguard_assets.windows.keeper import missing_windows
from streamguard_assets.windows.stream import Stream
from streamguard_assets_tests.windows.conftest import RigFactory
from streamguard_assets_tests.windows.graphs import DERIVED_ASSETS
from streamguard_assets_tests.windows.rig import Rig, event, key

pytestmark = [pytest.mark.broker]


def built(rig: Rig, hours: range, events: int = 36) -> Rig:
    """Hours of events, everything made of them."""
    rig.produce_hours(hours, events=events)
    rig.keep(hours[-1] + 1)
    rig.ingest(*hours)
    rig.derive(*hours)
    return rig


def total_events(rig: Rig, hour: int) -> int:
    return int(rig.stream.table("user_features").scan([key(hour)]).collect()["total_events"].sum())


def test_builders_are_in_build_order() -> None:
    assert tuple(DERIVED) == DERIVED_ASSETS


def test_features_see_the_lookback_and_no_more(rig: Rig) -> None:
    for hour, events in enumerate((1, 10, 100, 200, 7)):
        rig.produce_hours([hour], events=events)
    rig.keep(5)
    rig.ingest(*range(5))
    for hour in range(5):
        build_user_features(rig.stream, key(hour), "a")
    assert [total_events(rig, hour) for hour in range(5)] == [1, 11, 111, 310, 307]


def test_features_count_the_windows_that_should_be_there(rig: Rig) -> None:
    rig.produce_hours([0, 2, 3], events=20)  # hour 1 is empty, which is not missing
    rig.keep(4)
    rig.ingest(2)
    commit = build_user_features(rig.stream, key(2), "a")
    assert commit is not None
    assert (commit.details["windows_missing"], commit.details["windows_present"]) == ([key(0)], 1)
    assert set(rig.stream.table("user_features").scan([key(2)]).collect()["windows_missing"]) == {1}
    rig.ingest(0, 3)
    build_user_features(rig.stream, key(2), "b")
    assert set(rig.stream.table("user_features").scan([key(2)]).collect()["windows_missing"]) == {0}
    whole = build_user_features(rig.stream, key(3), "a")
    assert whole is not None
    assert whole.details["windows_missing"] == []


def test_scores_name_what_they_were_made_of(rig: Rig) -> None:
    built(rig, range(3))
    rows = rig.stream.table("anomaly_scores").scan([key(2)]).collect()
    model = rig.stream.table("anomaly_model").scan([key(2)]).collect().row(0, named=True)
    features = rig.stream.table("user_features").commits()[key(2)]
    assert rows.height == 12
    assert set(rows["model_version"]) == {model["model_version"]}
    assert set(rows["feature_hash"]) == {feature_hash(rig.stream.contract.event_types)}
    assert set(rows["events_version"]) == {features.details["events_version"]}
    assert [json.loads(text) for text in rows["offset_ranges"].unique()] == [
        {"topic": rig.topic, "offsets": {"0": [0, 108], "1": [0, 0]}}
    ]
    again = rig.stream.table("events").scan(version=features.details["events_version"]).collect()
    assert again.height == 108
    assert rows["anomaly_score"].is_between(0, 1).all()
    assert rows["reasons"].list.len().max() == 3
    assert rows.filter(pl.col("is_anomaly"))["anomaly_score"].min() > rows["threshold"][0]  # pyright: ignore


def test_the_same_inputs_give_the_same_contents(rig: Rig) -> None:
    built(rig, range(3))
    before = {asset: rig.contents(asset) for asset in DERIVED_ASSETS}
    hashes = {asset: rig.stream.table(asset).commits()[key(2)].inputs_hash for asset in DERIVED_ASSETS}
    again = rig.again()
    again.ingest(0, 1, 2)  # new versions and attempts, the same rows
    again.derive(0, 1, 2, attempt="again")
    assert {asset: again.contents(asset) for asset in DERIVED_ASSETS} == before
    assert {asset: again.stream.table(asset).commits()[key(2)].inputs_hash for asset in DERIVED_ASSETS} == hashes


def test_contents_do_not_depend_on_how_rows_were_read(make_rig: RigFactory) -> None:
    rig = built(make_rig(ingest={"chunk_records": 2_000}), range(2), events=150)
    before = {asset: rig.contents(asset) for asset in DERIVED_ASSETS}
    ingest = rig.settings.ingest.model_copy(
        update={"chunk_records": 13, "workers": 2, "parallel_from_records": 20, "file_rows": 1_000}
    )
    other = Rig(rig.settings.model_copy(update={"ingest": ingest}))
    other.ingest(0, 1)
    other.derive(0, 1, attempt="again")
    assert {asset: other.contents(asset) for asset in DERIVED_ASSETS} == before


def test_too_few_users_have_no_score_and_a_reason(rig: Rig) -> None:
    rig.produce([event(n, user=f"user-{n % 3}") for n in range(30)])
    rig.keep(1)
    rig.ingest(0)
    commits = rig.derive(0)
    model, scores = commits["anomaly_model"][0], commits["anomaly_scores"][0]
    assert model is not None
    assert scores is not None
    assert (model.rows, model.details["unfitted_reason"]) == (0, "fewer than 10 users")
    rows = rig.stream.table("anomaly_scores").scan().collect()
    assert rows["anomaly_score"].null_count() == rows["is_anomaly"].null_count() == rows.height == 3
    assert set(rows["unscored_reason"]) == {"3 users are too few to compare; at least 10 are needed"}
    assert scores.details["unscored_reason"] == rows["unscored_reason"][0]
    training = commits["training_data"][0]
    assert training is not None
    assert training.details["total_users"] == 0


def test_a_window_of_rejected_records_only_has_features_of_nobody(rig: Rig) -> None:
    rig.produce([b"bad"])
    rig.keep(1)
    rig.ingest(0)
    commits = rig.derive(0)
    assert {asset: commit[0] and commit[0].rows for asset, commit in commits.items()} == dict.fromkeys(DERIVED, 0)


def test_a_window_whose_lookback_is_empty_has_nothing_to_build(rig: Rig) -> None:
    rig.produce_hours([4], events=20)
    rig.keep(9)
    rig.ingest(4)
    commits = rig.derive(0, 3, 4, 8, -5)
    assert [h for h, commit in commits["training_data"].items() if commit is not None] == [4]
    assert [h for h, commit in commits["user_features"].items() if commit is not None] == [4]


def test_what_must_be_built_before_is_named(rig: Rig) -> None:
    rig.produce_hours([0], events=20)
    rig.keep(1)
    rig.ingest(0)
    for build in (build_anomaly_model, build_anomaly_scores, build_training_data):
        with pytest.raises(InputMissingError, match="user_features"):
            build(rig.stream, key(0), "a")
    build_user_features(rig.stream, key(0), "a")
    with pytest.raises(InputMissingError, match="no anomaly_model; materialize it"):
        build_anomaly_scores(rig.stream, key(0), "a")


def test_a_model_is_fitted_on_its_window_until_there_is_a_history(make_rig: RigFactory) -> None:
    rig = make_rig(detection={"min_training_windows": 2, "training_windows": 3})
    built(rig, range(6))
    trained = {
        hour: rig.stream.table("anomaly_model").commits()[key(hour)].details["training_windows"] for hour in range(6)
    }
    # The lookback of the first two windows is cut off by the beginning of the stream.
    assert trained == {0: 1, 1: 1, 2: 1, 3: 2, 4: 3, 5: 3}


def test_windows_that_can_still_grow_are_not_complete(rig: Rig) -> None:
    rig.produce_hours([0, 1], events=24)
    rig.keep(1)
    rig.ingest(0)
    rig.ingest(1, now=1.5)
    commits = rig.derive(0, 1)
    assert {asset: (c[0] and c[0].complete, c[1] and c[1].complete) for asset, c in commits.items()} == dict.fromkeys(
        DERIVED, (True, False)
    )


def test_training_data_is_a_folder_and_a_table_of_the_same_rows(rig: Rig) -> None:
    built(rig, range(2))
    commit = rig.stream.table("training_data").commits()[key(1)]
    folder = Path(commit.details["folder"])
    exported = pl.read_parquet(folder / "**/*.parquet", hive_partitioning=True)
    table = rig.stream.table("training_data").scan([key(1)]).collect()
    assert exported.height == table.height == commit.rows == 12
    assert set(exported["user"]) == set(table["user"])
    assert (folder / "_SUCCESS").exists()
    report = json.loads((folder / "anomaly_report.json").read_text())
    assert report["total_users"] == 12
    assert report["anomalous_users"] == table["is_anomaly"].sum() == commit.details["anomalous_users"]


def test_other_settings_are_other_definitions(make_rig: RigFactory) -> None:
    rig = make_rig()
    today = definition_hashes(rig.stream)
    detection = rig.settings.detection.model_copy(update={"trees": 7})
    changed = definition_hashes(Rig(rig.settings.model_copy(update={"detection": detection})).stream)
    assert {asset for asset in today if today[asset] != changed[asset]} == {"anomaly_model"}
    assert definition_hashes(rig.again().stream) == today


def test_a_change_between_the_hash_and_the_read_is_seen_by_the_plan(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The inputs hash is taken first: rows that are newer than it cost a second build, never a lost change."""
    rig.produce_hours([0], events=24)
    rig.keep(0.5)
    rig.ingest(0, now=0.5)

    def another_run_commits(stream: Stream, windows: Sequence[str]) -> list[str]:
        rig.produce_hours([0], events=30, partition=1)
        other = rig.again()
        other.keep(1)
        other.ingest(0)
        return missing_windows(stream, windows)

    monkeypatch.setattr(derive, "missing_windows", another_run_commits)
    build_user_features(rig.stream, key(0), "a")
    monkeypatch.undo()
    (request,) = rig.again().plan(1).requests
    assert (request.windows, request.assets) == ((key(0),), DERIVED_ASSETS)
    rig.obey(rig.plan(1), 1)
    assert rig.plan(1).requests == ()
    assert total_events(rig, 0) == 54
