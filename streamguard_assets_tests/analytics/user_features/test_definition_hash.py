"""The hash follows the definitions: it is the same in every process, and changes with what it stands for only."""

from __future__ import annotations

import subprocess
import sys

import pytest

from streamguard_assets.analytics.user_features.definition_hash import (
    DEFINITION_MODULES,
    feature_hash,
    normalised_source,
)
from streamguard_assets_tests.analytics.events import EVENT_TYPES

CODE = '''
"""A module."""
LIMIT = 0.7
"""Where high begins."""

def rate(high, total):
    """A share."""
    # why
    return high / total
'''


def test_another_process_has_the_same_hash() -> None:
    program = (
        "from streamguard_assets.analytics.user_features.definition_hash import feature_hash;"
        f"print(feature_hash({EVENT_TYPES!r}))"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)

    assert told.stdout.strip() == feature_hash(EVENT_TYPES)


def test_other_event_types_are_other_features() -> None:
    hashes = {feature_hash(EVENT_TYPES), feature_hash(EVENT_TYPES[:-1]), feature_hash(EVENT_TYPES[::-1])}

    assert len(hashes) == 3


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("# why", "# why not"),
        ("A share.", "A fraction."),
        ("LIMIT = 0.7", "LIMIT  =  0.7\n\n"),
        ('"""A module."""', ""),
    ],
    ids=["comment", "docstring", "layout", "no docstring"],
)
def test_what_cannot_change_a_value_does_not_change_the_hash(before: str, after: str) -> None:
    assert normalised_source(CODE.replace(before, after)) == normalised_source(CODE)


@pytest.mark.parametrize(
    ("before", "after"), [("0.7", "0.8"), ("high / total", "total / high"), ("rate", "ratio")], ids=str
)
def test_what_can_change_a_value_changes_the_hash(before: str, after: str) -> None:
    assert normalised_source(CODE.replace(before, after)) != normalised_source(CODE)


def test_every_module_that_a_definition_runs_through_is_hashed() -> None:
    hashed = {module.__name__ for module in DEFINITION_MODULES}
    used = {
        name
        for module in DEFINITION_MODULES
        for value in vars(module).values()
        if (name := getattr(value, "__module__", "") or "").startswith("streamguard_assets")
    }

    assert used <= hashed
