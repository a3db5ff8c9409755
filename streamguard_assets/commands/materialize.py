"""``streamguard materialize``: windows of a stream, now and in this process, with a progress bar and a summary."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamguard_assets.commands.exit_codes import CommandError, ExitCode
from streamguard_assets.commands.instants import parse_instant
from streamguard_assets.commands.output import (
    Format,
    JsonOption,
    chosen_format,
    print_document,
    print_error,
    print_note,
    print_records,
    print_warning,
    progress_bar,
)
from streamguard_assets.commands.streams import now, opened
from streamguard_assets.contracts.windows import contiguous_runs, window_key
from streamguard_assets.lake.commits import WindowCommit
from streamguard_assets.orchestration.instance import dagster_instance
from streamguard_assets.settings import Settings, load_settings
from streamguard_assets.windows.gaps import unreachable_windows
from streamguard_assets.windows.graph import ANALYSES_FOLDER, analyses_of, planned_assets
from streamguard_assets.windows.keeper import closed_windows, keep_ledger
from streamguard_assets.windows.observe import observe, policy_of
from streamguard_assets.windows.planning import plan
from streamguard_assets.windows.sample import SampleStart, run_sample
from streamguard_assets.windows.stream import Stream

if TYPE_CHECKING:
    from streamguard_assets.orchestration.running import RunOutcome


def materialize(
    stream: Annotated[str, typer.Argument(help="Name of the stream, for example security.")],
    first: Annotated[
        str | None, typer.Option("--from", help="First window: 2026-01-31, 2026-01-31T14:00Z or a key.")
    ] = None,
    until: Annotated[str | None, typer.Option("--to", help="End, not included; absent: one window.")] = None,
    latest: Annotated[bool, typer.Option("--latest", help="Only the newest closed window that holds events.")] = False,
    max_events: Annotated[
        int | None, typer.Option("--max-events", min=1, help="No window: N records, whole pipeline, files.")
    ] = None,
    start: Annotated[
        str | None, typer.Option("--start", help='With --max-events: earliest (so if absent), latest or {"0": 100}.')
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="With --max-events: folder for the training data.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Build windows of a stream in one run: offsets, events, and everything that is made of them.

    Without options it builds everything that the sensor would ask for now.

    ```
    streamguard materialize security --latest
    streamguard materialize security --from 2026-01-30 --to 2026-02-01
    streamguard materialize security --max-events 1000 --output sample/
    ```

    Exits with 1 when a window could not be built: the reason is printed, and the other windows are kept.
    """
    _refuse_mixed(first, until, latest, max_events, start, output)
    settings = load_settings()
    if max_events is not None:
        _sample(settings, stream, max_events, start or "earliest", output, as_json)
        return
    streamed = opened(settings, stream)
    moment = now()
    keep_ledger(streamed, moment)
    windows = _chosen(streamed, moment, first, until, latest)
    if not windows:
        _report(streamed, [], [], chosen_format(as_json))
        return
    outcomes = materialize_windows(settings, stream, windows)
    _report(streamed, windows, outcomes, chosen_format(as_json))


def materialize_windows(settings: Settings, stream: str, windows: Sequence[str]) -> list[RunOutcome]:
    """Run ``windows`` in as few runs as their gaps allow, with a progress bar; Dagster's instance records them."""
    # Imported here: this loads Dagster and builds the code location, which no other command needs.
    from streamguard_assets.definitions import build_defs
    from streamguard_assets.orchestration.running import run_rollups, run_windows

    streamed = opened(settings, stream)
    runs = contiguous_runs(list(windows), streamed.cadence)
    # The offsets are a step of their own; what else rides along reports nothing.
    steps = len(planned_assets(streamed.graph)) + 1
    with progress_bar() as bar, dagster_instance(settings) as instance:
        task = bar.add_task(f"{stream}: {len(windows)} windows", total=len(windows) * steps)

        def advance(asset: str, window: str) -> None:
            bar.update(task, advance=1, description=f"{stream}: {asset} {window}")

        definitions = build_defs(settings, progress=advance)
        outcomes = [run_windows(definitions, instance, stream, run) for run in runs]
        if analyses_of(streamed.graph):
            bar.update(task, description=f"{stream}: days and all history")
            outcomes += run_rollups(definitions, instance, streamed)
        return outcomes


