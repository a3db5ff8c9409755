"""What must hold from one commit of ``live/events`` to the next, whatever happened to their writers."""

from __future__ import annotations

from collections.abc import Iterator

from streamguard_assets.chaos.delta_log import LoggedBatch, LoggedCommit
from streamguard_assets.chaos.findings import Finding, Promise

APPEND, TAKE_OVER = "append", "take_over"


def broken_rules(before: LoggedCommit | None, commit: LoggedCommit) -> Iterator[Finding]:
    """What is wrong with ``commit``, which follows ``before`` (None: it is the first)."""
    where = f"version {commit.version} ({commit.kind} by {commit.owner}, epoch {commit.epoch})"
    if before is not None:
        yield from _broken_order(before, commit, where)
    if commit.batch is not None:
        positions = {} if before is None else before.positions
        yield from _broken_ranges({**commit.starts, **positions}, commit, commit.batch, where)
        yield from _broken_conservation(commit, commit.batch, where)
    elif before is not None and before.topic_id == commit.topic_id:
        yield from _moved_without_batch(before, commit, where)


def _broken_order(before: LoggedCommit, commit: LoggedCommit, where: str) -> Iterator[Finding]:
    if commit.epoch < before.epoch:
        yield Finding(Promise.EPOCH, f"{where} follows epoch {before.epoch} of {before.owner}")
    if commit.epoch == before.epoch and commit.owner != before.owner:
        yield Finding(Promise.EPOCH, f"{where} has the epoch of {before.owner}")
    if commit.kind == TAKE_OVER and commit.epoch == before.epoch:
        yield Finding(Promise.EPOCH, f"{where} is a take-over with the epoch of before")
    if commit.sequence != before.sequence + 1:
        yield Finding(Promise.RANGES, f"{where} has the number {commit.sequence} after {before.sequence}")


def _broken_ranges(
    positions: dict[int, int], commit: LoggedCommit, batch: LoggedBatch, where: str
) -> Iterator[Finding]:
    for partition, (low, high) in batch.ranges.items():
        if low != positions.get(partition, low):
            at = positions[partition]
            yield Finding(Promise.RANGES, f"{where}: partition {partition} begins at {low}, and {at} was reached")
        if high < low:
            yield Finding(Promise.RANGES, f"{where}: partition {partition} goes back from {low} to {high}")
    if all(low == high for low, high in batch.ranges.values()):
        yield Finding(Promise.RANGES, f"{where} covers no offset")
    reached = {**positions, **{partition: high for partition, (_, high) in batch.ranges.items()}}
    if reached != dict(commit.positions):
        yield Finding(Promise.RANGES, f"{where} says positions {commit.positions}, its ranges reach {reached}")


def _broken_conservation(commit: LoggedCommit, batch: LoggedBatch, where: str) -> Iterator[Finding]:
    covered = sum(high - low for low, high in batch.ranges.values())
    unseen = sum(high - low for kind in (batch.holes, batch.gaps) for spans in kind.values() for low, high in spans)
    if covered != batch.rows + batch.rejected + unseen:
        yield Finding(
            Promise.CONSERVATION,
            f"{where} covers {covered} offsets and tells of {batch.rows} rows, {batch.rejected} rejected and {unseen} "
            "without a record",
        )
    if commit.added_rows != batch.rows:
        yield Finding(Promise.CONSERVATION, f"{where} says {batch.rows} rows and adds {commit.added_rows}")


def _moved_without_batch(before: LoggedCommit, commit: LoggedCommit, where: str) -> Iterator[Finding]:
    """Only an append moves positions; a take-over may add partitions that were not known."""
    moved = {p: (at, commit.positions.get(p)) for p, at in before.positions.items() if commit.positions.get(p) != at}
    if moved:
        yield Finding(Promise.RANGES, f"{where} moves positions {moved} without a batch")
