"""How a case is measured: subject and peer in turn, several times, and judged by the median of their ratios.

Absolute seconds say as much about the machine and its other work as about the code. Here a figure stands beside a
peer that did the same work a moment before or after it, or beside a stated limit.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

MIN_REPETITIONS = 5

Direction = Literal["at_least", "at_most"]


@dataclass(frozen=True)
class Figure:
    """Something measurable. ``run`` does the work once and returns the quantity in ``unit``."""

    name: str
    unit: str
    run: Callable[[], float]


@dataclass(frozen=True)
class Limit:
    """A fixed quantity, in the unit of the subject, that stands where a peer would."""

    name: str
    value: float


@dataclass(frozen=True)
class Case:
    """A subject against its peer or limit, and the ratio subject ÷ reference that it must reach or keep below.

    ``beside`` are figures that are shown and not judged. ``warm_up`` rounds are run and forgotten.
    """

    name: str
    title: str
    subject: Figure
    reference: Figure | Limit
    direction: Direction
    target: float
    beside: tuple[Figure, ...] = ()
    warm_up: int = 1


@dataclass(frozen=True)
class Spread:
    """The samples of one figure, in the order in which they were taken."""

    samples: tuple[float, ...]

    @property
    def min(self) -> float:
        return min(self.samples)

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    @property
    def max(self) -> float:
        return max(self.samples)


@dataclass(frozen=True)
class Result:
    """What one case gave. ``ratios`` are pairwise: subject and reference of the same repetition."""

    case: Case
    subject: Spread
    reference: Spread
    ratios: Spread
    beside: dict[str, Spread] = field(default_factory=dict)

    @property
    def met(self) -> bool:
        if self.case.direction == "at_least":
            return self.ratios.median >= self.case.target
        return self.ratios.median <= self.case.target


def measure(case: Case, repetitions: int = MIN_REPETITIONS, after_each: Callable[[], None] | None = None) -> Result:
    """Run every figure of ``case`` ``repetitions`` times, interleaved.

    The order turns round from one repetition to the next, so that neither side always profits from what the other
    left warm. ``after_each`` is called after each repetition, for a progress bar.
    """
    if repetitions < MIN_REPETITIONS:
        raise ValueError(f"{repetitions} repetitions say too little; take at least {MIN_REPETITIONS}")
    figures = _figures(case)
    samples: dict[str, list[float]] = {name: [] for name in figures}
    for repetition in range(-case.warm_up, repetitions):
        for name in _turned(list(figures), repetition):
            quantity = figures[name].run()
            if repetition >= 0:
                samples[name].append(quantity)
        if after_each is not None:
            after_each()
    return _result(case, samples, repetitions)


def _figures(case: Case) -> dict[str, Figure]:
    measured = [case.subject, *([case.reference] if isinstance(case.reference, Figure) else []), *case.beside]
    figures = {figure.name: figure for figure in measured}
    if len(figures) < len(measured):
        raise ValueError(f"case {case.name}: two figures have the same name among {[f.name for f in measured]}")
    return figures


def _turned(names: Sequence[str], repetition: int) -> Iterator[str]:
    return reversed(names) if repetition % 2 else iter(names)


def _result(case: Case, samples: dict[str, list[float]], repetitions: int) -> Result:
    subject = samples.pop(case.subject.name)
    if isinstance(case.reference, Figure):
        reference = samples.pop(case.reference.name)
    else:
        reference = [case.reference.value] * repetitions
    ratios = tuple(ours / theirs for ours, theirs in zip(subject, reference, strict=True))
    return Result(
        case,
        Spread(tuple(subject)),
        Spread(tuple(reference)),
        Spread(ratios),
        {name: Spread(tuple(values)) for name, values in samples.items()},
    )
