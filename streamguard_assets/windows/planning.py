"""The plan of a stream: which runs to ask for now, by comparing what is with what should be.

Pure and level-triggered: a plan has no memory and no cursor, so a lost cursor, a daemon that restarts or a tick that
never came cannot lose work; what is missing is still missing at the next look. In return everything that must not
be asked for twice is visible here: what is built, what is under way, what has been tried.

The rules, beside those of ``staleness`` (what must be built):

- *Whole windows.* A stale asset takes everything downstream of it along, in one run of the window.
- *Order.* Rows over a lookback are asked for only when each window of the lookback is settled (built, empty, given
  up, out of reach) or is built before it in the same run. So the backlog goes oldest first, one run after the other,
  and a window that fails for good does not stop the ones after it.
- *No starving.* The open window and the newest closed one never wait for a backlog: their events are asked for at once
  and alone, their derived rows follow when the backlog has reached them. They are also first in line.
- *Retries.* One content is tried ``max_attempts`` times, after growing waits, in ever smaller runs and the last time
  alone: a window that kills its run must not take its neighbours with it. Then it is shown as exhausted. New offsets,
  an acknowledged gap, a new contract or new code make it another content.
- *The open window* is asked for when it has grown by a quarter, so all the work on it is linear in its size.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from streamguard_assets.contracts.offsets import OffsetRange
from streamguard_assets.contracts.windows import EPOCH
from streamguard_assets.windows.inputs import EVENTS, downstream
from streamguard_assets.windows.requests import Request, run_key
from streamguard_assets.windows.staleness import (
    StaleAsset,
    StaleWindow,
    outdated_windows,
    stale_windows,
    window_index,
)
from streamguard_assets.windows.view import PlanPolicy, StreamView

RETRY_WAIT_FACTOR: Final = 4
RETRY_RUN_DIVISOR: Final = 8
"""A second attempt takes this many times fewer windows into one run."""

FRESH_WINDOWS: Final = 2
"""The open window and the newest closed one."""


@dataclass(frozen=True)
class Exhausted:
    """One content of one window that is left to a person: tried as often as the policy allows."""

    window: str
    asset: str
    attempts: int
    reason: str


@dataclass(frozen=True)
class Waiting:
    """A window that is stale and not asked for now, with why."""

    window: str
    assets: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Plan:
    """What to do now, and what is not done and why.

    Attributes:
        requests: runs to ask for, the most urgent first.
        waiting: stale windows that a later plan will ask for.
        exhausted: windows that were given up until something changes; show them.
        blocked: stale windows whose offsets are out of reach, with the view's text.
        outdated: by asset, windows that an older definition built and that stay as they are.
    """

    requests: tuple[Request, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    exhausted: tuple[Exhausted, ...] = ()
    blocked: Mapping[str, str] = field(default_factory=dict)
    outdated: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def plan(view: StreamView, policy: PlanPolicy) -> Plan:
    """The runs that would bring the stream from what it is to what it should be.

    Args:
        view: the state of the stream now.
        policy: how it is planned.

    Returns:
        A plan; with nothing new since the last one, and its runs finished, a plan without requests.

    Raises:
        ValueError: the policy has no definition of an asset of its graph.
    """
    if unknown := [asset.name for asset in policy.graph if asset.name not in policy.definitions]:
        raise ValueError(f"the plan of stream {view.stream!r} has no definition hash of {', '.join(unknown)}")
    triage = _Triage(view, policy)
    for window in stale_windows(view, policy):
        triage.sort(window)
    grouping = _Grouping(view, policy, triage.unsettled_indexes())
    for wanted in triage.wanted:
        grouping.add(wanted)
    groups, deferred = _most_urgent(grouping, view, policy)
    return Plan(
        requests=tuple(_request(group, view) for group in groups),
        waiting=(*triage.waiting, *grouping.held, *deferred),
        exhausted=tuple(triage.exhausted),
        blocked=triage.blocked,
        outdated=outdated_windows(view, policy),
    )


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A window that may be asked for now as far as it alone is concerned."""

    index: int
    key: str
    range: OffsetRange | None
    assets: tuple[str, ...]
    attempt: int
    roots: tuple[StaleAsset, ...]


