"""What the supervisor does, as a table: for each situation the one right action."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamguard_assets.streaming.progress import Phase
from streamguard_assets.streaming.supervision.decision import (
    LONGEST_BACKOFF,
    Action,
    RunState,
    StreamRun,
    backoff,
    supervise,
)
from streamguard_assets.streaming.supervision.heartbeat import Heartbeat
from streamguard_assets.streaming.supervision.wanted import NEVER_ASKED, Wanted, WantedState
from streamguard_assets_tests.streaming.beats import NOBODY, NOW, POLICY, ago, beat, run, wanted

RUNNING, PAUSED, STOPPED = WantedState.RUNNING, WantedState.PAUSED, WantedState.STOPPED
FAILED = RunState.FAILED


def died(*ages_s: float) -> list[StreamRun]:
    """Runs that failed so many seconds ago, newest first."""
    return [run(f"d{n}", FAILED, age_s + 10, ended_at=ago(age_s)) for n, age_s in enumerate(ages_s)]


TABLE: dict[str, tuple[Wanted, list[StreamRun], Heartbeat | None, Action, str]] = {
    # Nothing runs.
    "nobody ever asked": (NEVER_ASKED, [], None, Action.NOTHING, ""),
    "wanted, and never ran": (wanted(), [], None, Action.LAUNCH, ""),
    "wanted, and ended well long ago": (
        wanted(),
        [run(state=RunState.SUCCEEDED, age_s=2_000)],
        None,
        Action.LAUNCH,
        "",
    ),
    "stopped": (wanted(STOPPED), [], None, Action.NOTHING, ""),
    "paused, and its process ended": (wanted(PAUSED), died(5), None, Action.NOTHING, ""),
    # Never two.
    "a run is queued": (wanted(), [run(state=RunState.QUEUED)], None, Action.NOTHING, ""),
    "a run starts": (wanted(), [run(state=RunState.STARTING)], None, Action.NOTHING, ""),
    "a run runs": (wanted(), [run()], beat(), Action.NOTHING, ""),
    "a run ends": (wanted(), [run(state=RunState.ENDING)], beat(), Action.NOTHING, ""),
    "a failed one is newer than the one that runs": (wanted(), [*died(1), run("r1")], beat(), Action.NOTHING, ""),
    "a terminal runs it": (wanted(), [], beat(run_id=None), Action.NOTHING, ""),
    "a terminal of another machine runs it": (wanted(), [], beat(None, host="far", process=NOBODY), Action.NOTHING, ""),
    "the process of a cancelled run is leaving": (
        wanted(seconds_ago=1),
        [run(state=RunState.CANCELED, ended_at=ago(5), asked_to_end_at=ago(25))],
        beat(),
        Action.NOTHING,
        "",
    ),
    "a terminal was closed": (wanted(), [], beat(run_id=None, process=NOBODY), Action.LAUNCH, ""),
    "a terminal went silent": (wanted(), [], beat(run_id=None, age_s=61), Action.LAUNCH, ""),
    "a terminal has stopped": (wanted(), [], beat(run_id=None, phase=Phase.STOPPED), Action.LAUNCH, ""),
    # It died.
    "it failed a moment ago": (wanted(), died(1), beat(phase=Phase.FAILED), Action.NOTHING, ""),
    "it failed, and the wait is over": (wanted(), died(3), beat(phase=Phase.FAILED), Action.LAUNCH, ""),
    "it failed twice, and the wait is not over": (wanted(), died(3, 20), None, Action.NOTHING, ""),
    "it failed three times, and the wait is over": (wanted(), died(9, 40, 60), None, Action.LAUNCH, ""),
    "it failed too often": (wanted(), died(500, 600, 700, 800), None, Action.NOTHING, ""),
    "it failed too often, but an hour ago": (
        wanted(seconds_ago=9_000),
        died(3, 3_601, 3_700, 3_800),
        None,
        Action.LAUNCH,
        "",
    ),
    "it failed too often, and a person started it": (wanted(seconds_ago=1), died(5, 6, 7, 8), None, Action.LAUNCH, ""),
    "it ended well although it is wanted": (
        wanted(),
        [run(state=RunState.SUCCEEDED, age_s=11)],
        None,
        Action.NOTHING,
        "",
    ),
    "its machine was shut down": (
        wanted(),
        [run(state=FAILED, age_s=11, was_interrupted=True)],
        None,
        Action.LAUNCH,
        "",
    ),
    # It is silent.
    "no sign of life for long": (wanted(), [run()], beat(age_s=61), Action.GIVE_UP, "r1"),
    "no sign of life for a while": (wanted(), [run()], beat(age_s=59), Action.NOTHING, ""),
    "never a sign of life": (wanted(), [run(age_s=61)], None, Action.GIVE_UP, "r1"),
    "not yet a sign of life": (wanted(), [run(age_s=59)], None, Action.NOTHING, ""),
    "only the run before gave one": (wanted(), [run("r2", age_s=61)], beat("r1"), Action.GIVE_UP, "r2"),
    "its loop is slow": (wanted(), [run()], beat(turned_s=299), Action.NOTHING, ""),
    "its loop hangs beside a living main thread": (wanted(), [run()], beat(turned_s=301), Action.GIVE_UP, "r1"),
    "it is silent while it should stop": (wanted(STOPPED), [run()], beat(age_s=61), Action.GIVE_UP, "r1"),
    "it is silent while a person ends it": (
        wanted(STOPPED),
        [run(state=RunState.ENDING, asked_to_end_at=ago(2_000))],
        beat(age_s=61),
        Action.GIVE_UP,
        "r1",
    ),
    "a queued run is never silent": (wanted(), [run(state=RunState.QUEUED, age_s=9_000)], None, Action.NOTHING, ""),
    "cancelled without its process, which sleeps": (
        wanted(STOPPED),
        [run(state=RunState.CANCELED, ended_at=ago(31), asked_to_end_at=ago(2_000))],
        beat(age_s=40),
        Action.KILL,
        "r1",
    ),
    "cancelled, and its process is gone": (
        wanted(STOPPED),
        [run(state=RunState.CANCELED, ended_at=ago(31), asked_to_end_at=ago(2_000))],
        beat(age_s=40, process=NOBODY),
        Action.NOTHING,
        "",
    ),
    "cancelled, and its process said goodbye": (
        wanted(STOPPED),
        [run(state=RunState.CANCELED, ended_at=ago(31), asked_to_end_at=ago(2_000))],
        beat(age_s=40, phase=Phase.STOPPED),
        Action.NOTHING,
        "",
    ),
    # A person ended it in Dagster.
    "terminated by a person": (
        wanted(),
        [run(state=RunState.ENDING, asked_to_end_at=ago(1))],
        beat(),
        Action.STOP_WANTING,
        "r1",
    ),
    "terminated by a person, and gone": (
        wanted(),
        [run(state=RunState.CANCELED, asked_to_end_at=ago(1))],
        beat(phase=Phase.STOPPED),
        Action.STOP_WANTING,
        "r1",
    ),
    "terminated while it was paused": (
        wanted(PAUSED),
        [run(state=RunState.CANCELED, asked_to_end_at=ago(1))],
        None,
        Action.STOP_WANTING,
        "r1",
    ),
    "terminated, and started since": (
        wanted(seconds_ago=1),
        [run(state=RunState.CANCELED, asked_to_end_at=ago(2))],
        None,
        Action.LAUNCH,
        "",
    ),
    "ended by the supervisor": (
        wanted(),
        [run(state=RunState.CANCELED, asked_to_end_at=ago(1), by_supervisor=True)],
        beat(phase=Phase.STOPPED),
        Action.LAUNCH,
        "",
    ),
    # Code and settings changed.
    "on old code": (wanted(), [run(fingerprint="old")], beat(), Action.RENEW, "r1"),
    "on old code, and paused": (wanted(PAUSED), [run(fingerprint="old")], beat(), Action.RENEW, "r1"),
    "on old code, and to be stopped": (wanted(STOPPED), [run(fingerprint="old")], beat(), Action.NOTHING, ""),
    "on old code, and ending": (
        wanted(),
        [run(state=RunState.ENDING, fingerprint="old", asked_to_end_at=ago(1), by_supervisor=True)],
        beat(),
        Action.NOTHING,
        "",
    ),
    "queued on old code": (wanted(), [run(state=RunState.QUEUED, fingerprint="old")], None, Action.NOTHING, ""),
    "on code that nobody told": (wanted(), [run(fingerprint=None)], beat(), Action.NOTHING, ""),
    # Not wanted any more while it waits for its turn.
    "queued, and stopped": (wanted(STOPPED), [run(state=RunState.QUEUED)], None, Action.WITHDRAW, "r1"),
    "queued, and paused": (wanted(PAUSED), [run(state=RunState.QUEUED)], None, Action.WITHDRAW, "r1"),
    "running, and stopped: it sees that by itself": (wanted(STOPPED), [run()], beat(), Action.NOTHING, ""),
}


@pytest.mark.parametrize("case", TABLE)
def test_each_situation_has_one_right_action(case: str) -> None:
    want, runs, heartbeat, action, run_id = TABLE[case]
    decision = supervise(want, runs, heartbeat, NOW, POLICY)
    assert (decision.action, decision.run_id) == (action, run_id), decision.reason
    assert decision.reason


@pytest.mark.parametrize(("state", "want"), list(product([s for s in RunState if not s.is_over], WantedState)))
def test_nothing_is_launched_while_a_run_is_under_way(state: RunState, want: WantedState) -> None:
    for heartbeat in (None, beat(), beat(age_s=1_000), beat("other"), beat(phase=Phase.FAILED)):
        for others in ([], died(1), died(1, 2, 3, 4, 5)):
            decision = supervise(wanted(want), [*others, run(state=state)], heartbeat, NOW, POLICY)
            assert decision.action is not Action.LAUNCH


def test_no_restart_is_allowed_when_the_setting_says_so() -> None:
    none = replace(POLICY, restarts_per_hour=0)
    assert supervise(wanted(), [], None, NOW, none).action is Action.LAUNCH
    assert supervise(wanted(), died(500), None, NOW, none).action is Action.NOTHING


def test_a_launch_says_which_restart_it_is_and_a_refusal_what_to_do() -> None:
    assert supervise(wanted(), died(30, 60), None, NOW, POLICY).restarts == 2
    refused = supervise(wanted(), died(500, 600, 700, 800), None, NOW, POLICY)
    assert "stream start" in refused.reason
    assert "4 times" in refused.reason


@given(st.integers(1, 10_000), st.floats(0, 600))
def test_the_wait_before_a_restart_grows_and_is_bounded(restart: int, first_s: float) -> None:
    policy = replace(POLICY, backoff=timedelta(seconds=first_s))
    assert backoff(restart, policy) <= backoff(restart + 1, policy) <= LONGEST_BACKOFF
    assert backoff(1, policy) == min(LONGEST_BACKOFF, policy.backoff)
