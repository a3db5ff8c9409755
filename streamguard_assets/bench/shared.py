"""Measurements that several figures, or several repetitions, are told of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Once(Generic[Value]):
    """A measurement that takes minutes and is taken once."""

    def __init__(self, measure: Callable[[], Value]) -> None:
        self._measure = measure
        self._taken: list[Value] = []

    @property
    def value(self) -> Value:
        if not self._taken:
            self._taken.append(self._measure())
        return self._taken[0]


class Shared:
    """Several figures of one measurement: the first that asks measures, the others of that turn are told."""

    def __init__(self, measure: Callable[[], Mapping[str, float]]) -> None:
        self._measure = measure
        self._pending: dict[str, float] = {}

    def take(self, name: str) -> float:
        if name not in self._pending:
            self._pending = dict(self._measure())
        return self._pending.pop(name)
