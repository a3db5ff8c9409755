"""Whatever happens between two ticks, each content is built once, none is lost, and the work stays bounded."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from streamguard_assets.contracts.windows import contiguous_runs
from streamguard_assets.windows.inputs import EVENTS, read_inputs_hash
from streamguard_assets.windows.planning import Plan
from streamguard_assets.windows.requests import Request
from streamguard_assets.windows.staleness import same_range
from streamguard_assets_tests.windows.graphs import STREAM_GRAPH
from streamguard_assets_tests.windows.world import HOUR, World, key, policy

ASSETS = [asset.name for asset in STREAM_GRAPH]
FEATURES = STREAM_GRAPH[1]


class StreamUnderPlan(RuleBasedStateMachine):
    """A stream that is produced to, fails, loses offsets and restarts, in any order, and is planned at any moment.

    A lost cursor and a restarted daemon need no rule of their own: a plan keeps nothing between two ticks. What they
    can do is show the same view twice (``tick_twice``) or leave a run that nobody watches (``die_unrecorded``).
    """

    @initialize(lookback=st.integers(1, 5), most=st.sampled_from([1, 3, 8, 100]), flights=st.integers(1, 4))
    def begin(self, lookback: int, most: int, flights: int) -> None:
        self.world = World(policy(lookback_windows=lookback, max_windows_per_run=most, max_requests_in_flight=flights))
        self.failures = 0
        self.changes = 0

    # The stream goes on

    @rule(records=st.integers(1, 60), partition=st.sampled_from([0, 1]))
    def produce(self, records: int, partition: int) -> None:
        self.world.produce(records, partition)

    @rule(hours=st.integers(1, 4), records=st.integers(0, 20))
    def hours_turn(self, hours: int, records: int) -> None:
        for _ in range(hours):
            self.world.turn_hour()
            self.world.produce(records)

    @rule(minutes=st.integers(1, 10))
    def time_passes(self, minutes: int) -> None:
        self.world.pass_time(minutes)

    @rule(data=st.data())
    def retention_wins(self, data: st.DataObject) -> None:
        self.world.delete_before(data.draw(st.integers(0, self.world.open_hour)))

    @rule(data=st.data())
    def a_person_acknowledges_a_gap(self, data: st.DataObject) -> None:
        hours = [h for h in range(self.world.open_hour) if self.world.is_blocked(h)]
        if hours:
            self.world.acknowledged.add(key(data.draw(st.sampled_from(hours))))

    @rule(data=st.data())
    def a_person_changes_rows(self, data: st.DataObject) -> None:
        self.world.change_rows(data.draw(st.integers(0, self.world.open_hour)))
        self.changes += 1

    @rule(data=st.data(), asset=st.sampled_from(ASSETS))
    def something_breaks(self, data: st.DataObject, asset: str) -> None:
        self.world.poisoned.add((asset, key(data.draw(st.integers(0, self.world.open_hour)))))

    @rule()
    def it_is_mended(self) -> None:
        self.world.poisoned.clear()

    @rule(asset=st.sampled_from(ASSETS), number=st.integers(2, 5))
    def a_definition_changes(self, asset: str, number: int) -> None:
        definitions = {**self.world.policy.definitions, asset: f"{asset}-{number}"}
        self.world.policy = replace(self.world.policy, definitions=definitions)

    # Planning and running

    @rule()
    def tick(self) -> None:
        self._check(self.world.tick())

    @rule()
    def tick_twice(self) -> None:
        """The daemon dies after it launched and before it noted so, and the next one sees what the first one saw."""
        running_before = dict(self.world.running)
        self._check(self.world.tick())
        started = self.world.running
        self.world.running = running_before
        self.world.tick()
        assert set(self.world.running) <= set(started), "the second look started a run of its own"
        self.world.running = started

    @precondition(lambda self: self.world.running)
    @rule(data=st.data())
    def a_run_ends(self, data: st.DataObject) -> None:
        run_key = data.draw(st.sampled_from(sorted(self.world.running)))
        self.world.finish([run_key])

    @precondition(lambda self: self.world.running)
    @rule(data=st.data(), builds=st.integers(0, 12))
    def a_run_is_killed(self, data: st.DataObject, builds: int) -> None:
        run_key = data.draw(st.sampled_from(sorted(self.world.running)))
        self.world.work(run_key, builds)
        self.world.end(run_key, "killed")
        self.failures += 1

    @precondition(lambda self: self.world.running)
    @rule(data=st.data(), builds=st.integers(0, 12))
    def a_run_dies_unrecorded(self, data: st.DataObject, builds: int) -> None:
        """It stays under way for Dagster until someone notices; its commits are in the lake."""
        run_key = data.draw(st.sampled_from(sorted(self.world.running)))
        self.world.work(run_key, builds)

    # What always holds

    def _check(self, made: Plan) -> None:
        for request in made.requests:
            self._check_shape(request)
            self._check_lookback(request, made)

    def _check_shape(self, request: Request) -> None:
        assert contiguous_runs(list(request.windows), HOUR) == [list(request.windows)]
        assert len(request.windows) <= self.world.policy.max_windows_per_run
        assert list(request.assets) == [name for name in ASSETS if name in request.assets]

    def _check_lookback(self, request: Request, made: Plan) -> None:
        """Features never miss a window that is about to come."""
        if FEATURES.name not in request.assets:
            return
        settled = {given_up.window for given_up in made.exhausted} | set(made.blocked)
        by_key = {key(h): h for h in range(self.world.open_hour + 1)}
        for window in request.windows:
            for seen in HOUR.lookback(window, self.world.policy.lookback_windows):
                hour = by_key.get(seen)
                if hour is None or seen in settled or (EVENTS in request.assets and seen in request.windows):
                    continue
                assert self._events_are_there(hour), f"features of {window} are asked for before events of {seen}"

    def _events_are_there(self, hour: int) -> bool:
        held, built = self.world.range(hour), self.world.built[EVENTS].get(key(hour))
        if held.is_empty or (key(hour) in self.world.acknowledged and self.world.lost(hour) == held.span):
            return True
        if hour == self.world.open_hour:
            return built is not None
        return built is not None and built.complete

    @invariant()
    def no_window_of_an_asset_is_in_two_runs(self) -> None:
        pairs = [(w, a) for request in self.world.running.values() for w in request.windows for a in request.assets]
        assert len(pairs) == len(set(pairs))

    @invariant()
    def no_more_runs_than_allowed(self) -> None:
        assert len(self.world.running) <= self.world.policy.max_requests_in_flight

    @invariant()
    def one_content_is_asked_for_a_bounded_number_of_times(self) -> None:
        assert all(times <= self.world.policy.max_attempts for times in self.world.asked.values())

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        self.world.finish()
        rest = self.world.settle()
        self._nothing_is_lost(rest)
        self._derived_rows_are_of_today_s_inputs(rest)
        self._work_was_bounded()
        assert self.world.plan() == rest, "a stream at rest stays at rest"

    def _nothing_is_lost(self, rest: Plan) -> None:
        shown = {given_up.window for given_up in rest.exhausted if given_up.asset == EVENTS} | set(rest.blocked)
        for hour in range(self.world.open_hour):
            window = key(hour)
            if window in shown or not self._has_offsets(hour):
                continue
            built = self.world.built[EVENTS][window]
            assert built.complete
            assert built.range is not None
            assert same_range(built.range, self.world.range(hour))
        self._open_window_is_followed(shown)

    def _open_window_is_followed(self, shown: set[str]) -> None:
        window, held = key(self.world.open_hour), self.world.range(self.world.open_hour)
        if window not in shown and not held.is_empty:
            built = self.world.built[EVENTS][window].range
            assert built is not None
            assert held.span < built.span * (1 + self.world.policy.open_window_growth) or held.span == built.span

    def _has_offsets(self, hour: int) -> bool:
        held = self.world.range(hour)
        return not held.is_empty and not (key(hour) in self.world.acknowledged and self.world.lost(hour) == held.span)

    def _derived_rows_are_of_today_s_inputs(self, rest: Plan) -> None:
        shown = {given_up.window for given_up in rest.exhausted} | set(rest.blocked)
        contents = {n: {w: b.content_hash for w, b in built.items()} for n, built in self.world.built.items()}
        for hour in range(self.world.open_hour):
            window = key(hour)
            looked_back = range(max(0, hour - self.world.policy.lookback_windows + 1), hour + 1)
            if window in shown or not any(key(h) in self.world.built[EVENTS] for h in looked_back):
                continue
            events_are_complete = all(
                self.world.built[EVENTS][key(h)].complete for h in looked_back if key(h) in self.world.built[EVENTS]
            )
            for asset in STREAM_GRAPH[1:]:
                built = self.world.built[asset.name][window]
                lookback = built.lookback_windows or 1
                assert built.complete or not events_are_complete
                assert built.inputs_hash == read_inputs_hash(
                    asset, window, HOUR, lookback, built.definition_hash, contents
                )

    def _work_was_bounded(self) -> None:
        """A content is built again only after a fault or a change: never because of the planning itself."""
        served_again = [f for f in self.world.served if self.world.asked[f] > 1]
        assert len(served_again) <= sum(
            len(run.fingerprints_tag.split(",")) for run in self.world.finished if run.reason
        )
        hours = self.world.open_hour + 1
        events = sum(n for (asset, _), n in self.world.builds.items() if asset == EVENTS)
        retries = (self.failures + 1) * self.world.policy.max_attempts * hours
        assert events <= 40 * hours + retries


StreamUnderPlan.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestStreamUnderPlan = StreamUnderPlan.TestCase
