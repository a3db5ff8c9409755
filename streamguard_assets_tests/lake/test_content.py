"""The content hash says whether two sets of rows are the same, whatever their order and their chunks."""

from __future__ import annotations

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from streamguard_assets.lake.content import combine, content_hash, content_of
from streamguard_assets_tests.lake.samples import rows

UNHURRIED = settings(deadline=None, max_examples=60)
"""The first example pays for Polars' start-up, so a deadline would measure the machine."""

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "number": st.none() | st.integers(-(2**63), 2**63 - 1),
            "text": st.none() | st.text(max_size=5),
            "score": st.none() | st.floats(allow_nan=True),
            "raw": st.none() | st.binary(max_size=4),
            "nested": st.none() | st.fixed_dictionaries({"port": st.none() | st.integers(0, 9)}),
            "reasons": st.none()
            | st.lists(st.fixed_dictionaries({"feature": st.text(max_size=2), "value": st.floats(0, 1)}), max_size=3),
        }
    ),
    max_size=12,
)
SCHEMA = pl.Schema(
    {
        "number": pl.Int64,
        "text": pl.String,
        "score": pl.Float64,
        "raw": pl.Binary,
        "nested": pl.Struct({"port": pl.Int64}),
        "reasons": pl.List(pl.Struct({"feature": pl.String, "value": pl.Float64})),
    }
)


def frame_of(records: list[dict[str, object]]) -> pl.DataFrame:
    return pl.DataFrame(records, schema=SCHEMA)


@UNHURRIED
@given(ROWS, st.randoms(use_true_random=False))
def test_order_of_rows_and_columns_does_not_matter(records, random):
    shuffled = random.sample(records, len(records))
    columns = random.sample(SCHEMA.names(), len(SCHEMA))
    assert content_of(frame_of(shuffled).select(columns)) == content_of(frame_of(records))


@UNHURRIED
@given(ROWS, st.integers(0, 12))
def test_hashes_of_parts_add_up_to_the_hash_of_the_whole(records, cut):
    whole = frame_of(records)
    parts = [whole.head(cut), whole.slice(cut)]
    assert combine(content_hash(part) for part in parts) == content_hash(whole)
    assert content_hash(pl.concat(parts, rechunk=False)) == content_hash(whole)


@UNHURRIED
@given(ROWS)
def test_a_column_added_later_leaves_the_hash_of_old_rows(records):
    old = frame_of(records)
    with_new = old.with_columns(pl.lit(None, dtype=pl.Int64).alias("added"))
    assert content_hash(with_new) == content_hash(old)


def test_a_field_added_to_a_struct_later_leaves_the_hash_of_old_rows():
    old = pl.DataFrame({"m": [{"port": 1}, None]}, schema={"m": pl.Struct({"port": pl.Int64})})
    wider = old.cast({"m": pl.Struct({"port": pl.Int64, "domain": pl.String})})
    assert wider["m"].null_count() == 1
    assert content_hash(wider) == content_hash(old)


def test_one_changed_cell_a_lost_row_or_a_doubled_row_changes_the_hash():
    whole = rows(20)
    changed = whole.with_columns(pl.col("user").replace({"user2": "user9"}))
    contents = [content_of(f) for f in (whole, changed, whole.head(19), pl.concat([whole, whole.head(1)]))]
    assert len(set(contents)) == 4


def test_values_that_swap_between_rows_or_columns_change_the_hash():
    pairs = pl.DataFrame({"a": [1, 2], "b": [3, 4]})
    between_rows = pl.DataFrame({"a": [1, 2], "b": [4, 3]})
    between_columns = pl.DataFrame({"a": [3, 4], "b": [1, 2]})
    assert len({content_hash(f) for f in (pairs, between_rows, between_columns)}) == 3


def test_a_null_struct_is_not_a_struct_of_nulls():
    schema = {"m": pl.Struct({"port": pl.Int64})}
    assert content_hash(pl.DataFrame({"m": [None]}, schema=schema)) != content_hash(
        pl.DataFrame({"m": [{"port": None}]}, schema=schema)
    )


def test_provenance_is_not_content():
    first = rows(3).with_columns(pl.lit("run-1").alias("attempt"))
    second = rows(3).with_columns(pl.lit("run-2").alias("attempt"))
    assert content_hash(first) != content_hash(second)
    assert (
        content_hash(first, exclude=["attempt"]) == content_hash(second, exclude=["attempt"]) == content_hash(rows(3))
    )


def test_no_rows_are_the_empty_content():
    assert content_of(rows(0)) == "0:0000000000000000"


def test_categories_count_by_their_text():
    texts = pl.DataFrame({"kind": ["b", "a", "b"]})
    categories = texts.with_columns(pl.col("kind").cast(pl.Categorical))
    enums = texts.with_columns(pl.col("kind").cast(pl.Enum(["a", "b"])))
    assert content_hash(categories) == content_hash(enums) == content_hash(texts)


def test_the_hash_is_the_same_in_every_process_and_release():
    """Commits keep these values: when a Polars upgrade changes them, every window is rebuilt once."""
    assert content_of(rows(7)) == "7:ef72eddd9707edee"