class _Triage:
    """Sorts stale windows: wanted now, waiting, given up, out of reach."""

    def __init__(self, view: StreamView, policy: PlanPolicy) -> None:
        self._view = view
        self._policy = policy
        self._busy = {window for run in view.in_flight for window in run.windows}
        reading = (run for run in view.in_flight if EVENTS in run.assets)
        self._unsettled = {window_index(key, view.cadence) for run in reading for key in run.windows}
        self.wanted: list[_Wanted] = []
        self.waiting: list[Waiting] = []
        self.exhausted: list[Exhausted] = []
        self.blocked: dict[str, str] = {}

    def unsettled_indexes(self) -> list[int]:
        """Windows whose events are still to come: under way, wanted now, or to be tried again."""
        return sorted(self._unsettled)

    def sort(self, window: StaleWindow) -> None:
        if window.key in self._busy:
            # Also if the run under way does not cover what is stale: its result may be an input of it.
            self._wait(window, window.roots, "a run of this window is under way")
            return
        eligible, refused = self._eligible(window)
        assets = set(self._closure(eligible)) - set(self._closure(refused))
        if not assets:
            return
        if any(root.asset == EVENTS for root in eligible):
            self._unsettled.add(window.index)
        ordered = tuple(asset.name for asset in self._policy.graph if asset.name in assets)
        attempt = max(self._tried(root) for root in eligible)
        self.wanted.append(_Wanted(window.index, window.key, window.range, ordered, attempt, tuple(eligible)))

    def _eligible(self, window: StaleWindow) -> tuple[list[StaleAsset], list[StaleAsset]]:
        eligible: list[StaleAsset] = []
        refused: list[StaleAsset] = []
        for root in window.roots:
            if root.asset == EVENTS and window.key in self._view.blocked:
                self.blocked[window.key] = self._view.blocked[window.key]
                refused.append(root)
            elif self._tried(root) >= self._policy.max_attempts:
                reason = self._view.attempts[root.fingerprint].reason
                self.exhausted.append(Exhausted(window.key, root.asset, self._tried(root), reason))
                refused.append(root)
            elif self._rests(root):
                self._wait(window, [root], f"attempt {self._tried(root) + 1} follows after a wait")
                refused.append(root)
            else:
                eligible.append(root)
        return eligible, refused

    def _tried(self, root: StaleAsset) -> int:
        attempts = self._view.attempts.get(root.fingerprint)
        return attempts.count if attempts else 0

    def _rests(self, root: StaleAsset) -> bool:
        attempts = self._view.attempts.get(root.fingerprint)
        if attempts is None:
            return False
        wait = self._policy.retry_wait * RETRY_WAIT_FACTOR ** (attempts.count - 1)
        return self._view.now < attempts.last_finished_at + wait

    def _wait(self, window: StaleWindow, roots: Sequence[StaleAsset], reason: str) -> None:
        if any(root.asset == EVENTS for root in roots):
            self._unsettled.add(window.index)
        self.waiting.append(Waiting(window.key, self._closure(roots), reason))

    def _closure(self, roots: Iterable[StaleAsset]) -> tuple[str, ...]:
        return downstream(self._policy.graph, [root.asset for root in roots])


@dataclass(slots=True)
class _Group:
    """Contiguous windows that one run will build."""

    assets: tuple[str, ...]
    attempt: int
    windows: list[_Wanted]

    @property
    def first(self) -> int:
        return self.windows[0].index

    @property
    def last(self) -> int:
        return self.windows[-1].index


