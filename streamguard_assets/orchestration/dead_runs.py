"""Runs whose process is gone without a word: after a kill -9 or a reboot Dagster shows them as started for ever.

Its monitoring cannot see into the processes of the default launcher, and not at all into those of commands. Such a run
would keep its windows "under way", and the plan would never ask for them again. So every run notes its process, and
each tick of the sensor fails the ones whose process has ended.
"""

from __future__ import annotations

import json
import socket
from dataclasses import asdict

from dagster import AssetExecutionContext, DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter

from streamguard_assets.processes.identity import ProcessIdentity

PROCESS_TAG = "streamguard/process"
"""Host, pid and create time of the process that executes a run, as JSON."""

UNDER_WAY = [DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]


def note_process(context: AssetExecutionContext) -> None:
    """Tag the run with this process, once."""
    if PROCESS_TAG not in context.run.tags:
        context.instance.add_run_tags(context.run.run_id, {PROCESS_TAG: process_tag(ProcessIdentity.current())})


def process_tag(identity: ProcessIdentity) -> str:
    """The tag's value for a process of this host."""
    return json.dumps({"host": socket.gethostname(), **asdict(identity)})


def fail_dead_runs(instance: DagsterInstance) -> list[str]:
    """Mark started runs whose process on this host is gone as failed; returns their ids.

    Runs of other hosts, and those that never came to their first asset, are left alone.
    """
    dead = [run for run in instance.get_runs(RunsFilter(statuses=UNDER_WAY)) if _is_dead(run)]
    for run in dead:
        instance.report_run_failed(run, "its process is gone; it was killed, or the machine went down")
    return [run.run_id for run in dead]


def _is_dead(run: DagsterRun) -> bool:
    if PROCESS_TAG not in run.tags:
        return False
    noted = json.loads(run.tags[PROCESS_TAG])
    if noted.pop("host") != socket.gethostname():
        return False
    return not ProcessIdentity(**noted).is_alive()
