"""``streamguard batch``: ad-hoc offset ranges of a topic, submitted, followed, read and cancelled."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamguard_assets.batches.errors import BatchRefused
from streamguard_assets.batches.identity import checked_batch_id
from streamguard_assets.batches.pages import Page, raw_page, result_page
from streamguard_assets.batches.pinning import pin
from streamguard_assets.batches.record import CANCELLED, INTERRUPTED, BatchRecord, BatchStatus
from streamguard_assets.batches.removal import delete_tables
from streamguard_assets.batches.request import RAW_ONLY, Batch, BatchRequest, parse_end, parse_start
from streamguard_assets.commands.exit_codes import CommandError, ExitCode
from streamguard_assets.commands.machine import running_machine
from streamguard_assets.commands.output import (
    CsvOption,
    Format,
    JsonOption,
    chosen_format,
    print_document,
    print_error,
    print_json,
    print_note,
    print_records,
    print_warning,
    progress_bar,
)
from streamguard_assets.commands.streams import now, opened
from streamguard_assets.orchestration.instance import dagster_instance
from streamguard_assets.settings import Settings, load_settings
from streamguard_assets.windows.stream import Stream, kafka_connection

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from streamguard_assets.orchestration.batches.registry import BatchRegistry

app = typer.Typer(help="Ad-hoc offset ranges: run, status, list, data, cancel, wait.", no_args_is_help=True)

POLL_INTERVAL_S = 0.5
"""How soon a state that another process writes is seen. The instance tells of it only when asked."""
CANCEL_TIMEOUT_S = 60.0

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="For example batch-20260131-0a1b2c3d.")]


@app.command()
def run(
    topic: Annotated[str, typer.Option("--topic", help="Topic to read.")],
    start: Annotated[str, typer.Option("--start", help='earliest, or offsets: {"0": 100}.')] = "earliest",
    end: Annotated[str, typer.Option("--end", help='latest, or offsets, not read themselves: {"0": 200}.')] = "latest",
    analysis: Annotated[
        str, typer.Option("--analysis", help=f"Name of an analysis, full_report for all, {RAW_ONLY} for raw rows only.")
    ] = "full_report",
    stream: Annotated[
        str | None, typer.Option("--stream", help="Whose contract the records follow; absent: the topic's stream.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the end, with a progress bar.")] = False,
    here: Annotated[bool, typer.Option("--here", help="Run it in this process, now; needs no daemon.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Submit a batch. `latest` means the end of the log at this moment, however long the batch waits for its turn.

    A partition that neither map names is not read; a word goes for the partitions of the other map, or for all.

    ```
    streamguard batch run --topic transactions-batch --analysis full_report --wait
    streamguard batch run --topic transactions-stream --start '{"0": 100}' --end '{"0": 200}' \\
        --analysis revenue_by_category --here
    streamguard batch run --topic my-topic --stream security --analysis none
    ```

    Exits with 2, and creates nothing, when the request cannot be a batch; with `--wait` or `--here` with 1 when the
    batch has failed.
    """
    settings = load_settings()
    try:
        asked = BatchRequest(topic, parse_start(start), parse_end(end), analysis, stream)
        batch = pin(settings, kafka_connection(settings), asked, now())
    except BatchRefused as refusal:
        raise CommandError(str(refusal), ExitCode.USAGE) from refusal
    with dagster_instance(settings) as instance:
        registry = _registry(settings, instance)
        if here:
            _run_here(settings, instance, batch)
        else:
            _submit(settings, instance, batch)
        record = registry.record(batch.batch_id) if here or not wait else _ended(registry, batch.batch_id)
    _show(record, as_json)
    if record.error == INTERRUPTED and here:
        raise KeyboardInterrupt  # Dagster took the signal for its own
    if wait or here:
        _exit_by(record)


@app.command()
def status(batch_id: IdArgument, as_json: JsonOption = False) -> None:
    """Show a batch: state, offsets, times, rows, where its tables are, and why it failed.

    ```
    streamguard batch status batch-20260131-0a1b2c3d
    ```
    """
    settings = load_settings()
    with dagster_instance(settings) as instance:
        record = _registry(settings, instance).record(checked_batch_id(batch_id))
        if record.status is BatchStatus.PENDING:
            _warn_without_daemon(settings, instance)
    _show(record, as_json)


