"""``streamguard bench``: speed and size, each against a peer or a limit measured in the same run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from streamguard_assets.commands.exit_codes import CommandError, ExitCode, exit_on_error
from streamguard_assets.commands.output import JsonOption, print_json, print_note, progress_bar
from streamguard_assets.settings import Settings, load_settings

if TYPE_CHECKING:
    from streamguard_assets.bench.harness import Result
    from streamguard_assets.bench.room import DagsterActions

app = typer.Typer(
    help="Measure speed and size against peers and limits. Starts a broker of its own; takes some minutes.",
    invoke_without_command=True,
)


@app.callback()
def bench(
    only: Annotated[list[str] | None, typer.Option("--only", help="A suite by name; may be given again.")] = None,
    repetitions: Annotated[int, typer.Option("--repetitions", min=5, help="Times each figure is taken.")] = 5,
    scale: Annotated[
        float, typer.Option("--scale", min=0.001, max=1.0, help="Smaller inputs, for a quick look that proves nothing.")
    ] = 1.0,
    list_suites: Annotated[bool, typer.Option("--list", help="Name the suites and leave.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Run the suites and print min / median / max of each figure. Exit status 1 when a target is missed."""
    from streamguard_assets.bench.suites import SUITES

    with exit_on_error():
        if list_suites:
            print_json(list(SUITES)) if as_json else print_note("\n".join(SUITES))
            return
        names = only or list(SUITES)
        if unknown := [name for name in names if name not in SUITES]:
            raise CommandError(f"no suite {', '.join(unknown)}; there are {', '.join(SUITES)}", ExitCode.USAGE)
        results = _run(load_settings(), names, repetitions, scale)
        _print(results, as_json)
        if missed := [result.case.name for result in results if not result.met]:
            raise CommandError(f"target missed: {', '.join(missed)}")


def _run(settings: Settings, names: Sequence[str], repetitions: int, scale: float) -> list[Result]:
    from streamguard_assets.bench.harness import measure
    from streamguard_assets.bench.room import bench_room
    from streamguard_assets.bench.suites import SUITES

    results: list[Result] = []
    with progress_bar() as bar, bench_room(settings, _dagster_actions(), scale) as room:
        for name in names:
            task = bar.add_task(f"{name}: preparing", total=None)
            with SUITES[name](room) as cases:
                for case in cases:
                    bar.update(task, description=case.name, total=case.warm_up + repetitions, completed=0)
                    results.append(measure(case, repetitions, after_each=lambda task=task: bar.advance(task)))
            bar.remove_task(task)
    return results


def _print(results: Sequence[Result], as_json: bool) -> None:
    from rich.console import Console

    from streamguard_assets.bench.report import report_json, report_table

    if as_json:
        print_json(report_json(results))
    else:
        Console().print(report_table(results))


def _dagster_actions() -> DagsterActions:
    from streamguard_assets.bench.room import DagsterActions

    return DagsterActions(tick=_tick, window_run=_window_run)


@contextmanager
def _tick(settings: Settings) -> Iterator[Callable[[], object]]:
    from streamguard_assets.bench.room import STREAM, WINDOW
    from streamguard_assets.contracts.windows import window_start
    from streamguard_assets.orchestration.instance import dagster_instance
    from streamguard_assets.orchestration.resources import Streams
    from streamguard_assets.orchestration.sensors import plan_stream

    noon_after = window_start(WINDOW) + timedelta(hours=22)
    with dagster_instance(settings) as instance:
        streams = Streams(settings, now=lambda: noon_after)
        if not plan_stream(streams, STREAM, instance).requests:
            raise CommandError("the sensor's tick found nothing to do; its time would say nothing")
        yield lambda: plan_stream(streams, STREAM, instance)


@contextmanager
def _window_run(settings: Settings) -> Iterator[Callable[[], object]]:
    from streamguard_assets.bench.room import STREAM, WINDOW
    from streamguard_assets.contracts.windows import window_start
    from streamguard_assets.definitions import build_defs
    from streamguard_assets.orchestration.instance import dagster_instance
    from streamguard_assets.orchestration.running import run_windows

    two_hours_on = window_start(WINDOW) + timedelta(hours=2)
    with dagster_instance(settings) as instance:
        definitions = build_defs(settings, now=lambda: two_hours_on)

        def run() -> None:
            outcome = run_windows(definitions, instance, STREAM, [WINDOW])
            if not outcome.success:
                raise CommandError("\n".join(outcome.failures))

        yield run
