"""What can go wrong with a batch. Every text says what is wrong and what would be right."""

# ruff: noqa: N818  (the names say what happened, as the words of the design do)

from __future__ import annotations

from collections.abc import Sequence


class BatchError(Exception):
    """Base of the errors of this room. Subclasses hand their facts to ``super().__init__`` so that they pickle."""


class BatchRefused(BatchError, ValueError):
    """A request that cannot be a batch; nothing was created. The text says what would be valid."""


class UnknownBatch(BatchError, LookupError):
    """Nobody submitted a batch of this id, or it was removed."""

    def __init__(self, batch_id: str, why: str = "") -> None:
        super().__init__(batch_id, why)
        self.batch_id = batch_id
        self.why = why

    def __str__(self) -> str:
        told = self.why or "`streamguard batch list` shows those there are"
        return f"there is no batch {self.batch_id!r}: {told}"


class BatchOvertaken(BatchError):
    """Retention deleted offsets of a batch before it read them."""

    def __init__(self, batch_id: str, topic: str, partition: int, missing_start: int, missing_end: int) -> None:
        super().__init__(batch_id, topic, partition, missing_start, missing_end)
        self.batch_id = batch_id
        self.topic = topic
        self.partition = partition
        self.missing_start = missing_start
        self.missing_end = missing_end

    def __str__(self) -> str:
        return (
            f"retention overtook {self.batch_id}: topic {self.topic!r} partition {self.partition} no longer has the "
            f"offsets [{self.missing_start}, {self.missing_end}), which were there when the batch was submitted. "
            "Nothing of it was kept. Submit what is left with `--start earliest`; raise the topic's retention.ms if "
            "batches wait longer than records live"
        )


class BatchTopicRecreated(BatchError):
    """The topic was deleted and made again after the batch was submitted."""

    def __init__(self, batch_id: str, topic: str, pinned_id: str, current_id: str) -> None:
        super().__init__(batch_id, topic, pinned_id, current_id)
        self.batch_id = batch_id
        self.topic = topic
        self.pinned_id = pinned_id
        self.current_id = current_id

    def __str__(self) -> str:
        return (
            f"topic {self.topic!r} was recreated after {self.batch_id} was submitted: its offsets are those of id "
            f"{self.pinned_id}, the cluster now has id {self.current_id}. Submit a new batch for the new topic"
        )


class BatchNotReady(BatchError):
    """Data of a batch was asked for that has not completed."""

    def __init__(self, batch_id: str, status: str, error: str | None = None) -> None:
        super().__init__(batch_id, status, error)
        self.batch_id = batch_id
        self.status = status
        self.error = error

    def __str__(self) -> str:
        if self.error is not None:
            return f"{self.batch_id} is {self.status} and has no data: {self.error}"
        return f"{self.batch_id} is {self.status}; its data is there once it is COMPLETED"


class BatchBusy(BatchError):
    """A batch that is queued or running was to be removed."""

    def __init__(self, batch_id: str, status: str) -> None:
        super().__init__(batch_id, status)
        self.batch_id = batch_id
        self.status = status

    def __str__(self) -> str:
        return f"{self.batch_id} is {self.status} and stays; `streamguard batch cancel {self.batch_id}` ends it"


class UnknownResult(BatchError, LookupError):
    """A batch was asked for the result of an analysis that it did not run."""

    def __init__(self, batch_id: str, analysis: str, there: Sequence[str]) -> None:
        super().__init__(batch_id, analysis, tuple(there))
        self.batch_id = batch_id
        self.analysis = analysis
        self.there = tuple(there)

    def __str__(self) -> str:
        known = ", ".join(self.there) or "raw rows only"
        return f"{self.batch_id} has no result of {self.analysis!r}; it has {known}"
