"""Tables are found and read wherever the lake's folder is."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from streamguard_assets.contracts.windows import Cadence
from streamguard_assets.lake.ledger import Ledger
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets.lake.sql import run_sql
from streamguard_assets_tests.lake.samples import boundary, commit_of, counts, events, hour, rows


def test_a_lake_in_a_folder_with_spaces_and_signs_is_read_like_any_other(tmp_path: Path) -> None:
    location = LakeLocation(str(tmp_path / "my lake ü #1 50%"))
    table = events(location)
    for index in range(3):
        table.write(rows(10 + index), commit_of(hour(index)))
    table.write(rows(5), commit_of(hour(1), "second"))
    assert counts(table) == {hour(0): 10, hour(1): 5, hour(2): 12}
    assert table.scan([hour(1)]).select(pl.len()).collect().item() == 5
    assert table.scan([hour(1)]).collect().schema == table.scan([hour(1)]).collect_schema()
    assert run_sql(location, "select count(*) as n from security.events")["n"].to_list() == [27]


def test_the_ledger_of_such_a_lake_survives_a_restart(tmp_path: Path) -> None:
    location = LakeLocation(str(tmp_path / "my lake"))
    ledger = Ledger(location, "security", "topic", Cadence())
    ledger.insert(boundary(0, 1, 2), boundary(0).instant)
    assert Ledger(location, "security", "topic", Cadence()).last() == boundary(0, 1, 2)
