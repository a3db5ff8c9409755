"""Simulated people have names of their own."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamguard_assets.generators.names import NAMES, person_name


@given(st.integers(0, 10**9))
def test_distinct_people_of_a_seed_have_distinct_names(seed: int) -> None:
    people = 2 * NAMES + 10
    assert len({person_name(seed, index) for index in range(people)}) == people