def _chosen(stream: Stream, moment: datetime, first: str | None, until: str | None, latest: bool) -> list[str]:
    if latest:
        closed = closed_windows(stream)
        if not closed:
            raise CommandError(
                f"no closed window of {stream.name} holds events yet; the first closes at its hour's end"
            )
        return [closed[-1].key]
    if first is None:
        view = observe(stream, moment)
        return sorted({window for request in plan(view, policy_of(stream)).requests for window in request.windows})
    begin = parse_instant(first)
    end = parse_instant(until) if until else stream.cadence.end(window_key(stream.cadence.floor(begin)))
    keys = stream.cadence.keys(begin, min(end, moment))
    begun = stream.first_window
    kept = [key for key in keys if begun is not None and key >= begun]
    if not kept:
        raise CommandError(
            f"no window lies between {first} and {until or end.isoformat()}; {stream.name} begins with {begun}",
            ExitCode.USAGE,
        )
    if len(kept) < len(keys):
        print_note(f"{stream.name} begins with {begun}; the {len(keys) - len(kept)} windows before it are empty")
    return kept


def _sample(settings: Settings, name: str, count: int, start: str, output: Path | None, as_json: bool) -> None:
    if output is None:
        raise CommandError("--max-events needs --output DIR for the training data", ExitCode.USAGE)
    streamed = opened(settings, name)
    if "training_data" not in streamed.graph:
        raise CommandError(
            f"{name} makes no training data; `streamguard batch run --stream {name}` analyses a range of its offsets",
            ExitCode.USAGE,
        )
    begin: SampleStart = "earliest" if start == "earliest" else "latest" if start == "latest" else _offsets(start)
    try:
        summary = run_sample(streamed, count, begin, output)
    except OSError as error:  # a folder with files of somebody else, or one that cannot be written
        raise CommandError(f"--output {output}: {error}", ExitCode.USAGE) from error
    print_document(summary.as_document(), chosen_format(as_json))
    if not summary.report["total_users"]:
        print_warning(
            f"no user has a score, so there is no training data: at least detection.min_users "
            f"({settings.detection.min_users}) users with events are needed to compare"
        )


def _offsets(text: str) -> dict[int, int]:
    try:
        return {int(partition): int(offset) for partition, offset in json.loads(text).items()}
    except (ValueError, AttributeError, TypeError):
        raise CommandError(
            f'--start {text!r} is none of earliest, latest, or offsets like {{"0": 100}}', ExitCode.USAGE
        ) from None


def _report(stream: Stream, windows: Sequence[str], outcomes: Sequence[RunOutcome], form: Format) -> None:
    chosen = set(windows)
    built = {
        asset: {window: commit for window, commit in stream.table(asset).commits().items() if window in chosen}
        for asset in planned_assets(stream.graph)
    }
    commits = built["events"]
    records = [_row(window, built) for window in sorted({window for of in built.values() for window in of})]
    print_records(records, form, columns=list(_row("", built)))
    if not windows:
        print_note("every window is built")
        return
    total = sum(commit.rows for commit in commits.values())
    rejected = sum(commit.details["rejected"] for commit in commits.values())
    print_note(f"{len(windows)} windows: {total:,} events in {len(commits)} of them, {rejected:,} rejected")
    failed = [outcome for outcome in outcomes if not outcome.success]
    for outcome in failed:
        for failure in outcome.failures:
            print_error(failure)
    if failed:
        lost = unreachable_windows(stream)
        for window in windows:
            if window in lost:
                print_note(lost[window])
        raise SystemExit(int(ExitCode.FAILED))


def _row(window: str, built: Mapping[str, Mapping[str, WindowCommit]]) -> dict[str, Any]:
    """One window of the summary. Without ``events`` it holds no offsets, and its users are those of its lookback."""
    events = built["events"].get(window)
    row: dict[str, Any] = {
        "window": window,
        "complete": events.complete if events else None,
        "events": events.rows if events else None,
        "rejected": events.details["rejected"] if events else None,
        "holes": events.details["holes"] if events else None,
    }
    if (of_scores := built.get("anomaly_scores")) is not None:
        scores = of_scores.get(window)
        row["users"] = scores.details["users"] if scores else None
        row["anomalous"] = scores.details["anomalous_users"] if scores else None
    if of_analyses := [commits for asset, commits in built.items() if asset.startswith(ANALYSES_FOLDER)]:
        row["analyses"] = sum(window in commits for commits in of_analyses)
    return row


def _refuse_mixed(
    first: str | None, until: str | None, latest: bool, max_events: int | None, start: str | None, output: Path | None
) -> None:
    if sum([first is not None, latest, max_events is not None]) > 1:
        raise CommandError("choose one of --from, --latest and --max-events", ExitCode.USAGE)
    if until is not None and first is None:
        raise CommandError("--to needs --from", ExitCode.USAGE)
    if start is not None and max_events is None:
        raise CommandError("--start is for --max-events; a window's offsets are decided", ExitCode.USAGE)
    if output is not None and max_events is None:
        raise CommandError("--output is for --max-events; windows are kept in the lake", ExitCode.USAGE)
