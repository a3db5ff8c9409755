"""Every asset of the graph has its columns, and its lineage names columns that exist."""

from __future__ import annotations

import pytest

from streamguard_assets.contracts.security import SECURITY
from streamguard_assets.windows.graph import assets_of_run
from streamguard_assets.windows.lineage import column_sources
from streamguard_assets.windows.tables import RUN_DEPENDENT_COLUMNS, table_schema
from streamguard_assets_tests.windows.graphs import DERIVED_ASSETS, GRAPH


@pytest.mark.parametrize("asset", GRAPH)
def test_every_asset_has_columns_and_a_description(asset: str) -> None:
    assert "window" in table_schema(asset, SECURITY).names
    assert GRAPH[asset].description


def test_an_asset_that_is_not_there_is_refused() -> None:
    with pytest.raises(KeyError, match="no asset 'alerts'"):
        table_schema("alerts", SECURITY)


@pytest.mark.parametrize("asset", GRAPH)
def test_lineage_names_columns_that_exist(asset: str) -> None:
    columns = set(table_schema(asset, SECURITY).names)
    for column, sources in column_sources(asset, SECURITY).items():
        assert column in columns
        for parent, source in sources:
            assert parent in GRAPH[asset].parents
            assert source in table_schema(parent, SECURITY).names


def test_columns_that_depend_on_the_run_exist() -> None:
    for asset, columns in RUN_DEPENDENT_COLUMNS.items():
        assert set(columns) <= set(table_schema(asset, SECURITY).names)


def test_parents_come_before_their_children() -> None:
    order = list(GRAPH)
    for name, node in GRAPH.items():
        assert all(order.index(parent) < order.index(name) for parent in node.parents)


def test_a_run_takes_along_what_belongs_to_its_assets() -> None:
    assert assets_of_run(GRAPH, ["events", *DERIVED_ASSETS]) == list(GRAPH)
    assert assets_of_run(GRAPH, ["anomaly_scores"]) == ["anomaly_scores", "summary"]
    assert assets_of_run(GRAPH, ["user_features"]) == ["user_features"]
