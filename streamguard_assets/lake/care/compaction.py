"""Compaction: many small files of a part become few, so that readers open less."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence

from deltalake import DeltaTable
from polars.exceptions import PolarsError

from streamguard_assets.lake.care.parts import Part, is_tellable, parts_of, refusal
from streamguard_assets.lake.care.report import CareReport, Progress, unchanged, unwatched
from streamguard_assets.lake.care.rewrite import Rewrite, Rewriter
from streamguard_assets.lake.errors import CommitContention, ContentMismatch
from streamguard_assets.lake.fence import Pause
from streamguard_assets.lake.tables import open_table

TARGET_FILE_BYTES = 64 * 1024**2
"""Large enough that opening a file costs little beside reading it, small enough to be rewritten in memory."""

PARTS_PER_COMMIT = 64
"""One log entry for so many parts; what is lost when the machine stops in between is at most so much work."""


def compact(
    uri: str,
    storage_options: Mapping[str, str],
    target_bytes: int = TARGET_FILE_BYTES,
    *,
    provenance: Collection[str] = (),
    apart: str | None = None,
    dry_run: bool = False,
    progress: Progress = unwatched,
    pause: Pause = time.sleep,
) -> CareReport:
    """Rewrite the parts of a table that would be in at most half as many files of ``target_bytes``.

    Half, so that the work is linear in what is written: a large table is not rewritten for every small append to it.
    ``provenance`` and ``apart`` are as ``Rewriter`` has them. Rows, content hashes and window commits stay as they
    are. Safe beside writers, readers and itself; a part that somebody rewrites meanwhile is left.

    Raises ``TableMissing`` when there is no table.
    """
    rewriter = Rewriter(uri, storage_options, "compact", target_bytes, provenance=provenance, apart=apart, pause=pause)
    table = open_table(uri, storage_options)
    parts = parts_of(table, apart)
    wanted = [part for part in parts if len(part.files) >= 2 * rewriter.expected_files(part)]
    return rewrite_parts(rewriter, table, parts, wanted, dry_run=dry_run, progress=progress)


def rewrite_parts(
    rewriter: Rewriter,
    table: DeltaTable,
    parts: Sequence[Part],
    wanted: Sequence[Part],
    *,
    dry_run: bool,
    progress: Progress,
) -> CareReport:
    """Rewrite the parts ``wanted`` among all ``parts`` of ``table``, some in each commit, and tell what became."""
    report = unchanged(sum(len(part.files) for part in parts), sum(part.bytes for part in parts))
    if wanted and (reason := refusal(table)) is not None:
        return report.with_left(reason)
    tellable = [part for part in wanted if is_tellable(part)]
    if len(tellable) < len(wanted):
        report = report.with_left(
            f"{len(wanted) - len(tellable)} parts have files of names that only their writer knows"
        )
    if dry_run:
        for part in tellable:
            expected = (rewriter.expected_files(part), part.bytes)
            report = report.exchanged((len(part.files), part.bytes), expected)
        return report
    declared = rewriter.declared(table) if tellable else {}
    done = 0
    for some in _some_at_a_time(tellable):
        staged = []
        for part in some:
            try:
                staged.append(rewriter.stage(table, part, declared))
            except ContentMismatch as damage:
                report = report.with_damaged(str(damage))
            except PolarsError as error:
                report = report.with_damaged(f"{rewriter.uri}, {part.label} cannot be read: {error}")
            progress(done := done + 1, len(tellable))
        report = _committed(rewriter, staged, report) if staged else report
    return report


def _committed(rewriter: Rewriter, staged: Sequence[Rewrite], report: CareReport) -> CareReport:
    try:
        landed = rewriter.commit(staged)
    except CommitContention as busy:
        return report.with_left(f"{len(staged)} parts are left for the next turn: {busy}")
    for rewrite in landed:
        old, new = rewrite.part, rewrite
        report = report.exchanged((len(old.files), old.bytes), (len(new.files), new.bytes))
    if len(landed) < len(staged):
        report = report.with_left(f"{len(staged) - len(landed)} parts were written anew meanwhile")
    return report


def _some_at_a_time(parts: Sequence[Part]) -> Iterator[Sequence[Part]]:
    for begin in range(0, len(parts), PARTS_PER_COMMIT):
        yield parts[begin : begin + PARTS_PER_COMMIT]
