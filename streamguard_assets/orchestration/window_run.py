"""One run over one or many windows: each window commits alone, a bad one is reported, the others go on.

Every asset body of the graph is this loop around one call, so that all of them fail, report and continue alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from dagster import AssetExecutionContext, AssetKey, AssetMaterialization, Failure, MetadataValue

from streamguard_assets.orchestration.dead_runs import note_process

Metadata = Mapping[str, MetadataValue]


@dataclass(frozen=True)
class WindowBuilt:
    """A window that is in the lake, with the metadata of each asset that it materialized."""

    window: str
    metadata: Mapping[AssetKey, Metadata]


@dataclass(frozen=True)
class WindowFailed:
    """A window that could not be built; the others of the run went on."""

    window: str
    error: Exception


WindowOutcome = WindowBuilt | WindowFailed


@dataclass
class _Tally:
    built: list[WindowBuilt] = field(default_factory=list)
    failed: list[WindowFailed] = field(default_factory=list)


def materialize_windows(context: AssetExecutionContext, outcomes: Iterable[WindowOutcome]) -> None:
    """Record every outcome; raise at the end if a window failed.

    When all windows are good the run's own materialization events carry the metadata. When one failed, Dagster
    records nothing for the step, so the good windows, which are committed, are reported here one by one.

    Raises:
        dagster.Failure: names each failed window and why.
    """
    note_process(context)
    tally = _Tally()
    for outcome in outcomes:
        if isinstance(outcome, WindowFailed):
            context.log.error(f"window {outcome.window}: {type(outcome.error).__name__}: {outcome.error}")
            tally.failed.append(outcome)
        else:
            tally.built.append(outcome)
    if tally.failed:
        _report_good_windows(context, tally.built)
        raise _failure(tally)
    for built in tally.built:
        for key, metadata in built.metadata.items():
            if metadata:
                context.add_asset_metadata(dict(metadata), asset_key=key, partition_key=built.window)


def each_window(windows: Sequence[str], build: Callable[[str], Mapping[AssetKey, Metadata]]) -> Iterator[WindowOutcome]:
    """``build`` of every window in turn, with a failure kept to its own window."""
    for window in windows:
        try:
            yield WindowBuilt(window, build(window))
        except Exception as error:  # noqa: BLE001 — one bad window must not take the others of its run with it
            yield WindowFailed(window, error)


def _report_good_windows(context: AssetExecutionContext, built: Sequence[WindowBuilt]) -> None:
    for outcome in built:
        for key, metadata in outcome.metadata.items():
            context.log_event(AssetMaterialization(key, partition=outcome.window, metadata=dict(metadata)))


def _failure(tally: _Tally) -> Failure:
    total = len(tally.failed) + len(tally.built)
    lines = [f"{f.window}: {type(f.error).__name__}: {f.error}" for f in tally.failed]
    failure = Failure(
        description=f"{len(tally.failed)} of {total} windows failed:\n" + "\n".join(lines[:20]),
        metadata={"failed_windows": MetadataValue.json([f.window for f in tally.failed])},
        # A level-triggered sensor asks again, a bounded number of times; Dagster's own retries would multiply that.
        allow_retries=False,
    )
    failure.__cause__ = tally.failed[0].error
    return failure
