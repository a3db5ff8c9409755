"""The proof that a window lost nothing, doubled nothing and holds nothing of another."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamguard_assets.contracts.offsets import OffsetRange, PartitionReceipt, ReadReceipt
from streamguard_assets.windows.conservation import (
    ConservationError,
    OffsetAccount,
    Violation,
)
from streamguard_assets.windows.offset_runs import Offsets, runs_of

TOPIC = "security-events"
WINDOW = "2026-01-31-14:00"


def array(*offsets: int) -> Offsets:
    return np.array(offsets, dtype=np.int64)


@dataclass(frozen=True)
class Ingest:
    """A window as it was read and judged: every offset of a partition is one of the four."""

    start: int
    accepted: tuple[int, ...]
    rejected: tuple[int, ...]
    holes: tuple[int, ...]
    lost: tuple[int, ...]

    @property
    def end(self) -> int:
        return self.start + len(self.accepted) + len(self.rejected) + len(self.holes) + len(self.lost)

    @property
    def range(self) -> OffsetRange:
        return OffsetRange(TOPIC, {0: 5, 3: self.start}, {0: 5, 3: self.end})

    @property
    def receipt(self) -> ReadReceipt:
        holes = tuple((a, b) for a, b in runs_of(array(*self.holes)).tolist())
        delivered = len(self.accepted) + len(self.rejected)
        return ReadReceipt(TOPIC, (PartitionReceipt(3, self.start, self.end, delivered, self.end, holes),))

    @property
    def gaps(self) -> dict[int, list[tuple[int, int]]]:
        return {3: [(a, b) for a, b in runs_of(array(*self.lost)).tolist()]}

    def frames(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        return table_of(self.accepted), table_of(self.rejected)


def table_of(offsets: tuple[int, ...], partition: int = 3) -> pl.DataFrame:
    schema = {"kafka_partition": pl.Int32, "kafka_offset": pl.Int64}
    return pl.DataFrame({"kafka_partition": [partition] * len(offsets), "kafka_offset": list(offsets)}, schema=schema)


@st.composite
def ingests(draw: st.DrawFn, at_least: int = 0) -> Ingest:
    """Windows with accepted, rejected, skipped and lost offsets in any arrangement."""
    start = draw(st.integers(1, 1_000))
    fates = draw(st.lists(st.sampled_from("aaarhl"), min_size=at_least, max_size=40))
    parts = {fate: tuple(start + i for i, f in enumerate(fates) if f == fate) for fate in "arhl"}
    return Ingest(start, parts["a"], parts["r"], parts["h"], parts["l"])


def account_of(ingest: Ingest, chunk: int = 7) -> OffsetAccount:
    account = OffsetAccount(TOPIC, WINDOW)
    delivered = sorted((*ingest.accepted, *ingest.rejected))
    for i in range(0, len(delivered), chunk):
        part = delivered[i : i + chunk]
        good = [o for o in part if o in ingest.accepted]
        bad = [o for o in part if o in ingest.rejected]
        account.add(3, array(*part), array(*good), array(*bad))
    return account


class TestAccount:
    @given(ingests(), st.integers(1, 50))
    def test_a_window_that_conserves_its_offsets_passes(self, ingest: Ingest, chunk: int) -> None:
        account = account_of(ingest, chunk)

        account.verify(ingest.range, ingest.receipt, ingest.gaps)

        assert account.delivered(3) == len(ingest.accepted) + len(ingest.rejected)
        assert account.rejected(3) == len(ingest.rejected)

    @given(ingests(at_least=2), st.integers(0, 39))
    def test_accounts_of_two_workers_make_one(self, ingest: Ingest, cut: int) -> None:
        def part(keep: range) -> OffsetAccount:
            mine = (tuple(o for o in fate if o in keep) for fate in (ingest.accepted, ingest.rejected))
            good, bad = mine
            return account_of(replace(ingest, accepted=good, rejected=bad))

        middle = min(ingest.start + cut, ingest.end)
        second, first = part(range(middle, ingest.end)), part(range(ingest.start, middle))
        second.merge(pickle.loads(pickle.dumps(first)))  # noqa: S301  what a worker process hands back

        second.verify(ingest.range, ingest.receipt, ingest.gaps)
        assert second.delivered(3) == len(ingest.accepted) + len(ingest.rejected)

    @pytest.mark.parametrize(
        ("accepted", "rejected", "told"),
        [
            ((1, 2), (), "offset 3 without a verdict"),
            ((1, 2, 3), (3,), "offset 3 accepted and rejected"),
            ((1, 2, 2), (), "offset 2 accepted twice"),
            ((1, 2), (3, 3), "offset 3 rejected twice"),
            ((1, 2, 3, 9), (), "offset 9 judged but never delivered"),
            ((1, 2, 9), (), "offset 3 without a verdict"),
        ],
    )
    def test_a_parser_that_loses_doubles_or_invents_a_record_is_named(
        self, accepted: tuple[int, ...], rejected: tuple[int, ...], told: str
    ) -> None:
        account = OffsetAccount(TOPIC, WINDOW)

        with pytest.raises(ConservationError, match=f"window {WINDOW} .*{TOPIC}/3: .*{told}"):
            account.add(3, array(1, 2, 3), array(*accepted), array(*rejected))

    def test_a_reader_that_delivers_twice_is_named(self) -> None:
        account = OffsetAccount(TOPIC, WINDOW)

        with pytest.raises(ConservationError, match="offset 2 follows offset 2"):
            account.add(3, array(1, 2, 2), array(1, 2, 2), array())

    def test_a_chunk_that_comes_twice_is_named(self) -> None:
        ingest = Ingest(10, tuple(range(10, 20)), (), (), ())
        account = account_of(ingest)
        account.add(3, array(12, 13), array(12, 13), array())

        with pytest.raises(ConservationError, match="2 offsets: 12-13 delivered twice"):
            account.verify(ingest.range, ingest.receipt)

    def test_accounts_of_different_windows_do_not_mix(self) -> None:
        with pytest.raises(ValueError, match="cannot be merged"):
            OffsetAccount(TOPIC, WINDOW).merge(OffsetAccount(TOPIC, "2026-01-31-15:00"))

    def test_consecutive_chunks_take_no_more_room(self) -> None:
        account = OffsetAccount(TOPIC, WINDOW)
        bare = len(pickle.dumps(account))
        for start in range(0, 1_000_000, 2_000):
            chunk = np.arange(start, start + 2_000, dtype=np.int64)
            account.add(3, chunk, chunk, array())

        assert len(pickle.dumps(account)) < bare + 500

    def test_an_error_comes_out_of_a_worker_process_as_it_is(self) -> None:
        error = ConservationError(WINDOW, [Violation("missing", TOPIC, 3, ((4, 5),), "offset 4 without a verdict")])

        back = pickle.loads(pickle.dumps(error))  # noqa: S301  what a worker process hands back

        assert str(back) == str(error)
        assert back.violations == error.violations


class TestReceipt:
    INGEST = Ingest(10, tuple(range(10, 20)), (), (20, 21), ())

    def verify(self, receipt: ReadReceipt) -> None:
        account_of(self.INGEST).verify(self.INGEST.range, receipt)

    def changed(self, **changes: object) -> ReadReceipt:
        (partition,) = self.INGEST.receipt.partitions
        return ReadReceipt(TOPIC, (replace(partition, **changes),))  # type: ignore[arg-type]

    def test_it_passes_as_it_is(self) -> None:
        self.verify(self.INGEST.receipt)

    @pytest.mark.parametrize(
        ("changes", "told"),
        [
            ({"delivered": 11}, "10 rows, but the reader was given 11 records"),
            ({"position": 15}, r"up to 15"),
            ({"end": 20}, r"not \[10, 22\)"),
            ({"start": 11}, r"not \[10, 22\)"),
            ({"holes": ((20, 21),)}, "offset 21 neither row, nor hole"),
            ({"holes": ((19, 22),)}, "offset 19 claimed by more than one"),
            ({"holes": ((20, 22), (21, 22))}, "offset 21 claimed by more than one"),
            ({"holes": ((20, 23),)}, "offset 22 reported as a hole outside"),
        ],
    )
    def test_one_that_does_not_fit_is_named(self, changes: dict[str, object], told: str) -> None:
        with pytest.raises(ConservationError, match=told):
            self.verify(self.changed(**changes))

    def test_a_partition_that_was_not_read_is_named(self) -> None:
        with pytest.raises(ConservationError, match="the read covers nothing"):
            self.verify(ReadReceipt(TOPIC))

    def test_the_receipt_of_another_topic_is_refused(self) -> None:
        with pytest.raises(ConservationError, match="the receipt is of topic other"):
            self.verify(replace(self.INGEST.receipt, topic="other"))

    def test_an_acknowledged_gap_stands_for_what_retention_took(self) -> None:
        lost = Ingest(10, tuple(range(15, 20)), (), (), tuple(range(10, 15)))
        account_of(lost).verify(lost.range, lost.receipt, {3: [(0, 15)]})

        with pytest.raises(ConservationError, match="5 offsets: 10-14 neither"):
            account_of(lost).verify(lost.range, lost.receipt)

    def test_a_gap_does_not_stand_for_what_was_delivered(self) -> None:
        with pytest.raises(ConservationError, match="offset 19 claimed by more than one"):
            account_of(self.INGEST).verify(self.INGEST.range, self.INGEST.receipt, {3: [(19, 20)]})
