"""The comparison itself must be able to fail."""

import pyarrow as pa
import pytest

from streamguard_assets_tests.parity.comparison import assert_same_rows

TABLE = pa.table({"user": ["a", "b"], "events": [1, 2], "rate": [0.5, None]})


def test_order_and_string_width_do_not_matter() -> None:
    other = pa.table({"user": pa.array(["b", "a"], pa.large_string()), "events": [2, 1], "rate": [None, 0.5]})

    assert_same_rows(TABLE, other)


def test_the_last_bits_of_a_fraction_do_not_matter() -> None:
    assert_same_rows(pa.table({"rate": [0.1 + 0.2]}), pa.table({"rate": [0.3]}))


@pytest.mark.parametrize(
    "other",
    [
        pa.table({"user": ["a", "c"], "events": [1, 2], "rate": [0.5, None]}),
        pa.table({"user": ["a", "b"], "events": [1, 3], "rate": [0.5, None]}),
        pa.table({"user": ["a", "b"], "events": [1, 2], "rate": [0.5 + 1e-8, None]}),
        pa.table({"user": ["a", "b"], "events": [1, 2], "rate": [0.5, float("nan")]}),
        pa.table({"user": ["a", "b"], "events": [1.0, 2.0], "rate": [0.5, None]}),
        pa.table({"user": ["a", "b"], "events": pa.array([1, 2], pa.int32()), "rate": [0.5, None]}),
        pa.table({"user": ["a", "b", "b"], "events": [1, 2, 2], "rate": [0.5, None, None]}),
        pa.table({"user": ["a", "b"], "rate": [0.5, None], "events": [1, 2]}),
    ],
    ids=["text", "count", "fraction", "nan", "float for int", "narrow int", "a row more", "columns turned round"],
)
def test_a_difference_is_found(other: pa.Table) -> None:
    with pytest.raises(AssertionError):
        assert_same_rows(TABLE, other)


def test_a_difference_inside_a_struct_is_found() -> None:
    with pytest.raises(AssertionError):
        assert_same_rows(pa.table({"metadata": [{"port": 22}]}), pa.table({"metadata": [{"port": 23}]}))
