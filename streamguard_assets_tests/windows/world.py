"""A stream in memory that obeys plans: its log, its ledger, its lake and its runs, for tests of the plan.

Builds commit what the rooms of the real stream would commit. Faults are asked for by the test.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

from streamguard_assets.contracts.offsets import OffsetRange
from streamguard_assets.contracts.windows import Cadence, window_key
from streamguard_assets.windows.inputs import EVENTS, WindowAsset, events_inputs_hash, read_inputs_hash
from streamguard_assets.windows.planning import Plan, plan
from streamguard_assets.windows.requests import FinishedRun, Request, count_attempts
from streamguard_assets.windows.view import Built, InFlight, LedgerWindow, PlanPolicy, StreamView
from streamguard_assets_tests.windows.graphs import STREAM_GRAPH

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = Cadence(60)
TOPIC = "security-events"
PARTITIONS = (0, 1)


class BuildError(Exception):
    """A build of the simulated stream fails."""


def key(hour: int) -> str:
    """The window that begins ``hour`` hours after the start."""
    return window_key(START + timedelta(hours=hour))


def policy(**changes: object) -> PlanPolicy:
    definitions = {asset.name: f"{asset.name}-1" for asset in STREAM_GRAPH}
    return replace(PlanPolicy(definitions, STREAM_GRAPH, lookback_windows=4, max_windows_per_run=8), **changes)  # type: ignore[arg-type]


@dataclass
class World:
    """``boundaries[h]`` are the offsets at hour ``h``; the log and the open window begin with the last of them."""

    policy: PlanPolicy = field(default_factory=policy)
    now: datetime = START
    log_ends: dict[int, int] = field(default_factory=lambda: dict.fromkeys(PARTITIONS, 0))
    log_starts: dict[int, int] = field(default_factory=lambda: dict.fromkeys(PARTITIONS, 0))
    boundaries: list[dict[int, int]] = field(default_factory=lambda: [dict.fromkeys(PARTITIONS, 0)])
    built: dict[str, dict[str, Built]] = field(default_factory=lambda: {asset.name: {} for asset in STREAM_GRAPH})
    replays: Counter[str] = field(default_factory=Counter)
    acknowledged: set[str] = field(default_factory=set)
    poisoned: set[tuple[str, str]] = field(default_factory=set)
    running: dict[str, Request] = field(default_factory=dict)
    finished: list[FinishedRun] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    served: set[str] = field(default_factory=set)
    seen_run_keys: set[str] = field(default_factory=set)
    builds: Counter[tuple[str, str]] = field(default_factory=Counter)
    offsets_read: int = 0

    # What happens to the stream

    def produce(self, records: int, partition: int = 0) -> None:
        self.log_ends[partition] += records

    def turn_hour(self) -> None:
        """The hour ends, and its boundary is decided."""
        self.boundaries.append(dict(self.log_ends))
        self.now = START + timedelta(hours=self.open_hour)

    def pass_time(self, minutes: float) -> None:
        self.now += timedelta(minutes=minutes)

    def delete_before(self, hour: int) -> None:
        """Retention: offsets before the boundary of ``hour`` are gone."""
        for partition, offset in self.boundaries[hour].items():
            self.log_starts[partition] = max(self.log_starts[partition], offset)

    def change_rows(self, hour: int) -> None:
        """A person materializes a window again and other rows come out, as after a replay of its quarantine."""
        window = key(hour)
        if window in self.built[EVENTS]:
            self.replays[window] += 1
            old = self.built[EVENTS][window]
            self.built[EVENTS][window] = replace(old, content_hash=f"{window}:replay-{self.replays[window]}")

    # What a plan sees

    @property
    def open_hour(self) -> int:
        return len(self.boundaries) - 1

    def range(self, hour: int) -> OffsetRange:
        ends = self.boundaries[hour + 1] if hour < self.open_hour else self.log_ends
        return OffsetRange(TOPIC, dict(self.boundaries[hour]), dict(ends))

    def lost(self, hour: int) -> int:
        held = self.range(hour)
        return sum(
            min(max(self.log_starts[p] - held.starts[p], 0), held.ends[p] - held.starts[p]) for p in held.partitions
        )

    def is_blocked(self, hour: int) -> bool:
        return self.lost(hour) > 0 and key(hour) not in self.acknowledged

    def view(self) -> StreamView:
        hours = range(self.open_hour + 1)
        return StreamView(
            stream="security",
            now=self.now,
            cadence=HOUR,
            closed_until=START + timedelta(hours=self.open_hour),
            windows=tuple(LedgerWindow(key(h), self.range(h), closed=h < self.open_hour) for h in hours),
            built={asset: dict(commits) for asset, commits in self.built.items()},
            in_flight=tuple(InFlight(frozenset(r.windows), frozenset(r.assets)) for r in self.running.values()),
            attempts=count_attempts(self.finished),
            blocked={key(h): "retention won" for h in hours if self.is_blocked(h)},
            lost_offsets={key(h): self.lost(h) for h in hours if key(h) in self.acknowledged},
        )

    def plan(self) -> Plan:
        return plan(self.view(), self.policy)

    # What is done with a plan

    def tick(self) -> Plan:
        """Plan and launch, as the sensor and Dagster's daemon do: a run key that was seen before starts nothing."""
        made = self.plan()
        for request in made.requests:
            if request.run_key not in self.seen_run_keys:
                self.seen_run_keys.add(request.run_key)
                self.running[request.run_key] = request
                self.asked.update(request.fingerprints)
        return made

    def work(self, run_key: str, builds: int | None = None) -> str:
        """Let a run build; at most ``builds`` windows of assets. Returns what failed, empty if nothing did."""
        request = self.running[run_key]
        failure = ""
        left = builds if builds is not None else len(request.assets) * len(request.windows)
        for asset in (a for a in self.policy.graph if a.name in request.assets):
            for window in request.windows:
                if left == 0:
                    return failure or "killed"
                left -= 1
                try:
                    self.build(asset, window)
                except BuildError as error:
                    failure = str(error)
        return failure

    def end(self, run_key: str, reason: str) -> None:
        """Dagster records that a run ended; an empty reason is a success."""
        request = self.running.pop(run_key)
        self.finished.append(FinishedRun(request.fingerprints_tag, self.now, reason))
        if not reason:
            self.served.update(request.fingerprints)

    def finish(self, run_keys: Iterable[str] | None = None) -> None:
        """Let runs do all they can and end."""
        for run_key in list(run_keys if run_keys is not None else self.running):
            self.end(run_key, self.work(run_key))

    def settle(self, ticks: int = 400) -> Plan:
        """Tick and finish until a plan asks for nothing and waits for nothing."""
        made = self.tick()
        for _ in range(ticks):
            if not made.requests and not made.waiting:
                return made
            self.finish()
            self.pass_time(minutes=1)
            made = self.tick()
        raise AssertionError(f"no rest after {ticks} ticks: {made}")

    # What a build commits

    def build(self, asset: WindowAsset, window: str) -> None:
        if (asset.name, window) in self.poisoned:
            raise BuildError(f"{asset.name} of {window} fails")
        if asset.name == EVENTS:
            self._build_events(window)
        else:
            self._build_derived(asset, window)

    def _hour(self, window: str) -> int:
        return next(h for h in range(self.open_hour + 1) if key(h) == window)

    def _build_events(self, window: str) -> None:
        hour = self._hour(window)
        held = self.range(hour)
        if held.is_empty:
            return  # complete by the ledger alone
        if self.is_blocked(hour):
            raise BuildError(f"RetentionGap in {window}")
        self.builds[EVENTS, window] += 1
        self.offsets_read += held.span
        contract = self.policy.definitions[EVENTS]
        inputs = events_inputs_hash(held, contract)
        content = f"{inputs}:{self.replays[window]}"
        self.built[EVENTS][window] = Built(hour < self.open_hour, content, inputs, contract, range=held)

    def _build_derived(self, asset: WindowAsset, window: str) -> None:
        own = {name for name in asset.reads if name != EVENTS}
        if any(window not in self.built[name] for name in own):
            raise BuildError(f"{asset.name} of {window} has no {', '.join(own)}")
        if asset.lookback and not self._has_own_events(window):
            raise BuildError(f"{asset.name} of {window} has no events")
        lookback, definition = self.policy.lookback_windows, self.policy.definitions[asset.name]
        seen = HOUR.lookback(window, lookback) if asset.lookback else [window]
        read = [self.built[name][w] for name in asset.reads for w in seen if w in self.built[name]]
        if not read:
            return  # nothing to build it from
        contents = {name: {w: b.content_hash for w, b in commits.items()} for name, commits in self.built.items()}
        inputs = read_inputs_hash(asset, window, HOUR, lookback, definition, contents)
        content = blake2b(inputs.encode(), digest_size=8).hexdigest()
        complete = self._hour(window) < self.open_hour and all(b.complete for b in read)
        self.builds[asset.name, window] += 1
        self.built[asset.name][window] = Built(
            complete, content, inputs, definition, lookback_windows=lookback if asset.lookback else None
        )

    def _has_own_events(self, window: str) -> bool:
        hour = self._hour(window)
        lost = window in self.acknowledged and self.lost(hour) == self.range(hour).span
        return self.range(hour).is_empty or window in self.built[EVENTS] or lost
