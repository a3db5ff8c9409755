"""By which version of the contract the live rows of which offsets were judged; kept in the state of ``live/events``.

A new version of the contract may judge the same bytes otherwise. Windows are built anew with it, live rows stay as they
are; content can be compared only where both were judged by the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streamguard_assets.contracts.offsets import Offsets
from streamguard_assets.lake.live.state import LiveState, Spans

CONTRACTS = "contracts"
"""Detail of ``live/events``: per version of the contract, oldest first, the offsets from which on it judged."""


def judged_by(state: LiveState, contract_hash: str) -> dict[str, Any]:
    """The details of a commit whose rows, from the positions of ``state`` on, were judged by ``contract_hash``.

    Versions of which the table holds no row any more are forgotten.
    """
    known = _known(state)
    if not known or known[-1]["contract"] != contract_hash:
        since = {str(partition): offset for partition, offset in state.positions.items()}
        known.append({"topic_id": state.topic_id, "contract": contract_hash, "since": since})
    ends = [_since(entry) for entry in known[1:]]
    still = [any(end.get(p, 0) > first for p, (first, _) in state.held.items()) for end in ends]
    kept = [entry for entry, is_held in zip(known, [*still, True], strict=True) if is_held]
    return {**state.details, CONTRACTS: kept}


def judged_otherwise(state: LiveState, contract_hash: str) -> Spans:
    """The offsets that the table holds and that another version than ``contract_hash`` judged.

    None, where the state does not tell: then every difference is one.
    """
    known = _known(state)
    spans: dict[int, list[tuple[int, int]]] = {}
    for number, entry in enumerate(known):
        if entry["contract"] == contract_hash:
            continue
        begins, ends = _since(entry), _since(known[number + 1]) if number + 1 < len(known) else {}
        for partition, (first, end) in state.held.items():
            low = max(first, begins.get(partition, 0))
            # A partition that was added later was not there for the version after this one to begin in: it is its own.
            high = min(end, ends.get(partition, 0 if ends else end))
            if low < high:
                spans.setdefault(partition, []).append((low, high))
    return {partition: tuple(parts) for partition, parts in spans.items()}


def _known(state: LiveState) -> list[Mapping[str, Any]]:
    """The entries of the topic that the table is of now."""
    return [entry for entry in state.details.get(CONTRACTS, ()) if entry["topic_id"] == state.topic_id]


def _since(entry: Mapping[str, Any]) -> Offsets:
    return {int(partition): offset for partition, offset in entry["since"].items()}
