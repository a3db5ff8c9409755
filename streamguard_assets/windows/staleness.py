"""Which windows are not what they should be: each asset's newest commit compared with its inputs of today.

Says *what* is stale and *why*; whether and when a run is asked for is decided in ``planning``.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

from streamguard_assets.contracts.offsets import OffsetRange
from streamguard_assets.contracts.windows import EPOCH, Cadence, window_key, window_start
from streamguard_assets.windows.inputs import EVENTS, WindowAsset, combine_digests, input_digest
from streamguard_assets.windows.requests import fingerprint
from streamguard_assets.windows.view import Built, LedgerWindow, PlanPolicy, StreamView


@dataclass(frozen=True, slots=True)
class StaleAsset:
    """An asset of a window that must be built, with nothing it reads in that window stale before it.

    ``has_inputs`` is False while nothing of its lookback is in the lake: it can be built only after a window that is
    still to come, and not at all if none is.
    """

    asset: str
    fingerprint: str
    reason: str
    has_inputs: bool = True


@dataclass(frozen=True, slots=True)
class StaleWindow:
    """A window that needs a run. ``index`` counts windows of the cadence since 1970; ``range`` is None if empty."""

    index: int
    key: str
    closed: bool
    range: OffsetRange | None
    roots: tuple[StaleAsset, ...]


@lru_cache(maxsize=200_000)
def window_index(key: str, cadence: Cadence) -> int:
    """How many windows of ``cadence`` began between 1970 and ``key``."""
    return (window_start(key) - EPOCH) // cadence.length


@lru_cache(maxsize=200_000)
def key_of_index(index: int, cadence: Cadence) -> str:
    return window_key(EPOCH + index * cadence.length)


def stale_windows(view: StreamView, policy: PlanPolicy) -> list[StaleWindow]:
    """Every window with a stale asset, oldest first."""
    comparison = _Comparison(view, policy)
    found = []
    for window in comparison.candidates():
        roots = tuple(comparison.roots(window))
        if roots:
            held = window.ledger.range if window.ledger else None
            found.append(StaleWindow(window.index, window.key, window.closed, held, roots))
    return found


def outdated_windows(view: StreamView, policy: PlanPolicy) -> dict[str, tuple[str, ...]]:
    """By asset, the windows that an older definition built; only assets that have some."""
    outdated = {}
    for asset, definition in policy.definitions.items():
        commits = view.built.get(asset, {})
        if keys := sorted(key for key, built in commits.items() if built.definition_hash != definition):
            outdated[asset] = tuple(keys)
    return outdated


def same_range(one: OffsetRange, other: OffsetRange) -> bool:
    """Whether two ranges cover the same offsets; partitions without offsets do not count."""
    return one == other or one.without_empty() == other.without_empty()


def growth_level(span: int, growth: float) -> int:
    """The step that an open window has reached: a window passes one step each time it grows by ``growth``.

    It stands for the end offsets in the fingerprint of an open window, whose ends differ at every tick: a failing
    window would otherwise never be recognised and be tried again at every tick.
    """
    return math.floor(math.log(span, 1 + growth))


@dataclass(frozen=True, slots=True)
class _Window:
    index: int
    key: str
    closed: bool
    ledger: LedgerWindow | None


class _Inputs(NamedTuple):
    """What an asset of a window reads: the sum of digests, how many are present, how many of these are incomplete."""

    total: int
    present: int
    incomplete: int


class _Comparison:
    """One pass over the windows of a view."""

    def __init__(self, view: StreamView, policy: PlanPolicy) -> None:
        self._view = view
        self._policy = policy
        self._open_index = (view.closed_until - EPOCH) // view.cadence.length
        lookback_reads = {name for asset in policy.graph if asset.lookback for name in asset.reads}
        self._sliding = {name: _SlidingInputs(name, view) for name in lookback_reads}

    def candidates(self) -> Iterator[_Window]:
        """Windows with offsets, and after each the closed empty windows whose lookback still holds it."""
        cadence, reach = self._view.cadence, self._policy.lookback_windows
        emptied_to = 0  # one past the last index that was given out
        last: int | None = None
        for ledger in self._view.windows:
            # Equal dicts are compared in C: a year of windows × 100 partitions passes in a tick.
            if ledger.range.starts == ledger.range.ends:
                continue
            index = window_index(ledger.key, cadence)
            if last is not None:
                yield from self._empty_windows(emptied_to, min(last + reach, index))
            yield _Window(index, ledger.key, ledger.closed, ledger)
            last, emptied_to = index, index + 1
        if last is not None:
            yield from self._empty_windows(emptied_to, min(last + reach, self._open_index))

    def _empty_windows(self, first: int, end: int) -> Iterator[_Window]:
        for index in range(first, end):
            yield _Window(index, key_of_index(index, self._view.cadence), True, None)

    def roots(self, window: _Window) -> Iterator[StaleAsset]:
        stale: set[str] = set()
        for asset in self._policy.graph:
            if not stale.isdisjoint(asset.reads):
                stale.add(asset.name)
                continue
            root = self._events(window) if asset.name == EVENTS else self._derived(asset, window)
            if root is not None:
                stale.add(asset.name)
                yield root

    def _events(self, window: _Window) -> StaleAsset | None:
        if window.ledger is None or self._is_lost(window.ledger):
            return None
        built = self._view.built.get(EVENTS, {}).get(window.key)
        reason = self._why_events(window.ledger, built)
        if reason is None:
            return None
        span, definition = window.ledger.range.span, self._policy.definitions[EVENTS]
        held = window.ledger.range.without_empty()
        target = held.to_json() if window.closed else growth_level(span, self._policy.open_window_growth)
        lost = self._view.lost_offsets.get(window.key, 0)
        return self._root(EVENTS, window, reason, True, target, definition, lost)

    def _is_lost(self, window: LedgerWindow) -> bool:
        """All of it is in acknowledged gaps: there is nothing to read, and a person has said to go on without."""
        lost = self._view.lost_offsets.get(window.key, 0)
        return lost > 0 and lost >= window.range.span

    def _why_events(self, window: LedgerWindow, built: Built | None) -> str | None:
        if built is None or built.range is None:
            return "never built"
        if window.closed and not (built.complete and same_range(built.range, window.range)):
            return "closed"
        if not window.closed:
            grown = window.range.span - built.range.span
            if grown > 0 and grown >= self._policy.open_window_growth * built.range.span:
                return "grown"
        return self._why_definition(EVENTS, built)

    def _derived(self, asset: WindowAsset, window: _Window) -> StaleAsset | None:
        built = self._view.built.get(asset.name, {}).get(window.key)
        definition, lookback = self._policy.definitions[asset.name], self._policy.lookback_windows
        if built is not None and not self._policy.rebuild_history:
            definition, lookback = built.definition_hash, built.lookback_windows or lookback
        inputs = self._lookback_inputs(asset, window, lookback) if asset.lookback else self._own_inputs(asset, window)
        if inputs is None:
            return None
        expected = combine_digests(inputs.total, definition, lookback if asset.lookback else 1)
        complete = window.closed and inputs.incomplete == 0
        reason = self._why_derived(asset, built, expected, complete)
        return (
            None if reason is None else self._root(asset.name, window, reason, inputs.present > 0, expected, complete)
        )

    def _lookback_inputs(self, asset: WindowAsset, window: _Window, lookback: int) -> _Inputs:
        first, last = window.index - lookback + 1, window.index
        parts = [self._sliding[name].inputs(first, last) for name in asset.reads]
        return _Inputs(*(sum(column) for column in zip(*parts, strict=True)))

    def _own_inputs(self, asset: WindowAsset, window: _Window) -> _Inputs | None:
        total = incomplete = 0
        for name in asset.reads:
            built = self._view.built.get(name, {}).get(window.key)
            if built is None:
                return None
            total += input_digest(name, window.key, built.content_hash)
            incomplete += not built.complete
        return _Inputs(total, len(asset.reads), incomplete)

    def _why_derived(self, asset: WindowAsset, built: Built | None, expected: str, complete: bool) -> str | None:
        if built is None:
            return "never built"
        if built.inputs_hash != expected:
            return "inputs changed"
        if complete and not built.complete:
            return "closed"
        return self._why_definition(asset.name, built)

    def _why_definition(self, asset: str, built: Built) -> str | None:
        changed = built.definition_hash != self._policy.definitions[asset]
        return "definition changed" if changed and self._policy.rebuild_history else None

    def _root(self, asset: str, window: _Window, reason: str, has_inputs: bool, *target: object) -> StaleAsset:
        # What is replaced is no part of the name. It would let rows go from A to B and back to A any number of times,
        # but also a run that records a wrong hash be asked for at every tick: one name, a bounded number of runs.
        parts = (self._view.stream, window.key, window.closed, asset, target, self._policy.code_version)
        return StaleAsset(asset, fingerprint(*parts), reason, has_inputs)


class _SlidingInputs:
    """The commits of an asset over any span of windows, by prefix sums."""

    def __init__(self, asset: str, view: StreamView) -> None:
        commits: Mapping[str, Built] = view.built.get(asset, {})
        held = sorted((window_index(key, view.cadence), key) for key in commits)
        self._indexes = [index for index, _ in held]
        digests = (input_digest(asset, key, commits[key].content_hash) for _, key in held)
        self._totals = list(accumulate(digests, initial=0))
        self._incomplete = list(accumulate((not commits[key].complete for _, key in held), initial=0))

    def inputs(self, first: int, last: int) -> _Inputs:
        """The commits of the windows from ``first`` to ``last``, both included."""
        low, high = bisect_left(self._indexes, first), bisect_left(self._indexes, last + 1)
        total = self._totals[high] - self._totals[low]
        return _Inputs(total, high - low, self._incomplete[high] - self._incomplete[low])
