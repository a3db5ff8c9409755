"""The word of a commit survives the log; what is not ours is passed over."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamguard_assets.lake.commits import CommitFold, WindowCommit
from streamguard_assets_tests.lake.samples import commit_of, hour

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(
    st.text(max_size=10), st.booleans(), st.integers(0, 2**40), st.dictionaries(st.text(max_size=5), JSON, max_size=3)
)
def test_json_round_trip(attempt, complete, row_count, details):
    made = WindowCommit(hour(0), attempt, complete, row_count, "content", "inputs", "1.0", details)
    read = WindowCommit.from_json(made.to_json(), version=3, timestamp_ms=1_700_000_000_123)
    assert (read.window, read.attempt, read.complete, read.rows) == (hour(0), attempt, complete, row_count)
    assert read.details == details
    assert read.version == 3
    assert read.committed_at is not None
    assert read.committed_at.isoformat() == "2023-11-14T22:13:20.123000+00:00"


def test_keys_of_a_later_release_are_ignored():
    text = commit_of(hour(0)).to_json()[:-1] + ',"signature":"x"}'
    assert WindowCommit.from_json(text, 1, 0).attempt == "first"


def test_a_text_that_is_no_window_commit_is_named():
    with pytest.raises(ValueError, match="commit 7 carries no window commit"):
        WindowCommit.from_json("{}", 7, 0)


def test_the_newest_commit_of_a_window_counts_and_the_replaced_attempts_are_remembered():
    fold = CommitFold()
    fold.take([commit_of(hour(0), "a"), commit_of(hour(1), "b"), commit_of(hour(0), "c"), commit_of(hour(0), "d")])
    assert {window: commit.attempt for window, commit in fold.newest.items()} == {hour(0): "d", hour(1): "b"}
    assert fold.superseded == {hour(0): {"a", "c"}}
