"""Questions to the lake in SQL: DuckDB over the active files of the Delta tables that a query names. Reads only.

Schemas are streams and tables are assets: ``select user, anomaly_score from security.anomaly_scores``. DuckDB never
opens a file itself: it asks Arrow datasets that were pinned to one version before the query, and may touch nothing
else (no files, no network, no Python variables). ``window`` is a reserved word of SQL: write ``"window"``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa

from streamguard_assets.lake import quarantine
from streamguard_assets.lake.arrow_files import arrow_dataset
from streamguard_assets.lake.catalog import LakeTable, lake_tables
from streamguard_assets.lake.errors import QueryError
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.lake.schema import WINDOW
from streamguard_assets.lake.tables import open_table
from streamguard_assets.lake.window_table import WindowTable

_EVENTS = "events"


def run_sql(location: LakeLocation, query: str) -> pl.DataFrame:
    """The rows that one SELECT gives. ``QueryError`` says what is wrong with it and lists the tables there are.

    Windows and columns that the query does not ask for are not read. ``<stream>.quarantine`` shows the rows that
    count, as ``Quarantine.scan`` does. Timestamps without a zone are taken as UTC.
    """
    with duckdb.connect() as connection:
        named = _named_tables(connection, query)
        tables = _resolved(location, named) if named else []
        for table in tables:
            _register(connection, location, table)
        _lock(connection)
        try:
            return _frame(connection.sql(query))
        except duckdb.Error as error:
            raise QueryError(str(error)) from error


def _named_tables(connection: duckdb.DuckDBPyConnection, query: str) -> set[tuple[str, str]]:
    """(schema, table) of every table that the query names, but for its own WITH clauses. Parses, runs nothing."""
    ((text,),) = connection.execute("select json_serialize_sql(?)", [query]).fetchall()
    tree: dict[str, Any] = json.loads(text)
    if tree["error"]:
        raise QueryError(f"this is not a SELECT that can be read: {tree['error_message']}")
    if len(tree["statements"]) != 1:
        raise QueryError(f"one SELECT at a time; there are {len(tree['statements'])}")
    nodes = list(_nodes(tree))
    own = {entry["key"] for node in nodes for entry in (node.get("cte_map") or {}).get("map", ())}
    named = {(node["schema_name"], node["table_name"]) for node in nodes if node.get("type") == "BASE_TABLE"}
    return {(schema, table) for schema, table in named if schema or table not in own}


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
        tree = list(tree.values())
    if isinstance(tree, list):
        for branch in tree:
            yield from _nodes(branch)


def _resolved(location: LakeLocation, named: set[tuple[str, str]]) -> list[LakeTable]:
    known = {table.sql_name.lower(): table for table in lake_tables(location)}
    unknown = sorted(_label(name) for name in named if _label(name).lower() not in known)
    if unknown:
        listed = (
            ", ".join(sorted(name for name, table in known.items() if not table.is_of_batch))
            or "none, the lake is empty"
        )
        of_batches = sum(table.is_of_batch for table in known.values())
        if of_batches:
            listed += f", and {of_batches} tables of batches, which `streamguard lake tables` lists"
        raise QueryError(f"there is no table {', '.join(unknown)}; the lake has (stream.asset): {listed}")
    return sorted({known[_label(name).lower()] for name in named})


def _label(name: tuple[str, str]) -> str:
    return f"{name[0]}.{name[1]}" if name[0] else name[1]


def _register(connection: duckdb.DuckDBPyConnection, location: LakeLocation, table: LakeTable) -> None:
    """A view ``<stream>.<name>`` over the table's files at its newest version."""
    delta = open_table(location.table(table.stream, table.asset), location.storage_options)
    source = f"__{table.stream}__{table.name}"
    connection.register(source, arrow_dataset(delta))
    rows = f"select * from {_quote(source)}"
    if table.asset == quarantine.ASSET:
        counting = f"{source}__counting"
        connection.register(counting, _counting(location, table.stream))
        rows += f" semi join {_quote(counting)} using ({_quote(WINDOW)}, {_quote(quarantine.ATTEMPT)})"
    connection.execute(f"create schema if not exists {_quote(table.stream)}")
    connection.execute(f"create view {_quote(table.stream)}.{_quote(table.name)} as {rows}")


def _counting(location: LakeLocation, stream: str) -> pa.Table:
    """Window and attempt of every commit of the stream's events."""
    commits = WindowTable(location, stream, _EVENTS, pa.schema([])).commits()
    attempts: Mapping[str, str] = {window: commit.attempt for window, commit in commits.items()}
    return pa.table(
        {WINDOW: list(attempts), quarantine.ATTEMPT: list(attempts.values())},
        schema=pa.schema([(WINDOW, pa.string()), (quarantine.ATTEMPT, pa.string())]),
    )


def _lock(connection: duckdb.DuckDBPyConnection) -> None:
    """From here on the query can reach what was registered, and nothing else."""
    connection.execute("set TimeZone = 'UTC'")
    connection.execute("set python_enable_replacements = false")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")


def _frame(relation: duckdb.DuckDBPyRelation) -> pl.DataFrame:
    frame = pl.from_arrow(relation.to_arrow_table())
    return frame if isinstance(frame, pl.DataFrame) else frame.to_frame()


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
