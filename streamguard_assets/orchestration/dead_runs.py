"""Runs whose process is gone without a word: after a kill -9 or a reboot Dagster shows them as started for ever.

Its monitoring cannot see into the processes of the default launcher, and not at all into those of commands. Such a run
would keep its windows "under way", and the plan would never ask for them again. So every run notes its process, and
each tick of the sensor fails the ones whose process has ended.
"""

from __future__ import annotations

import json
import socket
from dataclasses import asdict

from dagster import AssetExecutionContext, DagsterInstance, DagsterRun, DagsterRunStatus, OpExecutionContext, RunsFilter

from streamguard_assets.processes.identity import ProcessIdentity

PROCESS_TAG = "streamguard/process"
"""The run, and host, pid and create time of the process that executes it, as JSON. A run that is retried from the UI
takes over the tags of the one before, so the tag has to say of which run it speaks."""

UNDER_WAY = [DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]


def note_process(context: AssetExecutionContext | OpExecutionContext) -> None:
    """Tag the run with this process, once."""
    own = process_tag(ProcessIdentity.current(), context.run.run_id)
    if context.run.tags.get(PROCESS_TAG) != own:
        context.instance.add_run_tags(context.run.run_id, {PROCESS_TAG: own})


def process_tag(identity: ProcessIdentity, run_id: str) -> str:
    """The tag's value for a process of this host."""
    return json.dumps({"run": run_id, "host": socket.gethostname(), **asdict(identity)})


def fail_dead_runs(instance: DagsterInstance) -> list[str]:
    """Mark started runs whose process on this host is gone as failed; returns their ids.

    Runs of other hosts, and those that never came to their first asset, are left alone.
    """
    dead = [run for run in instance.get_runs(RunsFilter(statuses=UNDER_WAY)) if _is_dead(run)]
    for run in dead:
        instance.report_run_failed(run, "its process is gone; it was killed, or the machine went down")
    return [run.run_id for run in dead]


def local_process(run: DagsterRun) -> ProcessIdentity | None:
    """The process that executes ``run``, when it noted itself and is one of this host."""
    noted = json.loads(run.tags.get(PROCESS_TAG, "{}"))
    if (noted.get("run"), noted.get("host")) != (run.run_id, socket.gethostname()):
        return None
    return ProcessIdentity(noted["pid"], noted["create_time"])


def _is_dead(run: DagsterRun) -> bool:
    process = local_process(run)
    return process is not None and not process.is_alive()
