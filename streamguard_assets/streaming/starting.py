"""Where a stream begins that never ran, and in a partition that it has not seen."""

from __future__ import annotations

from streamguard_assets.contracts.offsets import Offsets
from streamguard_assets.kafka.watch import TopicFacts
from streamguard_assets.windows.keeper import closed_windows
from streamguard_assets.windows.stream import Stream


def starting_offsets(stream: Stream, facts: TopicFacts) -> Offsets:
    """The first offset per partition, by ``streaming.start``; never below what the log still has.

    ``uncovered`` is behind the complete windows at the beginning of the ledger: what they hold, nobody needs twice.
    """
    match stream.settings.streaming.start:
        case "latest":
            return facts.end_offsets
        case "earliest":
            return facts.log_starts
        case _:
            covered = covered_until(stream, facts.topic_id)
            return {p: max(start, covered.get(p, start)) for p, start in facts.log_starts.items()}


def covered_until(stream: Stream, topic_id: str) -> Offsets:
    """The offsets up to which complete windows hold everything, from the stream's first boundary on.

    Empty when nothing is decided yet, or when the ledger's boundaries are those of another topic.
    """
    boundaries = stream.ledger.boundaries()
    if not boundaries or boundaries[-1].topic_id != topic_id:
        return {}
    commits = stream.table("events").commits()
    covered = dict(boundaries[0].offsets)
    for window in closed_windows(stream):
        commit = commits.get(window.key)
        if not window.range.is_empty and not (commit is not None and commit.complete):
            break
        covered |= window.range.ends
    return covered
