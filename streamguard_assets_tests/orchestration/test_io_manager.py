"""The window IO manager under assets as people write them: exactly the windows of the run, whatever they return."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from dagster import (
    AssetIn,
    AssetKey,
    AssetsDefinition,
    BackfillPolicy,
    DagsterInstance,
    TimeWindowPartitionMapping,
    asset,
    materialize,
)
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from streamguard_assets.contracts.offsets import Boundary
from streamguard_assets.contracts.windows import window_start
from streamguard_assets.orchestration import io_manager
from streamguard_assets.orchestration.io_manager import WindowIOManager
from streamguard_assets.orchestration.partitions import window_partitions
from streamguard_assets.orchestration.resources import Streams
from streamguard_assets.settings import Settings
from streamguard_assets_tests.conftest import SettingsFactory

STREAM = "security"
WINDOWS = ["2026-01-01-00:00", "2026-01-01-01:00", "2026-01-01-02:00"]
Body = Callable[[list[str]], Any]


@pytest.fixture
def lake(brokerless_settings: SettingsFactory) -> Settings:
    return brokerless_settings(streams={STREAM: {"start": "2026-01-01T00:00:00Z"}}, ingest={"file_rows": 1_000})


def user_asset(settings: Settings, body: Body, name: str = "mine") -> AssetsDefinition:
    @asset(
        key=AssetKey([STREAM, name]),
        partitions_def=window_partitions(settings, STREAM),
        backfill_policy=BackfillPolicy.single_run(),
        io_manager_key="window_io_manager",
    )
    def mine(context):
        return body(list(context.partition_keys))

    return mine


def run(settings: Settings, windows: list[str], *assets: AssetsDefinition, select: str | None = None) -> Any:
    tags = {ASSET_PARTITION_RANGE_START_TAG: windows[0], ASSET_PARTITION_RANGE_END_TAG: windows[-1]}
    with DagsterInstance.ephemeral() as instance:
        return materialize(
            assets,
            instance=instance,
            tags=tags,
            resources={"window_io_manager": WindowIOManager(Streams(settings))},
            selection=None if select is None else [AssetKey([STREAM, select])],
        )


def stored(settings: Settings, name: str = "mine") -> dict[str, list[int]]:
    """The values of each window, ascending."""
    rows = Streams(settings).open(STREAM).user_table(name, None).scan().collect()
    return {w: sorted(part["n"].to_list()) for (w,), part in rows.partition_by("window", as_dict=True).items()}


def rows_of(windows: list[str], count: int = 3) -> pl.DataFrame:
    return pl.DataFrame([{"window": window, "n": n} for n in range(count) for window in windows])


RETURNS: dict[str, Body] = {
    "DataFrame": rows_of,
    "LazyFrame": lambda windows: rows_of(windows).lazy(),
    "Table": lambda windows: rows_of(windows).to_arrow(),
    "RecordBatchReader": lambda windows: rows_of(windows).to_arrow().to_reader(max_chunksize=2),
    "frames": lambda windows: [rows_of(windows).slice(offset, 2) for offset in range(0, 3 * len(windows), 2)],
}


@pytest.mark.parametrize("kind", RETURNS)
@pytest.mark.parametrize("count", [1, 3])
def test_one_and_many_windows_are_written_whatever_holds_the_rows(lake: Settings, kind: str, count: int) -> None:
    windows = WINDOWS[:count]
    result = run(lake, windows, user_asset(lake, RETURNS[kind]))
    assert stored(lake) == {window: [0, 1, 2] for window in windows}
    (events,) = [result.asset_materializations_for_node(node) for node in {e.node_name for e in result.all_node_events}]
    assert {e.partition: e.metadata["dagster/row_count"].value for e in events} == dict.fromkeys(windows, 3)


def test_a_window_that_is_written_again_leaves_its_neighbours_alone(lake: Settings) -> None:
    run(lake, WINDOWS, user_asset(lake, rows_of))
    run(lake, WINDOWS[1:2], user_asset(lake, lambda windows: pl.DataFrame({"n": [7]})))
    assert stored(lake) == {WINDOWS[0]: [0, 1, 2], WINDOWS[1]: [7], WINDOWS[2]: [0, 1, 2]}


def test_rows_of_a_window_that_still_fills_are_told_from_its_last(lake: Settings) -> None:
    stream = Streams(lake).open(STREAM)
    stream.ledger.insert_many([Boundary(window_start(w), {0: 0}, "topic-1") for w in WINDOWS[:2]], datetime.now(UTC))
    run(lake, WINDOWS[:2], user_asset(lake, rows_of))
    commits = stream.user_table("mine", None).commits()
    assert {window: commit.complete for window, commit in commits.items()} == {WINDOWS[0]: True, WINDOWS[1]: False}


def test_rows_of_a_closed_window_whose_events_are_not_in_the_lake_are_not_its_last(lake: Settings) -> None:
    stream = Streams(lake).open(STREAM)
    ends = zip(WINDOWS, (0, 5, 5), strict=True)  # the first window holds five offsets, the second none
    stream.ledger.insert_many([Boundary(window_start(w), {0: end}, "topic-1") for w, end in ends], datetime.now(UTC))
    run(lake, WINDOWS[:2], user_asset(lake, rows_of))
    commits = stream.user_table("mine", None).commits()
    assert {window: commit.complete for window, commit in commits.items()} == {WINDOWS[0]: False, WINDOWS[1]: True}


def test_a_window_for_which_no_row_came_is_empty_afterwards(lake: Settings) -> None:
    run(lake, WINDOWS, user_asset(lake, rows_of))
    run(lake, WINDOWS, user_asset(lake, lambda windows: rows_of(windows[:2])))
    assert set(stored(lake)) == set(WINDOWS[:2])
    run(lake, WINDOWS[:1], user_asset(lake, lambda windows: rows_of(windows, 0).lazy()))
    assert set(stored(lake)) == {WINDOWS[1]}


def test_no_rows_make_a_table_when_their_columns_are_known(lake: Settings) -> None:
    empty = pl.LazyFrame(schema={"window": pl.String, "n": pl.Int64})
    run(lake, WINDOWS, user_asset(lake, lambda windows: empty))
    assert stored(lake) == {}
    run(lake, WINDOWS, user_asset(lake, lambda windows: [], "unknown"))
    assert not Streams(lake).open(STREAM).user_table_exists("unknown")


@pytest.mark.parametrize("count", [1, 2])
def test_a_row_that_names_another_window_is_refused_and_nothing_is_written(lake: Settings, count: int) -> None:
    run(lake, WINDOWS, user_asset(lake, rows_of))
    with pytest.raises(ValueError, match=f"a row names the window '{WINDOWS[2]}', which is not of this run"):
        run(lake, WINDOWS[:count], user_asset(lake, lambda windows: rows_of([*windows, WINDOWS[2]], 5)))
    assert stored(lake) == {window: [0, 1, 2] for window in WINDOWS}


def test_rows_of_many_windows_must_say_where_they_belong(lake: Settings) -> None:
    with pytest.raises(ValueError, match="need a column 'window'"):
        run(lake, WINDOWS, user_asset(lake, lambda windows: pl.DataFrame({"n": [1]})))


def test_an_asset_that_fails_half_way_leaves_its_windows_as_they_were(lake: Settings) -> None:
    def breaks(windows: list[str]) -> pa.RecordBatchReader:
        def batches() -> Iterator[pa.RecordBatch]:
            yield from rows_of(windows, 2_000).to_arrow().to_batches()  # more than a file
            raise OSError("the source went away")

        return pa.RecordBatchReader.from_batches(rows_of(windows).to_arrow().schema, batches())

    run(lake, WINDOWS, user_asset(lake, rows_of))
    with pytest.raises(OSError, match="the source went away"):
        run(lake, WINDOWS, user_asset(lake, breaks))
    assert stored(lake) == {window: [0, 1, 2] for window in WINDOWS}


def test_rows_are_taken_as_they_come_and_not_collected_first(lake: Settings) -> None:
    """While the last batch is made, files of the first ones are on the disk already."""
    table = lake.state / "lake" / STREAM / "mine"
    files_seen: list[int] = []

    def reader(windows: list[str]) -> pa.RecordBatchReader:
        def batches() -> Iterator[pa.RecordBatch]:
            for _ in range(5):
                yield from rows_of(windows, 1_000).to_arrow().to_batches()
                files_seen.append(len(list(table.rglob("*.parquet"))))

        return pa.RecordBatchReader.from_batches(rows_of(windows).to_arrow().schema, batches())

    run(lake, WINDOWS[:2], user_asset(lake, reader))
    assert files_seen == [2, 4, 6, 8, 10]
    assert {window: len(values) for window, values in stored(lake).items()} == dict.fromkeys(WINDOWS[:2], 5_000)


def test_a_lazy_frame_is_computed_in_chunks(lake: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(io_manager, "CHUNK_ROWS", 100)
    frames = list(io_manager._frames(rows_of(WINDOWS, 100).lazy()))
    assert [frame.height for frame in frames] == [0, 100, 100, 100]


def test_inputs_are_the_windows_that_the_mapping_names(lake: Settings) -> None:
    before_and_own = TimeWindowPartitionMapping(
        start_offset=-1, end_offset=0, allow_nonexistent_upstream_partitions=True
    )

    @asset(
        key=AssetKey([STREAM, "reader"]),
        partitions_def=window_partitions(lake, STREAM),
        backfill_policy=BackfillPolicy.single_run(),
        ins={"mine": AssetIn(key=AssetKey([STREAM, "mine"]), partition_mapping=before_and_own)},
        io_manager_key="window_io_manager",
    )
    def reader(context, mine: pl.LazyFrame) -> pl.DataFrame:
        seen = sorted(mine.select("window").unique().collect()["window"])
        return pl.DataFrame({"n": [int(window[11:13]) for window in seen]})

    source = user_asset(lake, rows_of)
    run(lake, WINDOWS, source)
    run(lake, WINDOWS[2:], source, reader, select="reader")
    assert stored(lake, "reader") == {WINDOWS[2]: [1, 2]}
    run(lake, WINDOWS[:1], source, reader, select="reader")
    assert stored(lake, "reader")[WINDOWS[0]] == [0]


def test_an_input_that_was_never_materialized_is_named(lake: Settings) -> None:
    @asset(
        key=AssetKey([STREAM, "reader"]),
        partitions_def=window_partitions(lake, STREAM),
        ins={"mine": AssetIn(key=AssetKey([STREAM, "mine"]))},
        io_manager_key="window_io_manager",
    )
    def reader(mine: pl.LazyFrame) -> pl.LazyFrame:
        return mine

    with pytest.raises(ValueError, match="security/mine has no table yet; materialize it first"):
        run(lake, WINDOWS[:1], user_asset(lake, rows_of), reader, select="reader")


def test_an_asset_without_windows_is_refused(lake: Settings) -> None:
    @asset(key=AssetKey([STREAM, "whole"]), io_manager_key="window_io_manager")
    def whole() -> pl.DataFrame:
        return pl.DataFrame({"n": [1]})

    with pytest.raises(ValueError, match="partitioned by the stream's windows"):
        materialize([whole], resources={"window_io_manager": WindowIOManager(Streams(lake))})
