"""The analyses by name. Every module of this folder that declares ``ANALYSIS`` is one of them."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from streamguard_assets.analytics.analyses.analysis import Analysis

FULL_REPORT = "full_report"
"""The name that stands for all of them."""

_PACKAGE = __name__.rpartition(".")[0]
_NOT_ANALYSES = frozenset({"analysis", "conditions", "registry", "report"})
_FIRST = (
    "revenue_by_category", "revenue_by_region", "payment_analysis", "customer_segmentation", "fraud_analysis",
    "hourly_trends", "channel_performance", "inventory_velocity",
)  # fmt: skip
"""The order in which a report reads best; analyses that are added come after them, by name."""


class UnknownAnalysis(LookupError):  # noqa: N818 - it says what is so, as the other errors here
    """There is no analysis of that name; the text lists those that there are."""


def _declared() -> Iterator[Analysis]:
    found = {module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)])} - _NOT_ANALYSES
    for name in (*_FIRST, *sorted(found - set(_FIRST))):
        module = importlib.import_module(f"{_PACKAGE}.{name}")
        declared = getattr(module, "ANALYSIS", None)
        if not isinstance(declared, Analysis) or declared.name != name:
            raise TypeError(f"{module.__file__} must declare ANALYSIS, an Analysis with the name {name!r}")
        yield declared


ANALYSES: Mapping[str, Analysis] = MappingProxyType({each.name: each for each in _declared()})
"""Every analysis by its name, in the order of a full report."""


def analysis(name: str) -> Analysis:
    """The analysis of that name. ``UnknownAnalysis`` lists those that there are."""
    if name not in ANALYSES:
        raise UnknownAnalysis(f"there is no analysis {name!r}; there are {', '.join(ANALYSES)}")
    return ANALYSES[name]


def fitting_analyses(columns: Collection[str]) -> tuple[Analysis, ...]:
    """The analyses whose input columns are all among ``columns``."""
    there = set(columns)
    return tuple(each for each in ANALYSES.values() if there.issuperset(each.inputs))
