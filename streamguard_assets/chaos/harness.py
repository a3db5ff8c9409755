"""Deals the blows of a schedule to a stream while producers write, and proves after each that all is well."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from streamguard_assets.chaos.account import Account
from streamguard_assets.chaos.commit_rules import APPEND, broken_rules
from streamguard_assets.chaos.committed_log import CommittedLog
from streamguard_assets.chaos.delta_log import DeltaLog, LoggedCommit
from streamguard_assets.chaos.dropped_ends import dropped_ends
from streamguard_assets.chaos.findings import Finding, Promise, PromiseBroken
from streamguard_assets.chaos.journal import Journal
from streamguard_assets.chaos.producers import Producers
from streamguard_assets.chaos.room import PARTITIONS, TOPIC, Room
from streamguard_assets.chaos.rounds import Blow, Round
from streamguard_assets.chaos.standstill import FROZEN_S
from streamguard_assets.chaos.verification import Verification, Verified
from streamguard_assets.chaos.victims import Program, Victim, end_all

LOOK_EVERY_S = 0.02
"""Another process' commits and end give no event that could be waited for together."""
PATIENCE_S = 180.0
"""After so long without what must come the stream counts as stuck. Far beyond what a busy machine needs."""


class Harness:
    """One run: entering starts broker and producers, leaving ends every process that was started.

    ``told`` is called with the account after each blow and each verification.
    """

    def __init__(
        self,
        room: Room,
        program: Program,
        seed: int,
        told: Callable[[Account], None] = lambda _account: None,
        *,
        account: Account | None = None,
    ) -> None:
        self.account = Account() if account is None else account
        self._room = room
        self._program = program
        self._told = told
        self._stack = ExitStack()
        self._victims: list[Victim] = []
        self._commits = DeltaLog(room.live / "events")
        self._standing: LoggedCommit | None = None
        self._newest: LoggedCommit | None = None
        self._struck_at_s: float | None = None
        self._log = CommittedLog(room.servers, TOPIC, PARTITIONS)
        self._journal = Journal(room.journal)
        self._verification = Verification(room.live, self._log, self._journal, lambda: dropped_ends(room.broker_log))
        self._producers = Producers(room, seed)

    def __enter__(self) -> Self:
        with self._stack:
            self._stack.callback(self._room.stop_broker)
            self._room.start_broker()
            self._room.create_topic()
            self._stack.callback(lambda: end_all(self._victims))
            self._stack.enter_context(self._producers)
            # Else a short run could end before the first transaction was aborted, and would prove nothing of such.
            self.wait_until(self._producers_have_done_both, "records that were committed, and some that were aborted")
            self._stack = self._stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def run(self, rounds: Iterable[Round], verify_every: int = 1, deal: Callable[[Round], None] | None = None) -> None:
        """Deal every blow, and verify after each ``verify_every`` of them; ``PromiseBroken`` at the first finding.

        ``deal`` does it in the place of this class, for blows on what this class does not run.
        """
        for number, blow in enumerate(rounds, start=1):
            (deal or self._deal)(blow)
            self.account.rounds += 1
            self._told(self.account)
            if number % verify_every == 0:
                self.verify()

    def verify(self) -> Verified:
        """Prove what the tables hold now; ``PromiseBroken`` when something is wrong."""
        verified = self._verification.verify()
        self.account.verifications += 1
        self.account.verified_records = verified.records
        self.account.misjudged_by_kafka = verified.misjudged_records
        self._told(self.account)
        if verified.findings:
            raise PromiseBroken(verified.findings)
        return verified

    def settle(self) -> Verified:
        """Stop the producers, let a last stream come to the end of the topic and stop as asked, and verify it all."""
        self._producers.finish(PATIENCE_S)
        self.wait_until(self._all_acknowledged_can_be_read, "the end of every transaction")
        last = self._start("settling")
        self._wait_for_the_end(last)
        last.ask_to_end()
        self.wait_until(lambda: last.has_ended, "the end of a stream that was asked to stop")
        if not last.has_stopped:
            raise PromiseBroken([Finding(Promise.STOP, f"{last.owner} was asked to stop and said:\n{last.said}")])
        return self.verify()

    def _producers_have_done_both(self) -> bool:
        self._journal.catch_up()
        return bool(self._journal.committed and self._journal.aborted)

    def _all_acknowledged_can_be_read(self) -> bool:
        """Records behind an open transaction cannot, and would be left out of the proof."""
        self._journal.catch_up()
        self._log.catch_up()
        return all(offset < self._log.positions[p] for p, offset in self._journal.committed.values())

    def _deal(self, blow: Round) -> None:
        deal = {
            Blow.KILL_AT_STEP: self._kill_at_step,
            Blow.KILL_STARTING: self._kill_starting,
            Blow.KILL_RUNNING: self._kill_running,
            Blow.KILL_BROKER: self._kill_broker,
            Blow.FREEZE_BROKER: self._freeze_broker,
            Blow.KILL_BOTH: self._kill_both,
            Blow.FREEZE: self._freeze,
            Blow.RIVALS: self._rivals,
        }[blow.blow]
        deal(blow)

    def _kill_at_step(self, blow: Round) -> None:
        victim = self._start(f"round-{blow.number}", blow)
        self.wait_until(lambda: victim.has_ended, f"pass {blow.passes} of step {blow.step}")
        if not victim.was_killed:
            raise victim.unexpected_end(f"before pass {blow.passes} of step {blow.step}")
        self.note_blow(f"{Blow.KILL_AT_STEP}: {blow.step}")

    def _kill_starting(self, blow: Round) -> None:
        victim = self._start(f"round-{blow.number}")
        if victim.ends_within(blow.delay_s):
            raise victim.unexpected_end("while it was starting")
        self._kill(victim, blow.blow)

    def _kill_running(self, blow: Round) -> None:
        self._kill(self._running(blow), blow.blow)

    def _kill_broker(self, blow: Round) -> None:
        """The stream must live through it, and go on in the same life."""
        victim = self._running(blow)
        self._look()
        struck_at_s = time.monotonic()
        self._room.kill_broker()
        self._room.start_broker()
        self.note_blow(blow.blow, struck_at_s)
        self._wait_for_commit(victim, "after the broker came back")
        self._kill(victim, Blow.KILL_RUNNING)

    def _freeze_broker(self, blow: Round) -> None:
        """The stream can only wait: no connection is lost, and no answer comes. It must go on in the same life."""
        victim = self._running(blow)
        struck_at_s = time.monotonic()
        with self._room.frozen_broker():
            if victim.ends_within(FROZEN_S):
                raise victim.unexpected_end("while the broker stood still")
        self.note_blow(blow.blow, struck_at_s)
        self._wait_for_the_end(victim)
        self._kill(victim, Blow.KILL_RUNNING)

    def _kill_both(self, blow: Round) -> None:
        victim = self._running(blow)
        struck_at_s = time.monotonic()
        self._room.kill_broker()
        victim.kill()
        self._room.start_broker()
        self.note_blow(blow.blow, struck_at_s)

    def _freeze(self, blow: Round) -> None:
        """A frozen writer is the one that nobody can tell from a dead one."""
        frozen = self._running(blow)
        frozen.freeze()
        self.note_blow(blow.blow)
        other = self._start(f"round-{blow.number}-heir")
        self._wait_for_commit(other, "beside a frozen stream")
        frozen.thaw()
        self._expect_lost(frozen, other)
        self._wait_for_commit(other, "after the frozen stream had woken")
        self._kill(other, Blow.KILL_RUNNING)

    def _rivals(self, blow: Round) -> None:
        """Whoever comes second wins; the first must go, and may not have committed since."""
        rivals = [self._start(f"round-{blow.number}-{name}") for name in ("castor", "pollux")]
        self.wait_until(lambda: any(rival.has_ended for rival in rivals), "one of two streams to leave")
        loser, winner = sorted(rivals, key=lambda rival: not rival.has_ended)
        self._expect_lost(loser, winner)
        self._wait_for_commit(winner, "after its rival had left")
        self._kill(winner, Blow.RIVALS)

    def _expect_lost(self, loser: Victim, winner: Victim) -> None:
        self.wait_until(lambda: loser.has_ended, f"{loser.owner} to leave the stream to {winner.owner}", winner)
        if not loser.has_lost or winner.owner not in loser.said:
            text = f"{loser.owner} should have left, naming {winner.owner}; it said:\n{loser.said.strip()}"
            raise PromiseBroken([Finding(Promise.FENCE, text)])

    def _start(self, owner: str, blow: Round | None = None) -> Victim:
        self._victims = [victim for victim in self._victims if not victim.has_ended]
        victim = Victim(self._room, self._program, owner, blow)
        self._victims.append(victim)
        return victim

    def _running(self, blow: Round) -> Victim:
        """A stream that has committed, at a random moment after that."""
        victim = self._start(f"round-{blow.number}")
        self._wait_for_commit(victim, "after its start")
        if victim.ends_within(blow.delay_s):
            raise victim.unexpected_end("while nobody touched it")
        return victim

    def _kill(self, victim: Victim, what: Blow) -> None:
        if victim.has_ended:
            raise victim.unexpected_end("before it was killed")
        victim.kill()
        self.note_blow(what)

    def note_blow(self, what: str, struck_at_s: float | None = None) -> None:
        """Count a blow, that of a moment ago or that of ``struck_at_s``."""
        self._look()  # what was committed before the blow is no recovery from it
        self._struck_at_s = time.monotonic() if struck_at_s is None else struck_at_s
        self.account.kills[what] += 1
        self._told(self.account)

    def _wait_for_commit(self, victim: Victim, when: str) -> None:
        """Until a micro-batch of ``victim`` is committed that is not yet."""
        self._look()
        after = self._commits.version

        def committed() -> bool:
            newest = self._newest
            return newest is not None and newest.version > after and newest.owner == victim.owner

        self.wait_until(committed, f"a commit of {victim.owner} {when}", victim)

    def _wait_for_the_end(self, victim: Victim) -> None:
        """Until ``victim`` has committed whatever can be read at this moment."""
        self._log.catch_up()
        ends = dict(self._log.positions)
        self.wait_until(lambda: self._has_come_to(ends), f"the end of the topic, {ends}", victim)

    def wait_for_any_commit(self, when: str) -> None:
        """Until a micro-batch is committed that is not yet, whoever commits it."""
        self._look()
        after = self._commits.version
        self.wait_until(lambda: self._newest is not None and self._newest.version > after, f"a commit {when}")

    def wait_until(self, condition: Callable[[], bool], what: str, needed: Victim | None = None) -> None:
        """Wait until ``condition``; ``PromiseBroken`` when it does not come, or when ``needed`` ends before it."""
        deadline_s = time.monotonic() + PATIENCE_S
        while True:
            self._look()
            if condition():
                return
            if needed is not None and needed.has_ended:
                raise needed.unexpected_end(f"while the harness waited for {what}")
            if time.monotonic() > deadline_s:
                said = "" if needed is None else f"; {needed.owner} said:\n{needed.said.strip()}"
                text = f"waited {PATIENCE_S:g} s for {what}{said}"
                raise PromiseBroken([Finding(Promise.PROGRESS, text)])
            time.sleep(LOOK_EVERY_S)

    def _look(self) -> None:
        """Take note of new micro-batches."""
        for commit in self._commits.new_commits():
            before, self._standing = self._standing, commit
            if any(broken_rules(before, commit)):
                self.verify()  # at once: the tables tell what came of it
            if commit.kind != APPEND:
                continue
            self._newest = commit
            self.account.commits += 1
            if self._struck_at_s is not None:
                self.account.recoveries_s.append(time.monotonic() - self._struck_at_s)
                self._struck_at_s = None

    def _has_come_to(self, ends: dict[int, int]) -> bool:
        positions = {} if self._newest is None else self._newest.positions
        return all(positions.get(partition, 0) >= end for partition, end in ends.items())
