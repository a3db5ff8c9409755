"""Requests as people write them, and batches as they travel."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamguard_assets.batches.errors import BatchRefused
from streamguard_assets.batches.request import Batch, as_asked, parse_end, parse_start
from streamguard_assets.contracts.offsets import OffsetRange
from streamguard_assets_tests.batches.rig import NOW

OFFSETS = st.dictionaries(st.integers(0, 500), st.integers(0, 2**62), min_size=1)


def test_words_stand_for_themselves():
    assert (parse_start("earliest"), parse_end("latest")) == ("earliest", "latest")


@given(OFFSETS)
def test_offsets_are_read_as_they_are_written(offsets: dict[int, int]):
    assert parse_start(as_asked(offsets)) == offsets
    assert parse_end(as_asked(offsets)) == offsets


@pytest.mark.parametrize(
    "text", ["latest", "", "{}", "[1]", "7", "{", '{"0": -2}', '{"0": 1.5}', '{"0": true}', '{"a": 1}', '{"0": null}']
)
def test_anything_else_is_refused_with_an_example(text: str):
    with pytest.raises(BatchRefused, match='"0": 100'):
        parse_start(text)


@given(OFFSETS, st.sampled_from([(), ("revenue_by_category",), ("a", "b")]))
def test_a_batch_travels_as_json(ends: dict[int, int], analyses: tuple[str, ...]):
    batch = Batch(
        batch_id="batch-20260131-0a1b2c3d",
        stream="transactions",
        topic="t",
        topic_id="id",
        asked_start="earliest",
        asked_end=as_asked(ends),
        range=OffsetRange("t", dict.fromkeys(ends, 0), ends),
        analysis="full_report",
        analyses=analyses,
        submitted_at=NOW,
    )
    assert Batch.from_json(json.loads(json.dumps(batch.to_json()))) == batch


@pytest.mark.parametrize("text", ['{"0":5,"00":7}', '{"0":5,"0":7}'])
def test_a_partition_that_is_named_twice_is_refused(text: str) -> None:
    with pytest.raises(BatchRefused, match="partition 0 is named twice"):
        parse_start(text)


def test_what_cannot_be_read_is_refused_and_not_quoted_whole() -> None:
    with pytest.raises(BatchRefused) as refused:
        parse_end("[" * 100_000)
    assert len(str(refused.value)) < 300
