"""Which Delta tables the lake holds, and what each is called in SQL."""

from __future__ import annotations

from dataclasses import dataclass

from streamguard_assets.lake.errors import TableMissing
from streamguard_assets.lake.files import FileStore
from streamguard_assets.lake.location import LakeLocation

_GROUPS = ("analyses", "rollups")
"""Folders of tables that are named in SQL without the folder: ``transactions.revenue_by_category``."""

_BATCHES = "batches"
_RESULTS = "aggregated"
"""Tables of a batch are named after its id, with underscores: SQL takes a hyphen for a minus. Results go without
their folder: ``transactions.batch_20260131_0a1b2c3d_revenue_by_category``."""

PARTIALS = "partials"
"""Folder of tables that hold what results are put together from, and that nobody need read."""

_LIVE = "live"
"""Folder of the tables that a running stream writes and its own job cares for: ``security.live_events``."""

_LOG = "_delta_log"


@dataclass(frozen=True, order=True)
class LakeTable:
    """One table: its stream, its asset as a path (``live/events``) and its name in SQL (``live_events``)."""

    stream: str
    asset: str

    @property
    def is_of_batch(self) -> bool:
        """Whether it belongs to one batch; there may be thousands of them."""
        return self.asset.startswith(f"{_BATCHES}/") and self.asset.count("/") > 1

    @property
    def is_partial(self) -> bool:
        """Whether it holds intermediate results only."""
        return PARTIALS in self.asset.split("/")

    @property
    def is_live(self) -> bool:
        """Whether the stream job writes it. Its commits carry the state of the stream, so no other care may commit."""
        return self.asset.startswith(f"{_LIVE}/")

    @property
    def name(self) -> str:
        parts = self.asset.split("/")
        if self.is_of_batch:
            batch_id, *rest = parts[1:]
            return "_".join([batch_id.replace("-", "_"), *(part for part in rest if part != _RESULTS)])
        return "_".join(parts[1:] if parts[0] in _GROUPS and len(parts) > 1 else parts)

    @property
    def sql_name(self) -> str:
        return f"{self.stream}.{self.name}"


def lake_tables(location: LakeLocation) -> list[LakeTable]:
    """Every Delta table of the lake, sorted; none when the lake is empty or not there."""
    store = FileStore(location.uri, location.storage_options)
    return sorted(
        LakeTable(stream, asset)
        for stream in store.folders()
        if not stream.startswith(("_", "."))
        for asset in _tables_below(store, stream, "")
    )


def live_tables(location: LakeLocation, stream: str) -> list[LakeTable]:
    """The live tables that ``stream`` has, sorted; a look into its own folder only."""
    store = FileStore(location.uri, location.storage_options)
    return sorted(LakeTable(stream, f"{_LIVE}/{name}") for name in _tables_below(store, f"{stream}/{_LIVE}", ""))


def named_table(location: LakeLocation, name: str) -> LakeTable:
    """The table that ``name`` means: ``stream/asset``, or its name in SQL in any case.

    Raises ``TableMissing`` with the names there are.
    """
    known = lake_tables(location)
    for table in known:
        if name in (f"{table.stream}/{table.asset}", table.sql_name) or name.lower() == table.sql_name:
            return table
    listed = ", ".join(table.sql_name for table in known) or "none, the lake is empty"
    raise TableMissing(f"there is no table {name!r}; the lake has: {listed}")


def _tables_below(store: FileStore, stream: str, prefix: str) -> list[str]:
    found = []
    for folder in store.folders(f"{stream}/{prefix}".rstrip("/")):
        if folder.startswith(("_", ".")) or "=" in folder:
            continue
        asset = f"{prefix}{folder}"
        if _LOG in store.folders(f"{stream}/{asset}"):
            found.append(asset)
        else:
            found.extend(_tables_below(store, stream, f"{asset}/"))
    return found
