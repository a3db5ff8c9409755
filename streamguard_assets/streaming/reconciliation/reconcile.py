"""Proves, window by window, that the stream and the batch path say the same of the same offsets.

For each complete window the offsets that both hold are compared: those of the window's range that the live table
holds at the version looked at, without gaps that somebody acknowledged. There every accepted event must be one live
row with the same content, provenance aside, and every rejected record a rejected live record. A window that the
stream saw in part is compared in that part, and again when the stream has come further. Where the window was judged by
another version of the contract than the live rows, the same record may be accepted there and rejected here: of these
offsets each must have been given one verdict, whichever, by both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl

from streamguard_assets.lake.live.state import Spans
from streamguard_assets.lake.live.table import LIVE_DATE, LiveSnapshot, LiveTable
from streamguard_assets.lake.schema import WINDOW
from streamguard_assets.streaming.coverage import (
    OFFSET,
    PARTITION,
    CompleteWindow,
    PinnedWindows,
    are_apart,
    common,
    pin_live,
    pin_windows,
    union,
    within,
    without,
)
from streamguard_assets.streaming.judging import judged_otherwise
from streamguard_assets.streaming.live_tables import live_events, live_quarantine
from streamguard_assets.streaming.reconciliation.comparison import Difference, differences, fingerprints
from streamguard_assets.streaming.reconciliation.verdicts import Verdict, VerdictTable, WindowVerdict
from streamguard_assets.streaming.reconciliation.window_files import PinnedFiles, pin_files
from streamguard_assets.windows.gaps import gaps_inside
from streamguard_assets.windows.stream import Stream

_PLACE = (PARTITION, OFFSET)


@dataclass(frozen=True)
class Reconciliation:
    """The verdicts on complete windows of which the live table holds offsets, ascending by window.

    Attributes:
        live: the version of ``live/events`` that was looked at; None when no stream ever ran.
        windows: the complete windows of the version of ``events`` that was looked at.
        verdicts: one per window that both hold offsets of.
        compared: windows that were compared now; of the others the verdict stood.
        unsettled: windows that were built anew, or whose live rows were removed, while they were compared: they have
            no verdict until the next time.
        files: the files of the windows in ``events`` and in ``quarantine`` that the verdicts rest on.
    """

    live: LiveSnapshot | None
    windows: PinnedWindows
    verdicts: tuple[WindowVerdict, ...] = ()
    compared: tuple[str, ...] = ()
    unsettled: tuple[str, ...] = ()
    files: tuple[PinnedFiles, PinnedFiles] | None = None

    @property
    def findings(self) -> list[WindowVerdict]:
        """The windows that a person has to look at."""
        return [verdict for verdict in self.verdicts if verdict.verdict is Verdict.DIFFERENT]


def reconcile(
    stream: Stream, now: datetime, *, only: Collection[str] | None = None, anew: bool = False, keep: bool = True
) -> Reconciliation:
    """Compare the live rows of ``stream`` with its complete windows (of ``only``, or all), one after the other.

    A verdict stands, and is not computed again unless ``anew``, while the window is the same and in the same files,
    both hold the same offsets of it, and nobody but the stream and its care has written to the live tables. So whatever
    rewrites a window, other tools or care of the lake, has it compared once more. What was compared is stored
    when ``keep``. Memory holds some 100 bytes per event of one window, 400 where the two differ. Where windows and live
    rows are of two topics by leave (``are_apart``), there is nothing to compare, and all windows are ``apart``.

    Raises:
        TopicsDiffer: the live rows are of another topic than the windows, and nobody gave leave.
    """
    comparer = _Comparer.pinned(stream, now)
    if comparer is None:
        return Reconciliation(None, pin_windows(stream))
    stored = VerdictTable(stream.location, stream.name)
    known = {} if anew else stored.verdicts()
    verdicts: list[WindowVerdict] = []
    compared, unsettled = [], []
    for window in comparer.windows.windows.values():
        if (only is not None and window.key not in only) or not comparer.shared(window):
            continue
        standing = known.get(window.key)
        if standing is not None and standing.basis == comparer.basis(window):
            verdicts.append(standing)
        elif (verdict := comparer.verdict(window)) is not None:
            verdicts.append(verdict)
            compared.append(verdict)
        else:
            unsettled.append(window.key)
    if keep:
        stored.store(compared)
    names = tuple(verdict.window for verdict in compared)
    files = comparer.accepted, comparer.refused
    return Reconciliation(comparer.live, comparer.windows, tuple(verdicts), names, tuple(unsettled), files)


def moved_since(stream: Stream, found: Reconciliation) -> set[str]:
    """The windows of ``found`` that are in other files by now, whoever has rewritten them: a verdict does not hold."""
    if found.files is None:
        return set()
    now = _window_files(stream, None)
    pairs = [(before.digests, after.digests) for before, after in zip(found.files, now, strict=True)]
    return {key for key in found.windows.windows for before, after in pairs if before.get(key) != after.get(key)}


@dataclass(frozen=True)
class _Comparer:
    """Everything pinned: live first, as for the view, so that what is no longer live is in a window.

    ``accepted`` and ``refused`` are the windows' files in ``events`` and ``quarantine``, of the versions whose rows are
    compared.
    """

    stream: Stream
    now: datetime
    events: LiveTable
    live: LiveSnapshot
    quarantine: LiveTable
    rejected: LiveSnapshot | None
    windows: PinnedWindows
    accepted: PinnedFiles
    refused: PinnedFiles
    lost: Spans

    @classmethod
    def pinned(cls, stream: Stream, now: datetime) -> _Comparer | None:
        """None when there are no live rows to compare."""
        events, quarantine = live_events(stream), live_quarantine(stream)
        live = pin_live(events)
        if live is None:
            return None
        rejected, windows = pin_live(quarantine), pin_windows(stream)
        if are_apart(stream, live, windows):
            windows = replace(windows, windows={}, apart=(*windows.apart, *windows.windows))
        # After the windows: rejected records land before the commit that makes them count.
        accepted, refused = _window_files(stream, windows.version)
        return cls(
            stream=stream,
            now=now,
            events=events,
            live=live,
            quarantine=quarantine,
            rejected=rejected,
            windows=windows,
            accepted=accepted,
            refused=refused,
            lost=_acknowledged(stream, windows),
        )

    def shared(self, window: CompleteWindow) -> Spans:
        """The offsets of the window's range that the live table holds."""
        held, covered = self.live.state.held, window.range
        both = {
            p: (max(held[p][0], start), min(held[p][1], covered.ends[p]))
            for p, start in covered.starts.items()
            if p in held
        }
        return {p: (span,) for p, span in both.items() if span[0] < span[1]}

    def basis(self, window: CompleteWindow) -> str:
        """A digest of all that a verdict on ``window`` rests on."""
        shared = self.shared(window)
        said = [window.commit.attempt, window.commit.content_hash, window.commit.version, shared]
        # A commit of another tool leaves the newest commit of the window as it is, and its files not.
        said += [self.accepted.digests.get(window.key), self.refused.digests.get(window.key)]
        said += [_foreign_commits(self.live), _foreign_commits(self.rejected)]
        said += [common(shared, self.lost)]
        return hashlib.blake2b(repr(said).encode(), digest_size=12).hexdigest()

    def verdict(self, window: CompleteWindow) -> WindowVerdict | None:
        """Compare; None when they seem to differ, and may only do so because something moved since all was pinned."""
        shared = self.shared(window)
        spans, beyond = common(shared, window.spans), common(shared, window.gaps)
        otherwise = common(spans, judged_otherwise(self.live.state, window.commit.details["definition_hash"]))
        alike = without(spans, otherwise)
        rows, found = self._events(window, alike)
        rejected, found_rejected = self._rejected(window, alike)
        rejudged, found_rejudged = self._verdicts(window, otherwise)
        more = self._live(beyond).select(pl.len()).collect().item() if beyond else 0
        told = [
            *(f"events: {each}" for each in found),
            *(f"rejected records: {each}" for each in found_rejected),
            *(f"records judged by another contract: {each}" for each in found_rejudged),
        ]
        if told and self._has_moved(window):
            return None
        if more:
            told.append(f"{more} live rows at offsets that Kafka had deleted when the window was built")
        differ = bool(found or found_rejected or found_rejudged)
        return WindowVerdict(
            window=window.key,
            content=window.commit.content_hash,
            live_version=self.live.version,
            rows=rows,
            rejected=rejected,
            rejudged=rejudged,
            verdict=Verdict.DIFFERENT if differ else Verdict.MORE if more else Verdict.SAME,
            finding="; ".join(told) or None,
            compared_at=self.now,
            basis=self.basis(window),
        )

    def _events(self, window: CompleteWindow, spans: Spans) -> tuple[int, list[Difference]]:
        provenance = self.stream.contract.provenance_columns
        live = fingerprints(self._live(spans), (*provenance, LIVE_DATE))
        rows = self._window_accepted(window)
        return live.height, self._compared(live, fingerprints(rows.filter(within(spans)), (*provenance, WINDOW)))

    def _rejected(self, window: CompleteWindow, spans: Spans) -> tuple[int, list[Difference]]:
        """By offset alone: reasons may have been worded anew."""
        live = fingerprints(self._live_rejected().filter(within(spans)).select(_PLACE))
        rows = self._window_rejected(window).filter(within(spans)).select(_PLACE)
        return live.height, self._compared(live, fingerprints(rows))

    def _verdicts(self, window: CompleteWindow, spans: Spans) -> tuple[int, list[Difference]]:
        """By offset alone, accepted or not."""
        if not spans:
            return 0, []
        accepted = self._window_accepted(window)
        live, rows = (
            fingerprints(pl.concat([part.filter(within(spans)).select(_PLACE) for part in parts]))
            for parts in (
                (self._live(spans), self._live_rejected()),
                (accepted, self._window_rejected(window)),
            )
        )
        return live.height, self._compared(live, rows)

    def _live_rejected(self) -> pl.LazyFrame:
        version = None if self.rejected is None else self.rejected.version
        return self.quarantine.scan(version, empty_if_missing=True)

    def _window_accepted(self, window: CompleteWindow) -> pl.LazyFrame:
        return self.stream.table("events").scan([window.key], self.accepted.version)

    def _window_rejected(self, window: CompleteWindow) -> pl.LazyFrame:
        return self.stream.quarantine.scan({window.key: window.commit.attempt}, self.refused.version)

    def _live(self, spans: Spans) -> pl.LazyFrame:
        return self.events.scan(self.live.version).filter(within(spans))

    def _compared(self, live: pl.DataFrame, window: pl.DataFrame) -> list[Difference]:
        # What Kafka deleted before the stream came to it is missing by somebody's leave, and still looked at if there.
        if self.lost:
            passed_over = window.filter(within(self.lost)).join(live, on=_PLACE, how="anti")
            window = window.join(passed_over, on=_PLACE, how="anti")
        return differences(live, window)

    def _has_moved(self, window: CompleteWindow) -> bool:
        """Whether rejected records that were to be compared may be gone.

        Those of an attempt that was replaced are collected; those that windows hold are removed, between the two pins
        of live tables, too.
        """
        live = pin_live(self.events)
        rebuilt = self.stream.table("events").commits()[window.key].attempt != window.commit.attempt
        return rebuilt or live is None or live.state.removed != self.live.state.removed


def _foreign_commits(live: LiveSnapshot | None) -> int | None:
    """How many commits of others a live table has: each of ours counts its number on, theirs only the version."""
    return None if live is None else live.version - live.state.sequence


def _acknowledged(stream: Stream, windows: PinnedWindows) -> Spans:
    acknowledged = stream.gaps.gaps()
    if not acknowledged:
        return {}
    found = (gaps_inside(acknowledged, window.range) for window in windows.windows.values())
    return union({p: tuple(lost) for p, lost in gaps.items()} for gaps in found)


def _window_files(stream: Stream, version: int | None) -> tuple[PinnedFiles, PinnedFiles]:
    """The windows' files in ``events`` at ``version`` (None: now), and in ``quarantine`` now."""
    options = stream.location.storage_options
    return pin_files(stream.table("events").uri, options, version), pin_files(stream.quarantine.uri, options)
