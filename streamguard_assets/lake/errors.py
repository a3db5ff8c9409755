"""What can go wrong between the lake and its callers. Every text names the table, what happened and what to do."""

# ruff: noqa: N818  (the names say what happened, as the words of the design do: RetentionGap, TopicRecreated)

from __future__ import annotations


class LakeError(Exception):
    """Base of the errors of this room."""


class TableMissing(LakeError):
    """A table was read that nobody has written yet."""


class SchemaConflict(LakeError, ValueError):
    """Rows or a schema do not fit the table: a column changed its type, or a declared column is not in the rows."""


class CommitContention(LakeError):
    """Other writers won every one of the bounded number of turns; nothing was written."""


class LedgerConflict(LakeError, ValueError):
    """A boundary does not follow the stored ones, or belongs to another topic or cadence. Nothing was written."""


class QueryError(LakeError, ValueError):
    """A query is not one SELECT, or names a table that the lake does not have."""


class ContentMismatch(LakeError):
    """Files do not hold what the log says of them. Nothing was changed."""


class RetentionTooShort(LakeError, ValueError):
    """Vacuum was asked to delete files that readers, and commits on their way, may still need. Nothing was deleted."""


class VersionUnavailable(LakeError, LookupError):
    """A version of a table does not exist, or its files are gone. The text says which versions can be read."""


class StreamLost(LakeError):
    """Another writer has taken a live table over; nothing of this one's was written since.

    ``owner`` is the other's name, ``epoch`` its number.
    """

    def __init__(self, uri: str, owner: str, epoch: int) -> None:
        super().__init__(f"{uri}: {owner} has taken the stream over (epoch {epoch}); this writer leaves")
        self.owner = owner
        self.epoch = epoch
