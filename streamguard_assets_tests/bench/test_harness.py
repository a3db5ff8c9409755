"""A case is measured in turns with its peer and judged by the median of pairwise ratios."""

from collections.abc import Callable, Iterator

import pytest

from streamguard_assets.bench.harness import Case, Direction, Figure, Limit, Result, measure


def recorded(name: str, values: Iterator[float], calls: list[str]) -> Figure:
    def run() -> float:
        calls.append(name)
        return next(values)

    return Figure(name, "s", run)


def steady(name: str, value: float) -> Figure:
    return Figure(name, "s", lambda: value)


def case(subject: Figure, reference: Figure | Limit, direction: Direction = "at_most", **options: object) -> Case:
    return Case("case", "a case", subject, reference, direction, target=1.0, **options)  # pyright: ignore[reportArgumentType]


def test_subject_and_peer_take_turns_and_the_order_turns_round() -> None:
    calls: list[str] = []
    ours, peer = recorded("ours", iter(range(1, 9)), calls), recorded("peer", iter(range(1, 9)), calls)

    measure(case(ours, peer, warm_up=0), repetitions=5)

    assert calls == ["ours", "peer", "peer", "ours", "ours", "peer", "peer", "ours", "ours", "peer"]


def test_warm_up_rounds_are_run_and_forgotten() -> None:
    values = iter([100.0, 1.0, 2.0, 3.0, 4.0, 5.0])

    result = measure(case(recorded("ours", values, []), Limit("limit", 1.0), warm_up=1))

    assert result.subject.samples == (1.0, 2.0, 3.0, 4.0, 5.0)


def test_ratios_are_of_the_same_repetition() -> None:
    # A machine that slows down halfway changes both sides; pairwise, the ratio does not move.
    slowing = [1.0, 1.0, 1.0, 4.0, 4.0]
    result = measure(
        case(recorded("ours", iter([2 * s for s in slowing]), []), recorded("peer", iter(slowing), []), warm_up=0)
    )

    assert result.ratios.samples == (2.0,) * 5
    assert (result.subject.min, result.subject.median, result.subject.max) == (2.0, 2.0, 8.0)


@pytest.mark.parametrize(
    ("direction", "ours", "met"),
    [("at_most", 0.9, True), ("at_most", 1.1, False), ("at_least", 1.1, True), ("at_least", 0.9, False)],
)
def test_the_target_is_a_floor_or_a_ceiling(direction: Direction, ours: float, met: bool) -> None:
    assert measure(case(steady("ours", ours), Limit("limit", 1.0), direction)).met is met


def test_one_slow_repetition_does_not_fail_a_case() -> None:
    values = iter([1.0, 0.5, 0.5, 9.0, 0.5, 0.5])

    assert measure(case(recorded("ours", values, []), Limit("limit", 1.0))).met


def test_figures_beside_are_shown_and_not_judged() -> None:
    result: Result = measure(case(steady("ours", 0.5), Limit("limit", 1.0), beside=(steady("dagster", 7.0),)))

    assert result.beside["dagster"].median == 7.0
    assert result.met


def test_progress_is_told_after_each_round_the_warm_up_included() -> None:
    rounds: list[int] = []
    told: Callable[[], None] = lambda: rounds.append(1)  # noqa: E731

    measure(case(steady("ours", 1.0), Limit("limit", 1.0)), repetitions=5, after_each=told)

    assert len(rounds) == 6


def test_too_few_repetitions_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 5"):
        measure(case(steady("ours", 1.0), Limit("limit", 1.0)), repetitions=4)


def test_two_figures_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="same name"):
        measure(case(steady("ours", 1.0), steady("ours", 1.0)))
