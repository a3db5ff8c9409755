"""Batches whose time is over: which they are, and taking them away, from the lake and from Dagster."""

from __future__ import annotations

from datetime import datetime, timedelta

from dagster import DagsterInstance

from streamguard_assets.batches.completed import CompletedBatches
from streamguard_assets.batches.errors import BatchBusy
from streamguard_assets.batches.identity import submission_day
from streamguard_assets.batches.removal import batches_with_files, remove_tables
from streamguard_assets.lake.files import FolderFacts
from streamguard_assets.orchestration.batches.graph import partitions_name
from streamguard_assets.orchestration.batches.registry import BatchRegistry
from streamguard_assets.windows.stream import Stream


def expired_batches(
    instance: DagsterInstance, stream: Stream, now: datetime, retention: timedelta | None = None
) -> list[str]:
    """Ids of the batches of ``stream`` that ended longer than ``retention`` ago, the oldest first.

    ``retention`` is by default ``batches.retention_days``. A batch that is queued or running never is among them.
    Tables and partitions that no run and no commit speaks of any more count from the end of the day in their id.
    """
    kept = retention or timedelta(days=stream.settings.batches.retention_days)
    registry = BatchRegistry(instance, [stream], lambda: now)
    known = {record.batch.batch_id: record for record in registry.records()}
    ended = {key: r.ended_at or r.batch.submitted_at for key, r in known.items() if r.status.is_over}
    left = batches_with_files(stream) | set(instance.get_dynamic_partitions(partitions_name(stream.name)))
    removed = CompletedBatches(stream).removed()
    for batch_id in left - known.keys():
        # What a removal that was cut short left behind is over already.
        ended[batch_id] = removed.get(batch_id, submission_day(batch_id) + timedelta(days=1))
    over = [key for key, at in ended.items() if (now - at > kept or key in removed)]
    return sorted(key for key in over if registry.unfinished_run(key) is None)


def remove_batch(instance: DagsterInstance, stream: Stream, batch_id: str, now: datetime) -> FolderFacts:
    """Delete the tables of a batch and its partition; tells the files and bytes that went. Safe to repeat.

    Raises:
        BatchBusy: it is queued or running; nothing was deleted.
    """
    registry = BatchRegistry(instance, [stream], lambda: now)
    if (run := registry.unfinished_run(batch_id)) is not None:
        raise BatchBusy(batch_id, run.dagster_run.status.value)
    gone = remove_tables(stream, batch_id, now)
    # Last: as long as it is there, a removal that was cut short is found again.
    if instance.has_dynamic_partition(partitions_name(stream.name), batch_id):
        instance.delete_dynamic_partition(partitions_name(stream.name), batch_id)
    return gone
