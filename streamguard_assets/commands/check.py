"""``streamguard check``: the checks per window, for CI and for doubters."""

from __future__ import annotations

from typing import Annotated

import typer

from streamguard_assets.commands.exit_codes import CommandError, ExitCode
from streamguard_assets.commands.output import CsvOption, Format, JsonOption, chosen_format, print_note, print_records
from streamguard_assets.commands.streams import now, opened
from streamguard_assets.settings import load_settings
from streamguard_assets.streaming.checks import run_every_check
from streamguard_assets.windows.checks import CheckResult, CheckScope, committed_windows


def check(
    stream: Annotated[str | None, typer.Argument(help="Name of the stream; absent: every stream.")] = None,
    window: Annotated[list[str] | None, typer.Option("--window", help="Only this window; may be given often.")] = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Prove every window in the lake again from its tables, and warn of what looks odd. Needs no Kafka.

    Exit status 1 when a check that must hold fails; warnings alone leave it 0.

    ```
    streamguard check
    streamguard check security --window 2026-01-31-14:00 --json
    ```
    """
    form = chosen_format(as_json, as_csv)
    settings, moment = load_settings(), now()
    names = [stream] if stream else sorted(settings.streams)
    results = []
    for name in names:
        streamed = opened(settings, name)
        windows = window or committed_windows(streamed)
        if unknown := sorted(set(windows) - set(committed_windows(streamed))):
            raise CommandError(f"{name} has no window {', '.join(unknown)} in the lake", ExitCode.USAGE)
        if not windows:
            print_note(f"{name}: no window is in the lake yet")
            continue
        results += [(name, result) for result in run_every_check(CheckScope(streamed, windows, moment))]
    print_records(
        (
            {
                "stream": name,
                "check": result.check.name,
                "result": _verdict(result.passed, result.check.must_hold),
                "findings": _findings(result, form),
                "facts": dict(result.facts),
            }
            for name, result in results
        ),
        form,
        columns=["stream", "check", "result", "findings", "facts"],
    )
    broken = [result for _, result in results if not result.passed and result.check.must_hold]
    if broken:
        raise SystemExit(int(ExitCode.FAILED))


def _findings(result: CheckResult, form: Format) -> list[str] | str | None:
    """What is wrong: a list for programs, lines for people."""
    texts = [f"{finding.window or 'table'}: {finding.text}" for finding in result.findings]
    return texts if form is Format.JSON else "\n".join(texts) or None


def _verdict(passed: bool, must_hold: bool) -> str:
    if passed:
        return "ok"
    return "FAILED" if must_hold else "warning"