@app.command("list")
def list_batches(
    state: Annotated[BatchStatus | None, typer.Option("--status", help="Only batches in this state.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Most batches to list.")] = 20,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """List batches, the newest first.

    ```
    streamguard batch list --status FAILED
    streamguard batch list --limit 100 --json
    ```
    """
    form, settings = chosen_format(as_json, as_csv), load_settings()
    with dagster_instance(settings) as instance:
        chosen = _registry(settings, instance).records(state, limit + 1)
    print_records((record.as_document() for record in chosen[:limit]), form, columns=_LIST_COLUMNS)
    if not chosen:
        print_note("there is no batch" + (f" that is {state.value}" if state else ""))
    elif len(chosen) > limit:
        print_note(f"the newest {limit}; --limit shows more")


_LIST_COLUMNS = [
    "batchId",
    "status",
    "analysisType",
    "topic",
    "rowCount",
    "rejectedCount",
    "submitTime",
    "endTime",
    "errorMessage",
]


@app.command()
def data(
    batch_id: IdArgument,
    analysis: Annotated[
        str | None, typer.Option("--analysis", help="The result of this analysis; absent: the raw rows.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Rows of the page; absent: batches.default_page_size.")
    ] = None,
    offset: Annotated[int, typer.Option("--offset", min=0, help="Rows before the page.")] = 0,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Show a page of a batch's rows, by event time, partition and offset; or of a result, in its own order.

    ```
    streamguard batch data batch-20260131-0a1b2c3d --limit 50 --offset 100
    streamguard batch data batch-20260131-0a1b2c3d --analysis revenue_by_category --json
    ```
    """
    form, settings = chosen_format(as_json, as_csv), load_settings()
    size = limit or settings.batches.default_page_size
    if size > settings.batches.max_page_size:
        raise CommandError(f"--limit {size}: a page has at most {settings.batches.max_page_size} rows", ExitCode.USAGE)
    with dagster_instance(settings) as instance:
        record = _registry(settings, instance).record(checked_batch_id(batch_id))
    owner = opened(settings, record.batch.stream)
    page = (
        raw_page(owner, record, size, offset)
        if analysis is None
        else result_page(owner, record, analysis, size, offset)
    )
    if form is Format.JSON:
        print_json(_page_document(record, page, analysis))
        return
    print_records(page.rows.iter_rows(named=True), form, columns=page.rows.columns)
    shown = f"rows {offset + 1:,} to {offset + page.rows.height:,}" if page.rows.height else f"no row after {offset:,}"
    print_note(f"{shown} of {page.total:,}")


@app.command()
def cancel(batch_id: IdArgument, as_json: JsonOption = False) -> None:
    """Cancel a batch that waits or runs. Nothing of it is kept; it is FAILED then, with the message `cancelled`.

    ```
    streamguard batch cancel batch-20260131-0a1b2c3d
    ```
    """
    from streamguard_assets.orchestration.batches.cancelling import cancel_run

    settings = load_settings()
    with dagster_instance(settings) as instance:
        registry = _registry(settings, instance)
        record = registry.record(checked_batch_id(batch_id))
        run = registry.unfinished_run(batch_id)
        if run is None or record.status.is_over:
            raise CommandError(f"{batch_id} is {record.status.value} already; there is nothing to cancel")
        if not cancel_run(instance, run.dagster_run):
            raise CommandError(
                f"{batch_id} runs where this command cannot reach it; cancel run {run.dagster_run.run_id} in the UI"
            )
        record = _ended(registry, batch_id, CANCEL_TIMEOUT_S)
        if record.error == CANCELLED:
            delete_tables(opened(settings, record.batch.stream), batch_id)
    _show(record, as_json)
    if record.status is BatchStatus.COMPLETED:
        raise CommandError(f"{batch_id} was COMPLETED before it could be cancelled")


@app.command("wait")
def wait_for(batch_id: IdArgument, as_json: JsonOption = False) -> None:
    """Wait until a batch is over. Exits with 0 when it is COMPLETED, with 1 when it has FAILED; Ctrl-C leaves it be.

    ```
    streamguard batch wait batch-20260131-0a1b2c3d && echo done
    ```
    """
    settings = load_settings()
    with dagster_instance(settings) as instance:
        registry = _registry(settings, instance)
        if registry.record(checked_batch_id(batch_id)).status is BatchStatus.PENDING:
            _warn_without_daemon(settings, instance)
        record = _ended(registry, batch_id)
    _show(record, as_json)
    _exit_by(record)


def _submit(settings: Settings, instance: DagsterInstance, batch: Batch) -> None:
    # Imported here, as below: this loads Dagster and builds the code location.
    from streamguard_assets.definitions import build_defs
    from streamguard_assets.orchestration.batches.submission import submit

    submit(settings, instance, build_defs(settings), batch)
    _warn_without_daemon(settings, instance)


def _run_here(settings: Settings, instance: DagsterInstance, batch: Batch) -> None:
    from streamguard_assets.definitions import build_defs
    from streamguard_assets.orchestration.batches.submission import run_here

    with _bar(batch) as advance:
        run_here(settings, instance, build_defs(settings, progress=lambda asset, _: advance(1)), batch)


def _ended(registry: BatchRegistry, batch_id: str, timeout_s: float | None = None) -> BatchRecord:
    """The record of a batch once it is over, with a bar until then."""
    began = time.monotonic()
    record = registry.record(batch_id)
    done = 0
    with _bar(record.batch) as advance:
        while not record.status.is_over:
            if timeout_s is not None and time.monotonic() - began > timeout_s:
                raise CommandError(
                    f"{batch_id} was asked to end and has not after {timeout_s:g} s; "
                    f"`streamguard batch status {batch_id}` tells when it has"
                )
            time.sleep(POLL_INTERVAL_S)  # the run is another process: its instance can only be asked, not waited for
            made = registry.tables_made(record)
            advance(made - done)
            done = made
            record = registry.record(batch_id)
    return record


@contextmanager
def _bar(batch: Batch) -> Iterator[Callable[[int], None]]:
    with progress_bar() as bar:
        task = bar.add_task(f"{batch.batch_id}: {batch.range.span:,} offsets", total=1 + len(batch.analyses))
        yield lambda steps: bar.advance(task, steps)


def _registry(settings: Settings, instance: DagsterInstance) -> BatchRegistry:
    from streamguard_assets.orchestration.batches.registry import BatchRegistry

    return BatchRegistry(instance, _streams(settings), now)


def _streams(settings: Settings) -> Sequence[Stream]:
    return [opened(settings, name) for name in sorted(settings.streams)]


def _warn_without_daemon(settings: Settings, instance: DagsterInstance) -> None:
    from streamguard_assets.orchestration.batches.daemon import queue_is_served

    if running_machine(settings) is None and not queue_is_served(instance, now()):
        print_warning(
            "no Dagster daemon runs, so the batch stays PENDING until `streamguard up` does; "
            "`streamguard batch run --here` runs one in its own process"
        )


def _show(record: BatchRecord, as_json: bool) -> None:
    print_document(record.as_document(), chosen_format(as_json))


def _exit_by(record: BatchRecord) -> None:
    if record.status is not BatchStatus.COMPLETED:
        print_error(f"{record.batch.batch_id} has failed: {record.error}")
        raise SystemExit(int(ExitCode.FAILED))


def _page_document(record: BatchRecord, page: Page, analysis: str | None) -> dict[str, Any]:
    document: dict[str, Any] = {"batchId": record.batch.batch_id, "status": record.status.value}
    if analysis is not None:
        document["analysisType"] = analysis
    return {
        **document,
        "rowCount": page.total,
        "page": {
            "limit": page.limit,
            "offset": page.offset,
            "returned": page.rows.height,
            "hasMore": page.has_more,
        },
        "data": list(page.rows.iter_rows(named=True)),
    }
