"""Ending a batch that waits or runs, with or without a daemon."""

from __future__ import annotations

import os
import signal

from dagster import DagsterInstance, DagsterRun, DagsterRunStatus
from dagster._core.storage.tags import GRPC_INFO_TAG

from streamguard_assets.orchestration.dead_runs import local_process


def cancel_run(instance: DagsterInstance, run: DagsterRun) -> bool:
    """Ask ``run`` to end; False when there is nobody to ask. A run that waits is cancelled at once.

    A run that is under way is interrupted, at its next line: what it has staged is deleted, and what it has not
    committed is never seen. Its status tells when it has ended.
    """
    if run.status in (DagsterRunStatus.QUEUED, DagsterRunStatus.NOT_STARTED):
        instance.report_run_canceling(run)
        instance.report_run_canceled(run)
        return True
    process = local_process(run)
    if process is not None and process.is_alive():
        instance.report_run_canceling(run)
        # What the code server would do. It may be gone, or never have known of the run, as with `--here`.
        os.kill(process.pid, signal.SIGINT)
        return True
    return GRPC_INFO_TAG in run.tags and instance.run_launcher.terminate(run.run_id)
