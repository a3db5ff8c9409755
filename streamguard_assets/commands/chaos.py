"""``streamguard chaos``: kill the stream, its broker and its rivals for minutes, and prove that nothing was lost."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from streamguard_assets.commands.exit_codes import CommandError
from streamguard_assets.commands.output import (
    JsonOption,
    chosen_format,
    print_document,
    print_error,
    print_note,
    print_records,
    progress_bar,
)
from streamguard_assets.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamguard_assets.chaos.account import Account


def chaos(
    minutes: Annotated[float, typer.Option("--minutes", min=0.1, help="How long to deal blows.")] = 2.0,
    seed: Annotated[int | None, typer.Option("--seed", help="Repeat the blows of a run; default: new ones.")] = None,
    services: Annotated[
        bool, typer.Option("--services", help="For half the time, strike Dagster's processes too.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the folder of the run: broker, lake, logs.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Kill a stream again and again while producers write, and prove every event. Exit status 1 when a proof fails.

    It works in a folder of its own with a broker of its own; nothing of yours is touched.

    ```
    streamguard chaos --minutes 20
    streamguard chaos --minutes 20 --services
    ```
    """
    from streamguard_assets.chaos.report import report_document
    from streamguard_assets.chaos.run import run_chaos

    chosen = random.SystemRandom().randrange(1_000_000) if seed is None else seed
    print_note(f"seed {chosen}")
    with _live_line(minutes) as told:
        account, folder = run_chaos(load_settings(), minutes, chosen, keep=keep, services=services, told=told)
    document = report_document(account, chosen)
    form = chosen_format(as_json)
    if as_json:
        print_document(document, form)
    else:
        kinds = document.pop("kills_by_kind")
        findings = document.pop("findings")
        print_records([{"what": what, "times": times} for what, times in kinds.items()])
        print_document(document)
        for finding in findings:
            print_error(finding)
    if folder is not None:
        print_note(f"kept: {folder}")
    if account.findings:
        raise CommandError(f"{len(account.findings)} promises broken; the same blows again: --seed {chosen}")


@contextmanager
def _live_line(minutes: float) -> Iterator[Callable[[Account], None]]:
    """A bar of the time, with the counts of the moment beside it."""
    from streamguard_assets.chaos.report import one_line

    began_s, seconds = time.monotonic(), round(minutes * 60)
    with progress_bar() as bar:
        task = bar.add_task("starting a broker", total=seconds)

        def told(account: Account) -> None:
            elapsed_s = min(seconds, int(time.monotonic() - began_s))
            bar.update(task, completed=elapsed_s, description=one_line(account))

        yield told
