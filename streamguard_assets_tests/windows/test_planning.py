"""The plan: what is asked for, in which order, how often, and what is left alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from streamguard_assets.windows.inputs import EVENTS, WindowAsset
from streamguard_assets.windows.planning import plan
from streamguard_assets.windows.requests import FinishedRun, count_attempts
from streamguard_assets.windows.view import InFlight
from streamguard_assets_tests.windows.graphs import STREAM_GRAPH
from streamguard_assets_tests.windows.world import World, key, policy

ALL = tuple(asset.name for asset in STREAM_GRAPH)
DERIVED = ALL[1:]


def asked(world: World) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    return [(request.windows, request.assets) for request in world.plan().requests]


def stream_with(hours: int, records: int = 10, **changes: object) -> World:
    """Closed windows of ``records`` each, nothing built, and an open window without records."""
    world = World(policy(**changes))
    for _ in range(hours):
        world.produce(records)
        world.turn_hour()
    return world


class TestClosedWindows:
    def test_windows_never_built_are_asked_for_in_one_run_with_everything_downstream(self) -> None:
        assert asked(stream_with(3)) == [((key(0), key(1), key(2)), ALL)]

    def test_nothing_is_asked_for_once_they_are_built(self) -> None:
        world = stream_with(3)
        world.tick()
        world.finish()

        assert world.plan().requests == ()
        assert world.plan().waiting == ()

    def test_a_stream_without_records_needs_no_run(self) -> None:
        world = stream_with(5, records=0)

        assert world.plan().requests == ()

    def test_windows_under_way_are_not_asked_for_again(self) -> None:
        world = stream_with(3)
        world.tick()

        again = world.plan()

        assert again.requests == ()
        assert {waiting.window for waiting in again.waiting} == {key(0), key(1), key(2)}

    def test_a_window_that_was_built_while_open_is_built_again_when_it_closes(self) -> None:
        world = World()
        world.produce(10)
        world.settle()
        world.turn_hour()

        assert asked(world) == [((key(0),), ALL)]
        world.settle()
        assert all(world.built[asset][key(0)].complete for asset in ALL)

    def test_a_partition_added_later_leaves_older_windows_alone(self) -> None:
        world = stream_with(1)
        world.settle()
        view = world.view()
        wider = replace(
            view.windows[0].range,
            starts={**view.windows[0].range.starts, 7: 0},
            ends={**view.windows[0].range.ends, 7: 0},
        )

        made = plan(replace(view, windows=(replace(view.windows[0], range=wider),)), world.policy)

        assert made.requests == ()


class TestOpenWindow:
    def test_it_is_asked_for_with_its_first_record(self) -> None:
        world = World()
        world.produce(1)

        assert asked(world) == [((key(0),), ALL)]

    @pytest.mark.parametrize(("more", "again"), [(24, False), (25, True)])
    def test_it_is_asked_for_again_when_it_has_grown_by_a_quarter(self, more: int, again: bool) -> None:
        world = World()
        world.produce(100)
        world.settle()
        world.produce(more, partition=1)

        assert bool(world.plan().requests) is again

    def test_all_the_work_on_it_is_linear_in_its_size(self) -> None:
        world = World()
        for _ in range(2_000):
            world.produce(1)
            world.tick()
            world.finish()

        assert world.builds[EVENTS, key(0)] < 40
        assert world.offsets_read < 5 * 2_000

    def test_growth_while_its_run_is_under_way_is_asked_for_after_the_run(self) -> None:
        world = World()
        world.produce(10)
        world.tick()
        (run_key,) = world.running
        world.work(run_key)
        world.produce(10)
        assert world.plan().requests == ()

        world.end(run_key, "")

        assert asked(world) == [((key(0),), ALL)]

    def test_closing_and_opening_windows_share_a_run(self) -> None:
        world = World()
        world.produce(10)
        world.turn_hour()
        world.produce(5)

        assert asked(world) == [((key(0), key(1)), ALL)]


class TestChangedInputs:
    def test_changed_rows_refresh_each_window_whose_lookback_holds_them_once(self) -> None:
        world = stream_with(10)
        world.settle()
        world.builds.clear()
        world.change_rows(3)

        assert asked(world) == [(tuple(key(h) for h in (3, 4, 5, 6)), DERIVED)]
        world.settle()
        assert world.builds == {(asset, key(h)): 1 for asset in DERIVED for h in (3, 4, 5, 6)}

    def test_the_same_rows_built_again_refresh_nothing(self) -> None:
        world = stream_with(10)
        world.settle()
        world.build(STREAM_GRAPH[0], key(3))

        assert world.plan().requests == ()

    def test_a_model_that_was_fitted_again_refreshes_only_what_reads_it(self) -> None:
        world = stream_with(3)
        world.settle()
        models = world.built["anomaly_model"]
        models[key(1)] = replace(models[key(1)], content_hash="other trees")

        assert asked(world) == [((key(1),), ("anomaly_scores", "training_data"))]

    def test_a_table_that_lost_a_window_gets_it_back(self) -> None:
        world = stream_with(3)
        world.settle()
        del world.built["anomaly_scores"][key(1)]
        world.pass_time(minutes=60)

        world.settle()

        assert key(1) in world.built["anomaly_scores"]

    def test_a_new_definition_holds_from_now_on_and_leaves_history_alone(self) -> None:
        world = stream_with(3)
        world.settle()
        world.policy = replace(world.policy, definitions={**world.policy.definitions, EVENTS: "contract-2"})

        made = world.plan()
        assert made.requests == ()
        assert made.outdated == {EVENTS: (key(0), key(1), key(2))}

        world.produce(4)
        world.settle()
        assert world.built[EVENTS][key(3)].definition_hash == "contract-2"

    def test_windows_of_an_older_definition_are_still_refreshed_when_their_inputs_change(self) -> None:
        world = stream_with(6)
        world.settle()
        changed = {**world.policy.definitions, "user_features": "features-2"}
        world.policy = replace(world.policy, definitions=changed, lookback_windows=3)
        world.change_rows(4)

        assert asked(world) == [((key(4), key(5)), DERIVED)]
        world.settle()
        assert world.plan().outdated == {"user_features": tuple(key(h) for h in range(4))}

    def test_history_is_rebuilt_when_the_policy_says_so(self) -> None:
        world = stream_with(3)
        world.settle()
        changed = {**world.policy.definitions, "anomaly_model": "model-2"}
        world.policy = replace(world.policy, definitions=changed, rebuild_history=True)

        assert asked(world) == [
            ((key(0), key(1), key(2)), ("anomaly_model", "anomaly_scores", "training_data")),
        ]
        world.settle()
        assert world.plan().outdated == {}


class TestEmptyWindows:
    def test_an_empty_window_has_derived_rows_while_its_lookback_holds_events(self) -> None:
        world = stream_with(1)
        for _ in range(8):
            world.turn_hour()
        world.settle()

        assert sorted(world.built["user_features"]) == [key(h) for h in range(4)]
        assert list(world.built[EVENTS]) == [key(0)]

    def test_an_open_window_without_records_waits_until_it_closes(self) -> None:
        world = stream_with(1)
        world.settle()

        assert world.plan().requests == ()
        world.turn_hour()
        assert asked(world) == [((key(1),), DERIVED)]

    def test_empty_windows_do_not_cut_a_backlog_into_many_runs(self) -> None:
        world = World(policy(max_windows_per_run=100))
        for hour in range(40):
            world.produce(hour % 3 == 0)
            world.turn_hour()

        assert asked(world) == [(tuple(key(h) for h in range(40)), ALL)]

    def test_windows_far_apart_are_worked_side_by_side(self) -> None:
        world = World()
        for hour in range(30):
            world.produce(hour in (0, 20))
            world.turn_hour()

        assert [request.windows for request in world.plan().requests] == [
            tuple(key(h) for h in range(4)),
            tuple(key(h) for h in range(20, 24)),
        ]

    def test_empty_windows_may_be_left_out_of_the_view(self) -> None:
        world = World()
        for hour in range(30):
            world.produce(hour in (0, 2, 20))
            world.turn_hour()
        view = world.view()
        sparse = replace(view, windows=tuple(w for w in view.windows if not w.range.is_empty))

        assert plan(sparse, world.policy) == plan(view, world.policy)


class TestOrder:
    def test_a_backlog_goes_oldest_first_and_the_newest_windows_do_not_wait_for_it(self) -> None:
        world = stream_with(30)
        world.produce(5)

        assert asked(world) == [
            ((key(29), key(30)), (EVENTS,)),
            (tuple(key(h) for h in range(8)), ALL),
        ]

    def test_the_newest_windows_get_their_derived_rows_when_the_backlog_reaches_them(self) -> None:
        world = stream_with(30)
        world.produce(5)
        world.settle()

        assert set(world.built["training_data"]) == {key(h) for h in range(31)}
        assert set(world.builds.values()) == {1}

    def test_a_backlog_takes_no_more_runs_than_it_must(self) -> None:
        world = stream_with(30)
        world.produce(5)
        world.settle()

        assert len(world.finished) == 1 + 4 + 1  # the newest events, four runs of eight, the newest derived rows

    def test_derived_rows_wait_for_a_person_s_run_in_their_lookback(self) -> None:
        world = stream_with(6)
        world.settle()
        world.change_rows(3)
        manual = InFlight(frozenset({key(2)}), frozenset({EVENTS}), planned=False)

        made = plan(replace(world.view(), in_flight=(manual,)), world.policy)

        assert made.requests == ()
        assert [waiting.window for waiting in made.waiting] == [key(3), key(4), key(5)]

    def test_a_model_does_not_wait_for_older_windows(self) -> None:
        world = stream_with(6)
        world.settle()
        del world.built["anomaly_model"][key(3)]
        manual = InFlight(frozenset({key(2)}), frozenset({EVENTS}), planned=False)

        made = plan(replace(world.view(), in_flight=(manual,)), world.policy)

        assert [request.windows for request in made.requests] == [(key(3),)]

    def test_no_more_runs_are_under_way_than_the_policy_allows(self) -> None:
        world = World(policy(max_requests_in_flight=2))
        for hour in range(60):
            world.produce(hour % 12 == 0)
            world.turn_hour()

        world.tick()

        assert len(world.running) == 2
        assert world.plan().requests == ()
        world.finish()
        assert len(world.plan().requests) == 2

    def test_a_person_s_run_takes_no_place_of_a_planned_one(self) -> None:
        world = stream_with(3, max_requests_in_flight=1)
        manual = InFlight(frozenset({key(40)}), frozenset(ALL), planned=False)

        assert len(plan(replace(world.view(), in_flight=(manual,)), world.policy).requests) == 1

    def test_another_branch_goes_on_when_a_lookback_must_wait(self) -> None:
        world = World()
        graph = (*STREAM_GRAPH, WindowAsset("analyses/by_hour", (EVENTS,)))
        definitions = {**world.policy.definitions, "analyses/by_hour": "a"}
        world.built["analyses/by_hour"] = {}
        world.policy = replace(world.policy, graph=graph, definitions=definitions)
        for _ in range(4):
            world.produce(10)
            world.turn_hour()
        world.settle()
        del world.built["analyses/by_hour"][key(3)]
        del world.built["user_features"][key(3)]
        manual = InFlight(frozenset({key(2)}), frozenset({EVENTS}), planned=False)

        made = plan(replace(world.view(), in_flight=(manual,)), world.policy)

        assert [(request.windows, request.assets) for request in made.requests] == [((key(3),), ("analyses/by_hour",))]


class TestFailures:
    def fail(self, world: World) -> None:
        for run_key in list(world.running):
            world.end(run_key, "broker gone")

    def test_a_failed_window_is_tried_again_after_growing_waits_and_then_shown(self) -> None:
        world = stream_with(1)
        starts = []
        for _ in range(30):
            if world.tick().requests:
                starts.append(world.now)
                self.fail(world)
            world.pass_time(minutes=1)

        assert [later - first for first, later in pairwise(starts)] == [
            timedelta(minutes=1),
            timedelta(minutes=4),
        ]
        (given_up,) = world.plan().exhausted
        assert (given_up.window, given_up.asset, given_up.attempts) == (key(0), EVENTS, 3)
        assert given_up.reason == "broker gone"

    def test_every_attempt_has_its_own_run_key(self) -> None:
        world = stream_with(1)
        keys = set()
        for _ in range(30):
            keys.update(request.run_key for request in world.tick().requests)
            self.fail(world)
            world.pass_time(minutes=1)

        assert len(keys) == 3

    def test_attempts_that_were_forgotten_do_not_block_by_their_run_keys(self) -> None:
        world = stream_with(1)
        world.poisoned.add((EVENTS, key(0)))
        world.settle()
        world.poisoned.clear()
        world.finished.clear()
        world.pass_time(minutes=8 * 24 * 60)
        world.settle()

        assert world.built[EVENTS][key(0)].complete

    def test_the_run_key_of_the_open_window_holds_its_end_offsets(self) -> None:
        world = World()
        world.produce(1_000)
        (before,) = world.plan().requests
        world.produce(1)
        (after,) = world.plan().requests

        assert before.fingerprints == after.fingerprints
        assert before.run_key != after.run_key

    def test_a_failing_open_window_is_not_tried_again_at_every_record(self) -> None:
        world = World()
        world.produce(1_000)
        world.poisoned.add((EVENTS, key(0)))
        for _ in range(200):
            world.produce(1)
            world.tick()
            world.finish()
            world.pass_time(minutes=0.2)

        assert len(world.finished) <= 2 * world.policy.max_attempts

    def test_a_closing_window_that_was_given_up_while_open_is_tried_again(self) -> None:
        world = World()
        world.produce(10)
        world.poisoned.add((EVENTS, key(0)))
        world.settle()
        world.poisoned.clear()
        world.turn_hour()
        world.settle()

        assert world.built[EVENTS][key(0)].complete

    def test_a_broken_window_does_not_stop_the_ones_after_it(self) -> None:
        world = stream_with(6)
        world.poisoned.add((EVENTS, key(1)))

        rest = world.settle()

        assert [given_up.window for given_up in rest.exhausted] == [key(1)]
        assert set(world.built["training_data"]) == {key(h) for h in (0, 2, 3, 4, 5)}

    def test_a_window_that_is_mended_refreshes_its_lookback(self) -> None:
        world = stream_with(8)
        world.poisoned.add((EVENTS, key(1)))
        world.settle()
        world.poisoned.clear()
        world.builds.clear()
        world.policy = replace(world.policy, code_version="the mended code")
        world.settle()

        assert set(world.builds) == {(EVENTS, key(1))} | {(asset, key(h)) for asset in DERIVED for h in (1, 2, 3, 4)}
        assert set(world.builds.values()) == {1}

    def test_a_window_that_kills_its_run_takes_no_neighbour_with_it(self) -> None:
        world = stream_with(8)
        for _ in range(200):
            made = world.tick()
            if not made.requests and not made.waiting:
                break
            for run_key, request in list(world.running.items()):
                if key(3) in request.windows and EVENTS in request.assets:
                    world.end(run_key, "out of memory")
                else:
                    world.finish([run_key])
            world.pass_time(minutes=1)

        assert [given_up.window for given_up in world.plan().exhausted] == [key(3)]
        assert set(world.built[EVENTS]) == {key(h) for h in range(8)} - {key(3)}

    def test_failing_derived_rows_do_not_build_events_again(self) -> None:
        world = stream_with(2)
        world.poisoned.add(("anomaly_model", key(0)))

        rest = world.settle()

        assert [(e.window, e.asset) for e in rest.exhausted] == [(key(0), "anomaly_model")]
        assert world.builds[EVENTS, key(0)] == 1
        assert key(1) in world.built["training_data"]

    def test_a_run_that_succeeds_without_bringing_what_was_asked_for_is_bounded(self) -> None:
        world = stream_with(1)
        for _ in range(100):
            world.tick()
            for run_key in list(world.running):
                world.end(run_key, "")
            world.pass_time(minutes=1)

        assert len(world.finished) == world.policy.max_attempts
        assert len(world.plan().exhausted) == 1

    def test_a_run_that_records_another_hash_each_time_is_bounded(self) -> None:
        world = stream_with(1)
        world.settle()
        features = world.built["user_features"]
        runs = len(world.finished)
        for turn in range(100):
            features[key(0)] = replace(features[key(0)], inputs_hash=f"wrong {turn}")
            world.tick()
            for run_key in list(world.running):
                world.end(run_key, "")
            world.pass_time(minutes=1)

        assert len(world.finished) - runs <= world.policy.max_attempts

    def test_an_open_build_whose_closing_fails_leaves_later_rows_incomplete_and_at_rest(self) -> None:
        world = World()
        world.produce(10)
        world.settle()
        world.poisoned.add((EVENTS, key(0)))
        for _ in range(2):
            world.turn_hour()
            world.produce(10)
        rest = world.settle()

        assert [(given_up.window, given_up.asset) for given_up in rest.exhausted] == [(key(0), EVENTS)]
        assert not world.built["user_features"][key(1)].complete

        world.poisoned.clear()
        world.policy = replace(world.policy, code_version="the mended code")
        world.settle()
        assert world.built["user_features"][key(1)].complete

    def test_windows_that_have_nothing_to_be_built_from_are_not_asked_for(self) -> None:
        world = stream_with(1)
        world.poisoned.add((EVENTS, key(0)))
        for _ in range(3):
            world.turn_hour()

        rest = world.settle()

        assert [given_up.window for given_up in rest.exhausted] == [key(0)]
        assert not world.built["user_features"]

    def test_a_commit_that_was_never_recorded_is_not_built_again(self) -> None:
        world = stream_with(2)
        world.tick()
        (run_key,) = world.running
        world.work(run_key)
        world.end(run_key, "process gone before it could report")
        world.pass_time(minutes=60)

        assert world.plan().requests == ()


class TestRetention:
    def test_offsets_out_of_reach_are_shown_and_not_asked_for(self) -> None:
        world = stream_with(6)
        world.delete_before(2)

        made = world.settle()

        assert made.blocked == {key(0): "retention won", key(1): "retention won"}
        assert set(world.built["training_data"]) == {key(h) for h in range(2, 6)}
        assert not world.built[EVENTS].keys() & {key(0), key(1)}

    def test_complete_windows_do_not_mind(self) -> None:
        world = stream_with(6)
        world.settle()
        world.delete_before(4)

        assert world.plan().requests == ()
        assert world.plan().blocked == {}

    def test_an_acknowledged_gap_lets_the_rest_of_the_window_in(self) -> None:
        world = stream_with(3)
        world.log_starts[0] = 14
        world.settle()
        world.acknowledged.update({key(0), key(1)})
        world.settle()

        assert set(world.built[EVENTS]) == {key(1), key(2)}
        assert set(world.built["training_data"]) == {key(1), key(2)}, "nothing is left to build the first from"

    def test_acknowledging_gives_a_given_up_window_another_chance(self) -> None:
        world = stream_with(3)
        world.poisoned.add((EVENTS, key(1)))
        world.settle()
        assert world.plan().exhausted
        world.poisoned.clear()
        world.log_starts[0] = 14
        world.acknowledged.update({key(0), key(1)})
        world.settle()

        assert key(1) in world.built[EVENTS]


class TestPlan:
    def test_it_is_a_function_of_its_view(self) -> None:
        world = stream_with(30)

        assert world.plan() == world.plan()

    def test_a_graph_without_a_definition_is_refused_by_name(self) -> None:
        world = stream_with(1)
        definitions = {k: v for k, v in world.policy.definitions.items() if k != "anomaly_model"}

        with pytest.raises(ValueError, match="anomaly_model"):
            plan(world.view(), replace(world.policy, definitions=definitions))

    def test_attempts_are_counted_per_window_whatever_the_run_covered(self) -> None:
        world = stream_with(3)
        (request,) = world.plan().requests

        counted = count_attempts(
            [
                FinishedRun(request.fingerprints[1], world.now + timedelta(minutes=2)),
                FinishedRun(request.fingerprints_tag, world.now, "first"),
                FinishedRun("", world.now, "a person's run"),
            ]
        )

        assert [counted[f].count for f in request.fingerprints] == [1, 2, 1]
        assert counted[request.fingerprints[1]].last_finished_at == world.now + timedelta(minutes=2)
        assert counted[request.fingerprints[1]].reason == "first"
