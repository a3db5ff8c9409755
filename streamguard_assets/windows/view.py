"""What a plan looks at: the state of a stream as plain values, and the policy it is planned by.

No Kafka, lake or Dagster here. Whoever makes a plan collects these facts first, from the ledger, the log's last
stable offsets, the newest commit per window and the runs of the stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from streamguard_assets.contracts.offsets import OffsetRange
from streamguard_assets.contracts.windows import Cadence
from streamguard_assets.windows.inputs import WindowAsset


@dataclass(frozen=True, slots=True)
class LedgerWindow:
    """One window by the ledger. Open: from the last decided boundary to the last stable offsets of this moment."""

    key: str
    range: OffsetRange
    closed: bool


@dataclass(frozen=True, slots=True)
class Built:
    """The newest commit of one window of one asset.

    ``definition_hash`` is the contract's hash for ``events``, else the hash of what the asset computes. ``range``
    is known of ``events`` only; ``lookback_windows`` of assets that read a lookback (None: as the policy says).
    """

    complete: bool
    content_hash: str
    inputs_hash: str
    definition_hash: str
    range: OffsetRange | None = None
    lookback_windows: int | None = None


@dataclass(frozen=True, slots=True)
class InFlight:
    """A queued or running run: the windows × assets that it covers.

    ``planned`` is False for a person's run: its windows are left alone all the same, but it takes no place among
    the runs that the plan may have under way.
    """

    windows: frozenset[str]
    assets: frozenset[str]
    planned: bool = True


@dataclass(frozen=True, slots=True)
class Attempts:
    """Finished runs that asked for one content and, if it is still wanted, did not bring it."""

    count: int
    last_finished_at: datetime
    reason: str = ""


@dataclass(frozen=True)
class StreamView:
    """The state of one stream.

    Attributes:
        stream: its name.
        now: the instant of the plan, UTC.
        cadence: the length of its windows.
        closed_until: the last decided boundary: windows that end by then are closed.
        windows: windows by the ledger, ascending, the open one last. Windows that are empty in every partition may
            be left out, as may those before the start: an absent window is an empty one.
        built: for each asset, the newest commit of each window that has one.
        in_flight: queued and running runs of the stream.
        attempts: finished attempts by fingerprint, see ``requests.count_attempts``.
        blocked: windows whose offsets are known to be out of reach (retention won, and nobody has acknowledged
            it yet), with the text to show. They are not asked for.
        lost_offsets: how many offsets of a window lie in acknowledged gaps; windows without gaps are absent.
    """

    stream: str
    now: datetime
    cadence: Cadence
    closed_until: datetime
    windows: tuple[LedgerWindow, ...] = ()
    built: Mapping[str, Mapping[str, Built]] = field(default_factory=dict)
    in_flight: tuple[InFlight, ...] = ()
    attempts: Mapping[str, Attempts] = field(default_factory=dict)
    blocked: Mapping[str, str] = field(default_factory=dict)
    lost_offsets: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class PlanPolicy:
    """How a stream is planned.

    Attributes:
        definitions: by asset, the hash of today's definition (contract, features, model settings).
        graph: the window assets in build order.
        code_version: version of the code; a new one gives windows that were given up another chance.
        open_window_growth: share by which the open window grows before it is asked for again.
        max_attempts: times that one content is asked for before it is left to a person.
        retry_wait: wait before the second attempt; four times as long before each further one.
        max_windows_per_run: most windows of one request.
        max_requests_in_flight: most planned runs under way at once.
        lookback_windows: windows whose events a window's features see, itself included.
        rebuild_history: also build windows again whose only difference is an older definition. Off: a new contract
            or feature definition holds from now on, older windows are listed as outdated, and a person decides
            (retention may have taken their offsets; a week of retries would be a surprise).
    """

    definitions: Mapping[str, str]
    graph: tuple[WindowAsset, ...]
    code_version: str = ""
    open_window_growth: float = 0.25
    max_attempts: int = 3
    retry_wait: timedelta = timedelta(minutes=1)
    max_windows_per_run: int = 168
    max_requests_in_flight: int = 3
    lookback_windows: int = 24
    rebuild_history: bool = False
