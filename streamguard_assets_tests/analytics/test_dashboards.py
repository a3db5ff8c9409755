"""Which dashboard a stream gets."""

from __future__ import annotations

import pytest

from streamguard_assets.analytics.dashboards import DASHBOARDS, fitting_dashboard
from streamguard_assets.contracts.registry import contract


@pytest.mark.parametrize(
    ("stream", "name"), [("security", "security_dashboard"), ("transactions", "realtime_dashboard")]
)
def test_each_built_in_contract_has_its_dashboard(stream: str, name: str) -> None:
    assert fitting_dashboard(contract(stream).events_schema().names) is DASHBOARDS[name]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_fits_columns_of_whatever_contract_and_only_if_none_is_missing(name: str) -> None:
    inputs = DASHBOARDS[name].inputs

    assert fitting_dashboard([*inputs, "more"]) is DASHBOARDS[name]
    assert all(fitting_dashboard(set(inputs) - {column}) is None for column in inputs)


def test_the_dashboards_have_code_and_names_of_their_own() -> None:
    assert len({each.definition_hash for each in DASHBOARDS.values()}) == len(DASHBOARDS)
    assert [each.name for each in DASHBOARDS.values()] == list(DASHBOARDS)
