"""Care of the lake as jobs and schedules: compaction, z-order, vacuum, checkpoints, each over every table."""

# No `from __future__ import annotations` here: Dagster reads the annotations of these functions, and refuses texts.

from collections.abc import Sequence
from typing import Any

from dagster import (
    AssetObservation,
    Config,
    Failure,
    JobDefinition,
    MetadataValue,
    OpExecutionContext,
    ResourceParam,
    ScheduleDefinition,
    TableRecord,
    in_process_executor,
    job,
    op,
)
from pydantic import Field

from streamguard_assets.lake.catalog import LakeTable, named_table
from streamguard_assets.orchestration.care_schedules import job_schedule
from streamguard_assets.orchestration.dead_runs import note_process
from streamguard_assets.orchestration.keys import asset_key
from streamguard_assets.orchestration.resources import Streams
from streamguard_assets.orchestration.storage import lake_location
from streamguard_assets.settings import Settings
from streamguard_assets.windows.graph import configured_graph
from streamguard_assets.windows.lake_care import Care, LakeCarer, TableCare

DESCRIPTIONS = {
    Care.COMPACT: "Rewrite partitions of many small files into few. The same rows, beside writers and readers.",
    Care.ZORDER: "Put rows of large partitions in the order of user and category, so that queries skip most of them.",
    Care.VACUUM: "Delete files that no version within the retention needs.",
    Care.CHECKPOINT: "Write checkpoints of the logs and delete old ones. Log entries themselves are kept for ever.",
}


class CareConfig(Config):
    """What one run cares for: every table when ``tables`` names none."""

    tables: list[str] = Field(default_factory=list)
    dry_run: bool = False


def care_job_name(care: Care) -> str:
    return f"lake_{care.value}"


def care_job(care: Care) -> JobDefinition:
    """One kind of care over the tables of the lake; fails at its end when some table needs a person."""

    @op(name=f"{care.value}_tables", description=DESCRIPTIONS[care])
    def care_for_tables(context: OpExecutionContext, config: CareConfig, streams: ResourceParam[Streams]) -> None:
        note_process(context)
        location = lake_location(streams.settings)
        carer = LakeCarer(streams.settings, location, streams.now(), config.dry_run)
        tables = [named_table(location, name) for name in config.tables] or carer.tables(care)
        done = []
        for table_care in carer.turn(care, tables):
            done.append(table_care)
            _tell(context, streams.settings, care, table_care, config.dry_run)
        metadata = run_metadata(done)
        if unwell := [each for each in done if not each.is_well]:
            named = "; ".join(f"{each.table.sql_name}: {each.to_record()['remarks']}" for each in unwell)
            raise Failure(f"{len(unwell)} of {len(done)} tables need a look: {named}", metadata=metadata)
        context.add_output_metadata(metadata)

    @job(name=care_job_name(care), description=DESCRIPTIONS[care], executor_def=in_process_executor)
    def care_for_lake() -> None:
        care_for_tables()

    return care_for_lake


def care_schedule(settings: Settings, care: Care) -> ScheduleDefinition:
    """Asks for the job at the times of the settings, unless its last run is still under way.

    Raises:
        SettingsError: the setting is no cron.
    """
    return job_schedule(settings, care_job_name(care), care_cron(settings, care), DESCRIPTIONS[care])


def care_cron(settings: Settings, care: Care) -> str:
    """When ``care`` is due. Compaction stays away from the minutes in which windows close and are built."""
    if care is Care.COMPACT:
        return f"23 */{settings.lake_care.compaction_every_hours} * * *"
    return getattr(settings.lake_care, f"{care.value}_cron")


def run_metadata(done: Sequence[TableCare]) -> dict[str, Any]:
    """Totals, and a line per table."""
    reports = [each.report for each in done]
    totals = {
        name: sum(getattr(report, name) for report in reports)
        for name in ("files_before", "files_after", "bytes_before", "bytes_after", "changed")
    }
    records = [TableRecord(each.to_record()) for each in done]
    lines = {"per_table": MetadataValue.table(records)} if records else {}
    return {**totals, "tables": len(done), **lines}


def _tell(context: OpExecutionContext, settings: Settings, care: Care, done: TableCare, dry_run: bool) -> None:
    """Into the run's log, and onto the page of the asset whose table it is: there the figures become plots."""
    record = done.to_record()
    context.log.info(", ".join(f"{name} {value}" for name, value in record.items() if value != ""))
    if done.report.changed and not dry_run and _is_asset(settings, done.table):
        figures = {name: value for name, value in record.items() if name not in ("table", "remarks")}
        key = asset_key(done.table.stream, done.table.asset)
        context.log_event(AssetObservation(key, description=f"lake {care.value}", metadata=figures))


def _is_asset(settings: Settings, table: LakeTable) -> bool:
    """An observation of a table without an asset would put a stray node into the graph."""
    return table.stream in settings.streams and table.asset in configured_graph(settings, table.stream)
