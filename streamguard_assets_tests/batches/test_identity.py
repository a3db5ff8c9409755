"""Ids say when a batch was submitted, and nothing else passes for one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from streamguard_assets.batches.errors import UnknownBatch
from streamguard_assets.batches.identity import checked_batch_id, is_batch_id, new_batch_id, submission_day


def test_an_id_holds_the_day_of_its_submission_in_utc():
    late = datetime(2026, 1, 31, 23, 30, tzinfo=timezone(timedelta(hours=-2)))
    batch_id = new_batch_id(late)
    assert batch_id.startswith("batch-20260201-")
    assert is_batch_id(batch_id)
    assert submission_day(batch_id) == datetime(2026, 2, 1, tzinfo=UTC)


def test_ids_of_one_moment_differ():
    moment = datetime(2026, 1, 31, tzinfo=UTC)
    assert len({new_batch_id(moment) for _ in range(100)}) == 100


@pytest.mark.parametrize(
    "text", ["", "raw", "../etc", "batch-20260131-XYZ", "batch-20260131-0a1b2c3", "batch-20261331-0a1b2c3d"]
)
def test_what_is_no_id_cannot_reach_a_path(text: str):
    assert not is_batch_id(text)
    with pytest.raises(UnknownBatch, match="an id is like"):
        checked_batch_id(text)
