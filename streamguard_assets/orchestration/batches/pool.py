"""The pool of batches: so many run at once, and the rest waits without taking a run slot from streams and windows."""

from __future__ import annotations

from dagster import DagsterInstance

from streamguard_assets.settings import Settings

POOL = "streamguard_batches"


def limit_batches(instance: DagsterInstance, settings: Settings) -> None:
    """Make the instance's limit of the pool that of ``batches.max_concurrent``.

    The limit is kept in the instance's storage and not in its configuration file: ``pools.default_limit`` there would
    hold for every pool of the instance.
    """
    wanted = settings.batches.max_concurrent
    limits = {pool.name: pool.limit for pool in instance.event_log_storage.get_pool_limits()}
    if limits.get(POOL) != wanted:
        instance.event_log_storage.set_concurrency_slots(POOL, wanted)
