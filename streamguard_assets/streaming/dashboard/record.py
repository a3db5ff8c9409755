"""What a commit of ``live/dashboard`` says of it: what the next writer needs to go on, and what it takes to
compute the step again. It stands in the details of the table's ``LiveState``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from streamguard_assets.lake.errors import LakeError
from streamguard_assets.lake.live.state import Spans

Ranges = Mapping[int, tuple[int, int]]
"""One half-open range of offsets per partition."""


@dataclass(frozen=True)
class StepRecord:
    """One step: the offsets whose events it took, half-open by partition, and the watermark that judged them.

    ``events`` are all rows in ``ranges``, ``late`` and ``ahead`` those of them that were (``dashboard.steps``).
    """

    ranges: Ranges
    watermark_before_us: int | None
    events: int
    late: int
    ahead: int


@dataclass(frozen=True)
class DashboardRecord:
    """The dashboard as of one commit.

    Attributes:
        definition: name of the dashboard, and
        definition_hash: of its code; partial results of another one cannot be merged.
        topic_id: of the topic whose offsets it has counted.
        watermark_us: microseconds since 1970 up to which windows are closed; None before the first event.
        late: events so far that were late, and
        ahead: that were stamped too far in the future; both since ``began_at_us``.
        state_file: name of the file with the partial results of the open windows; None where there are none.
        open_files: paths of the files with the rows of open windows; the next commit replaces them.
        recent_files: paths of the files of closed windows that still grow.
        began_at_us: the watermark at which this definition began to count; windows that ended by then were told by
            what was there before. None where it began with the table.
        began_because: why it began anew; empty where it began with the table.
        step: what the commit counted; None in one that only begins anew.
    """

    definition: str
    definition_hash: str
    topic_id: str
    watermark_us: int | None = None
    late: int = 0
    ahead: int = 0
    state_file: str | None = None
    open_files: tuple[str, ...] = ()
    recent_files: tuple[str, ...] = ()
    began_at_us: int | None = None
    began_because: str = ""
    step: StepRecord | None = None

    def to_details(self) -> dict[str, Any]:
        """As plain JSON values."""
        return msgspec.to_builtins(self, str_keys=True)

    @classmethod
    def from_details(cls, details: Mapping[str, Any]) -> DashboardRecord | None:
        """Read back, keys of others ignored; None when no dashboard has been counted yet. ``LakeError`` when broken."""
        if "definition_hash" not in details:
            return None
        try:
            return msgspec.convert(details, cls, str_keys=True)
        except msgspec.ValidationError as error:
            raise LakeError(f"the newest commit of a live dashboard cannot be read: {error}") from error


def as_spans(ranges: Ranges) -> Spans:
    """The same offsets as spans."""
    return {partition: (span,) for partition, span in ranges.items()}
