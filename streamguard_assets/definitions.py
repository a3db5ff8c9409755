"""The one place where the pieces become a Dagster code location.

``build_defs(settings)`` assembles; ``defs`` is what ``workspace.yaml`` loads. Loading reads settings and the state
folder and nothing else: no Kafka, no lake, no Spark.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from dagster import Definitions, in_process_executor

from streamguard_assets.orchestration.batch_retention import batch_retention_job, batch_retention_schedule
from streamguard_assets.orchestration.batches.graph import batches_job
from streamguard_assets.orchestration.checks import stream_checks
from streamguard_assets.orchestration.factory import stream_assets
from streamguard_assets.orchestration.io_manager import WindowIOManager
from streamguard_assets.orchestration.jobs import checks_job, windows_job
from streamguard_assets.orchestration.lake_care import care_job, care_schedule
from streamguard_assets.orchestration.live_assets import live_asset_specs
from streamguard_assets.orchestration.live_care import live_care_job, live_care_schedule
from streamguard_assets.orchestration.resources import Progress, Streams, no_progress, system_clock
from streamguard_assets.orchestration.rollups import rollups_job, rollups_sensor
from streamguard_assets.orchestration.schedules import windows_schedule
from streamguard_assets.orchestration.sensors import planning_sensor
from streamguard_assets.orchestration.streaming.job import stream_job
from streamguard_assets.orchestration.streaming.supervisor import supervisor_sensor
from streamguard_assets.settings import Settings, load_settings
from streamguard_assets.windows.graph import analyses_of, configured_graph
from streamguard_assets.windows.lake_care import Care


def build_defs(
    settings: Settings, *, now: Callable[[], datetime] = system_clock, progress: Progress = no_progress
) -> Definitions:
    """Assets, checks, jobs, sensors and schedules of every configured stream.

    ``now`` is the clock of every run and sensor, ``progress`` hears of each window of each asset that is built.
    """
    names = sorted(settings.streams)
    analysed = [name for name in names if analyses_of(configured_graph(settings, name))]
    streams = Streams(settings, now, progress)
    return Definitions(
        assets=[
            asset for name in names for asset in (*stream_assets(settings, name), *live_asset_specs(settings, name))
        ],
        asset_checks=[check for name in names for check in stream_checks(settings, name)],
        jobs=[
            job
            for name in names
            for job in (
                windows_job(settings, name),
                checks_job(settings, name),
                batches_job(settings, name),
                stream_job(name),
                live_care_job(name),
            )
        ]
        + [rollups_job(settings, name) for name in analysed]
        + [care_job(care) for care in Care]
        + [batch_retention_job()],
        sensors=[*map(planning_sensor, names), *map(rollups_sensor, analysed), *map(supervisor_sensor, names)],
        schedules=[windows_schedule(name, settings.stream(name)) for name in names]
        + [live_care_schedule(settings, name) for name in names]
        + [care_schedule(settings, care) for care in Care]
        + [batch_retention_schedule(settings)],
        resources={"streams": streams, "window_io_manager": WindowIOManager(streams)},
        # Backfills from the UI run outside our jobs: with the default executor each step would be a process of its own.
        executor=in_process_executor,
    )


defs = build_defs(load_settings())
