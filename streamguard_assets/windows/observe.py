"""The state of one stream as the planner sees it, collected from the ledger, the log's end and the lake's commits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from streamguard_assets.contracts.offsets import OffsetRange
from streamguard_assets.lake.commits import WindowCommit
from streamguard_assets.windows.definition_hashes import definition_hashes
from streamguard_assets.windows.gaps import lost_offsets, unreachable_windows
from streamguard_assets.windows.keeper import closed_windows, keep_ledger, open_window
from streamguard_assets.windows.stream import CODE_VERSION, Stream
from streamguard_assets.windows.view import Attempts, Built, InFlight, PlanPolicy, StreamView


def observe(
    stream: Stream, now: datetime, in_flight: Iterable[InFlight] = (), attempts: Mapping[str, Attempts] | None = None
) -> StreamView:
    """Decide the boundaries that are due, then say what is.

    Raises:
        NoRecordsYetError: nothing to plan, the stream has not begun.
        KafkaFailure: the cluster does not answer, or the topic was recreated.
    """
    keep_ledger(stream, now)
    last = stream.ledger.last()
    assert last is not None, "keep_ledger stores the first boundary or raises"
    filling = open_window(stream)
    return StreamView(
        stream=stream.name,
        now=now,
        cadence=stream.cadence,
        closed_until=last.instant,
        windows=(*closed_windows(stream), *([filling] if filling else ())),
        built=built_windows(stream),
        in_flight=tuple(in_flight),
        attempts=attempts or {},
        blocked=unreachable_windows(stream),
        lost_offsets=lost_offsets(stream),
    )


def built_windows(stream: Stream) -> dict[str, dict[str, Built]]:
    """For each window asset the newest commit of each window, as the planner compares it."""
    return {
        asset.name: {key: _built(commit) for key, commit in stream.table(asset.name).commits().items()}
        for asset in stream.window_graph
    }


def policy_of(stream: Stream) -> PlanPolicy:
    """The policy of a stream by its settings and today's definitions."""
    config = stream.config
    return PlanPolicy(
        definitions=definition_hashes(stream),
        graph=stream.window_graph,
        code_version=CODE_VERSION,
        open_window_growth=config.open_window_growth,
        max_attempts=config.max_attempts,
        max_windows_per_run=config.max_windows_per_run,
        lookback_windows=config.lookback_windows,
    )


def _built(commit: WindowCommit) -> Built:
    covered = commit.details.get("range")
    return Built(
        complete=commit.complete,
        content_hash=commit.content_hash,
        inputs_hash=commit.inputs_hash,
        definition_hash=commit.details["definition_hash"],
        range=OffsetRange.from_json(covered) if covered else None,
        lookback_windows=commit.details.get("lookback_windows"),
    )
