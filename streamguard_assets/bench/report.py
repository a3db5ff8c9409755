"""Results as a table for people and as JSON for programs. Every figure names what it was measured against."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import psutil
from rich.table import Table

from streamguard_assets.bench.harness import Case, Limit, Result, Spread

LIBRARIES = ("polars", "pyarrow", "deltalake", "confluent-kafka", "msgspec", "scikit-learn", "dagster")


def report_table(results: Sequence[Result]) -> Table:
    """One row per case: the ratio that is judged, then subject and reference; figures as min / median / max."""
    table = Table(title="streamguard bench (min / median / max)", show_lines=True)
    for heading in ("case", "ratio", "target", "ours", "against", "met"):
        table.add_column(heading, overflow="fold")
    for result in results:
        case = result.case
        table.add_row(
            f"[bold]{case.name}[/bold]\n{case.title}",
            _spread(result.ratios, "×"),
            _target(case),
            "\n".join(_named(name, spread, unit) for name, spread, unit in _ours(result)),
            _against(result),
            "[green]yes[/green]" if result.met else "[red]no[/red]",
        )
    return table


def report_json(results: Sequence[Result]) -> dict[str, Any]:
    """``{"machine": …, "results": […]}``; samples are kept, so that a reader can judge the spread."""
    return {"machine": machine(), "results": [_document(result) for result in results]}


def machine() -> dict[str, Any]:
    """What the figures were taken on. The load says whether others were at work."""
    return {
        "cores": psutil.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "load_1_min": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "libraries": {name: version(name) for name in LIBRARIES},
    }


def _ours(result: Result) -> list[tuple[str, Spread, str]]:
    beside = [(figure.name, result.beside[figure.name], figure.unit) for figure in result.case.beside]
    return [(result.case.subject.name, result.subject, result.case.subject.unit), *beside]


def _against(result: Result) -> str:
    reference, unit = result.case.reference, result.case.subject.unit
    if isinstance(reference, Limit):
        return f"limit: {reference.name}\n{_number(reference.value, unit)}"
    return f"peer: {_named(reference.name, result.reference, unit)}"


def _target(case: Case) -> str:
    return f"{'≥' if case.direction == 'at_least' else '≤'} {case.target:g}"


def _named(name: str, spread: Spread, unit: str) -> str:
    return f"{name}\n{_spread(spread, unit)}"


def _spread(spread: Spread, unit: str) -> str:
    return " / ".join(_number(value, unit) for value in (spread.min, spread.median, spread.max))


def _number(value: float, unit: str) -> str:
    if unit == "bytes":
        return f"{value / 1e9:.2f} GB"
    if unit == "s":
        return f"{value * 1e3:.1f} ms" if value < 1 else f"{value:.2f} s"
    return f"{value:.2f} {unit}" if value < 100 else f"{value:,.0f} {unit}"


def _document(result: Result) -> dict[str, Any]:
    case = result.case
    kind = "limit" if isinstance(case.reference, Limit) else "peer"
    return {
        "case": case.name,
        "title": case.title,
        "ratio": _spread_document(result.ratios),
        "target": {case.direction: case.target},
        "met": result.met,
        "subject": {"name": case.subject.name, "unit": case.subject.unit, **_spread_document(result.subject)},
        kind: {"name": case.reference.name, "unit": case.subject.unit, **_spread_document(result.reference)},
        "beside": [
            {"name": figure.name, "unit": figure.unit, **_spread_document(result.beside[figure.name])}
            for figure in case.beside
        ],
    }


def _spread_document(spread: Spread) -> dict[str, Any]:
    return {"min": spread.min, "median": spread.median, "max": spread.max, "samples": list(spread.samples)}
