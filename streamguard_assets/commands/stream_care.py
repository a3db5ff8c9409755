"""``streamguard stream reconcile``: do live rows and windows say the same?"""

from __future__ import annotations

from typing import Annotated

import typer

from streamguard_assets.commands.exit_codes import ExitCode
from streamguard_assets.commands.output import CsvOption, JsonOption, chosen_format, print_note, print_records
from streamguard_assets.commands.streams import now, opened
from streamguard_assets.settings import load_settings
from streamguard_assets.streaming.reconciliation.reconcile import reconcile as compare
from streamguard_assets.streaming.reconciliation.retention import Removal, remove_covered

_COLUMNS = ["window", "verdict", "rows", "rejected", "rejudged", "compared_at", "finding"]


def reconcile(
    stream: Annotated[str, typer.Argument(help="Name of the stream, for example security.")],
    remove: Annotated[
        bool, typer.Option("--remove", help="Then remove live rows that are proven and due, as the schedule does.")
    ] = False,
    anew: Annotated[bool, typer.Option("--anew", help="Compare every window again, whatever is known of it.")] = False,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Compare live rows with the complete windows that hold the same offsets. Needs no Kafka; the stream may run.

    Exit status 1 when they differ.

    ```
    streamguard stream reconcile security
    streamguard stream reconcile security --remove
    ```
    """
    form = chosen_format(as_json, as_csv)
    streamed, moment = opened(load_settings(), stream), now()
    found = compare(streamed, moment, anew=anew)
    print_records(
        ({name: getattr(verdict, name) for name in _COLUMNS} for verdict in found.verdicts), form, columns=_COLUMNS
    )
    if not found.verdicts:
        print_note(f"{stream}: no complete window shares offsets with the live rows; there is nothing to compare")
    for window in found.unsettled:
        print_note(f"{window} changed meanwhile; it is compared the next time")
    if remove:
        _tell(remove_covered(streamed, found, moment))
    if found.findings:
        raise SystemExit(int(ExitCode.FAILED))


def _tell(removal: Removal) -> None:
    gone = sum(report.files_before - report.files_after for report in removal.files.values())
    print_note(f"removed {removal.events.rows:,} events and {removal.rejected.rows:,} rejected records, {gone} files")
    for line in removal.kept:
        print_note(f"kept: {line}")
