"""What one window of an asset is built from, and the hash that says so.

The plan asks "what would this window be built from now?", the asset records "this is what I read"; both call the
functions here, so that the two can only differ when the inputs do. Content enters by its hash, never a table
version or a time of a run: building the same rows again changes nothing downstream.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

from streamguard_assets.contracts.offsets import OffsetRange
from streamguard_assets.contracts.windows import Cadence
from streamguard_assets.windows.graph import Graph, Reach, planned_assets

EVENTS = "events"

_DIGEST_BYTES = 16
_DIGEST_MODULUS = 2 ** (8 * _DIGEST_BYTES)


@dataclass(frozen=True)
class WindowAsset:
    """One asset of a stream's graph: which assets its window reads.

    ``lookback`` says that it reads every window of the lookback, its own included; else only its own window.
    """

    name: str
    reads: tuple[str, ...]
    lookback: bool = False


def window_graph(graph: Graph) -> tuple[WindowAsset, ...]:
    """``events`` and what is derived from it, in build order, as the planner reads a stream's graph.

    What rides along (``quarantine`` with ``events``) has no state of its own. ``Reach.TRAINING`` is read as the own
    window: the training windows are pinned when a model is fitted and are no input afterwards. Were they inputs, one
    late window would refit the models of the next 168 and score them all again; as it is, a model is fitted again
    only when the features of its own window change, so a late window reaches exactly its lookback.
    """
    names = planned_assets(graph)
    return tuple(
        WindowAsset(
            name,
            tuple(parent for parent in graph[name].parents if parent in names),
            lookback=Reach.LOOKBACK in graph[name].parents.values(),
        )
        for name in names
    )


def events_inputs_hash(offset_range: OffsetRange, contract_hash: str) -> str:
    """Hash of what a window of ``events`` is built from: the offsets that it covers and the contract.

    Partitions without offsets in the range do not count: a partition added later must not change older windows.
    """
    held = offset_range.without_empty()
    document = {"range": held.to_json(), "contract": contract_hash}
    return _hexdigest(json.dumps(document, sort_keys=True))


def derived_inputs(asset: WindowAsset, window: str, cadence: Cadence, lookback_windows: int) -> list[tuple[str, str]]:
    """``(asset, window)`` of everything that ``asset`` reads for ``window``, oldest first; some may not exist."""
    windows = cadence.lookback(window, lookback_windows) if asset.lookback else [window]
    return [(read, key) for read in asset.reads for key in windows]


def derived_inputs_hash(
    asset: WindowAsset, definition_hash: str, lookback_windows: int, content_hashes: Mapping[tuple[str, str], str]
) -> str:
    """Hash of what a window of a derived asset is built from.

    Args:
        asset: the asset.
        definition_hash: hash of what it computes (feature definitions, model settings, …).
        lookback_windows: the length of the lookback; ignored by an asset that reads only its own window.
        content_hashes: content hash of each input that exists, by ``(asset, window)`` as ``derived_inputs``
            names them. Inputs that do not exist (empty, lost, given up) are left out, so that the hash changes when
            they come into being.
    """
    total = sum(input_digest(name, window, content) for (name, window), content in content_hashes.items())
    return combine_digests(total, definition_hash, lookback_windows if asset.lookback else 1)


def read_inputs_hash(
    asset: WindowAsset,
    window: str,
    cadence: Cadence,
    lookback_windows: int,
    definition_hash: str,
    built: Mapping[str, Mapping[str, str]],
) -> str:
    """The hash that an asset records with its commit, from the content hashes of the commits that it read.

    Args:
        asset, window, cadence, lookback_windows, definition_hash: as for ``derived_inputs_hash``.
        built: for each asset that is read, the content hash of each window that exists; others are ignored.
    """
    wanted = derived_inputs(asset, window, cadence, lookback_windows)
    found = {(name, key): built[name][key] for name, key in wanted if key in built.get(name, {})}
    return derived_inputs_hash(asset, definition_hash, lookback_windows, found)


@lru_cache(maxsize=200_000)
def input_digest(asset: str, window: str, content_hash: str) -> int:
    """One input as a number below 2^128. Digests of a set of inputs are added, so a lookback can slide: a year of
    hourly windows is compared in one pass and not 24 times over."""
    digest = blake2b(f"{asset}|{window}|{content_hash}".encode(), digest_size=_DIGEST_BYTES).digest()
    return int.from_bytes(digest, "big")


def combine_digests(total: int, definition_hash: str, lookback_windows: int) -> str:
    """The inputs hash of a sum of input digests under a definition and a lookback."""
    return _hexdigest(f"{definition_hash}|{lookback_windows}|{total % _DIGEST_MODULUS:032x}")


def downstream(graph: Iterable[WindowAsset], roots: Iterable[str]) -> tuple[str, ...]:
    """``roots`` and all that reads them, directly or not, in the order of ``graph``."""
    reached = set(roots)
    ordered: list[str] = []
    for asset in graph:
        if asset.name in reached or reached.intersection(asset.reads):
            reached.add(asset.name)
            ordered.append(asset.name)
    return tuple(ordered)


def _hexdigest(text: str) -> str:
    return blake2b(text.encode(), digest_size=_DIGEST_BYTES).hexdigest()