class _Grouping:
    """Puts wanted windows, oldest first, into as few runs as the order of lookbacks allows."""

    def __init__(self, view: StreamView, policy: PlanPolicy, unsettled: list[int]) -> None:
        self._policy = policy
        self._unsettled = unsettled
        self._fresh_from = (view.closed_until - EPOCH) // view.cadence.length + 1 - FRESH_WINDOWS
        readers = [asset.name for asset in policy.graph if asset.lookback]
        self._over_lookback = set(downstream(policy.graph, readers))
        self._lookback_readers = set(readers)
        self.groups: list[_Group] = []
        self.held: list[Waiting] = []

    def is_fresh(self, index: int) -> bool:
        return index >= self._fresh_from

    def add(self, wanted: _Wanted) -> None:
        group = self.groups[-1] if self.groups else None
        if group and self._has_room(group, wanted) and self._may_follow(group, wanted):
            group.windows.append(wanted)
            return
        assets = wanted.assets
        if not self._lookback_readers.isdisjoint(assets) and self._is_unsettled_before(wanted.index, wanted.index):
            assets = tuple(name for name in assets if name not in self._over_lookback)
            if not assets or not self._may_go_ahead(wanted):
                self.held.append(Waiting(wanted.key, wanted.assets, "older windows of its lookback come first"))
                return
        elif not all(root.has_inputs for root in wanted.roots):
            return  # Every window of its lookback was given up or is lost: there is nothing to build it from.
        if group and self._has_room(group, wanted) and group.assets == assets and assets != wanted.assets:
            group.windows.append(wanted)
        else:
            self.groups.append(_Group(assets, wanted.attempt, [wanted]))

    def _has_room(self, group: _Group, wanted: _Wanted) -> bool:
        contiguous = wanted.index == group.last + 1
        return contiguous and wanted.attempt == group.attempt and len(group.windows) < self._most_windows(group.attempt)

    def _most_windows(self, attempt: int) -> int:
        if attempt == 0:
            return self._policy.max_windows_per_run
        if attempt >= self._policy.max_attempts - 1:
            return 1
        return max(1, self._policy.max_windows_per_run // RETRY_RUN_DIVISOR)

    def _may_follow(self, group: _Group, wanted: _Wanted) -> bool:
        """Whether the run of ``group`` can build all that ``wanted`` needs after its own windows."""
        # An empty window between two others joins a run that reads events: it has none to read, and the run would
        # otherwise be cut there, which turns the backlog of a sparse topic into hundreds of runs.
        fits = wanted.assets == group.assets or (wanted.range is None and set(wanted.assets) <= set(group.assets))
        if not fits:
            return False
        if self._lookback_readers.isdisjoint(group.assets):
            return True
        settled_by_group = EVENTS in group.assets
        return not self._is_unsettled_before(wanted.index, group.first if settled_by_group else wanted.index)

    def _is_unsettled_before(self, index: int, end: int) -> bool:
        """Whether the events of a window of ``index``'s lookback that begins before ``end`` are still to come."""
        first = index - self._policy.lookback_windows + 1
        return bisect_left(self._unsettled, end) > bisect_left(self._unsettled, first)

    def _may_go_ahead(self, wanted: _Wanted) -> bool:
        """Whether a window is asked for without its rows over the lookback, which take a second run later.

        In a backlog it is cheaper to wait and pass once; but the newest windows must not wait for the backlog, nor
        a retried window for its neighbours' waits.
        """
        reads_events = any(root.asset == EVENTS for root in wanted.roots)
        return not reads_events or self.is_fresh(wanted.index) or wanted.attempt > 0


def _most_urgent(grouping: _Grouping, view: StreamView, policy: PlanPolicy) -> tuple[list[_Group], list[Waiting]]:
    """As many groups as may still be under way, those with the newest windows first, then the oldest."""
    ordered = sorted(grouping.groups, key=lambda g: (not grouping.is_fresh(g.last), g.first))
    free = max(0, policy.max_requests_in_flight - sum(run.planned for run in view.in_flight))
    deferred = [
        Waiting(wanted.key, group.assets, "enough runs are under way")
        for group in ordered[free:]
        for wanted in group.windows
    ]
    return ordered[:free], deferred


def _request(group: _Group, view: StreamView) -> Request:
    windows = tuple(wanted.key for wanted in group.windows)
    roots = [root for wanted in group.windows for root in wanted.roots if root.asset in group.assets]
    prints = tuple(root.fingerprint for root in roots)
    reads_events = EVENTS in group.assets
    ranges = {w.key: w.range for w in group.windows if reads_events and w.range is not None}
    key = run_key(view.stream, windows, group.assets, prints, ranges, group.attempt, view.now)
    return Request(windows, group.assets, group.attempt, prints, key, tuple(sorted({root.reason for root in roots})))
