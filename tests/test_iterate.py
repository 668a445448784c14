"""The loop: limits, best-so-far, trace, callback and Ctrl-C."""

import itertools
import math
import time
from collections.abc import Iterator

import numpy as np
import pytest

from ccsolve.iterate import Limits, Progress, Step, run
from ccsolve.solution import Stop


def descending(values: list[float], bounds: list[float] | None = None):
    bounds = bounds or [-math.inf] * len(values)
    for value, bound in zip(values, bounds, strict=True):
        yield Step(np.array([value]), value, bound)


def endless() -> Iterator[Step]:
    for k in itertools.count(1):
        yield Step(np.array([k]), 1.0 / k)


def test_the_best_point_and_bound_are_kept():
    solution = run(descending([3, 1, 2], [0, 0.5, 0.2]), Limits())
    assert solution.stop is Stop.FINISHED
    assert (solution.objective, solution.bound) == (1, 0.5)
    assert solution.x == [1]
    assert solution.extra["steps"] == 3
    assert [(p.step, p.objective, p.bound) for p in solution.trace] == [
        (1, 3, 0),
        (2, 1, 0.5),
    ]


def test_duals_belong_to_the_best_bound():
    def steps():
        yield Step(bound=1.0, duals={"budget": np.array([1.0])})
        yield Step(bound=0.5, duals={"budget": np.array([9.0])})

    assert run(steps(), Limits()).duals["budget"] == [1.0]


def test_nothing_found_is_said():
    solution = run(iter(()), Limits())
    assert solution.x is None
    assert (solution.objective, solution.bound) == (math.inf, -math.inf)


def test_step_limit():
    solution = run(endless(), Limits(step_limit=5))
    assert solution.stop is Stop.STEP_LIMIT
    assert solution.objective == pytest.approx(0.2)


def test_time_limit_returns_the_incumbent():
    solution = run(endless(), Limits(time_limit=0.02))
    assert solution.stop is Stop.TIME_LIMIT
    assert solution.x is not None


def test_no_time_at_all_still_takes_one_step():
    solution = run(endless(), Limits(time_limit=0.0))
    assert solution.stop is Stop.TIME_LIMIT
    assert solution.extra["steps"] == 1


def test_gap_reached():
    solution = run(descending([2, 1, 0.5], [0.99, 0.99, 0.99]), Limits(gap=0.1))
    assert solution.stop is Stop.GAP
    assert solution.objective == 1


def test_callback_sees_improvements_only_and_can_stop():
    seen: list[Progress] = []

    def watch(progress: Progress) -> bool:
        seen.append(progress)
        return progress.objective <= 1

    solution = run(descending([3, 3, 1, 0]), Limits(callback=watch))
    assert [p.objective for p in seen] == [3, 1]
    assert solution.stop is Stop.CALLBACK
    assert solution.objective == 1


def test_an_interrupt_loses_nothing():
    def interrupted():
        yield Step(np.array([1]), 1.0, 0.5)
        raise KeyboardInterrupt

    solution = run(interrupted(), Limits())
    assert solution.stop is Stop.INTERRUPTED
    assert (solution.objective, solution.bound) == (1.0, 0.5)


def test_an_interrupt_in_the_callback_loses_nothing():
    def interrupt(_: Progress) -> None:
        raise KeyboardInterrupt

    solution = run(endless(), Limits(callback=interrupt))
    assert solution.stop is Stop.INTERRUPTED
    assert solution.objective == 1.0


def test_the_generator_is_closed():
    closed = []

    def steps():
        try:
            while True:
                yield Step(np.array([1]), 1.0)
        finally:
            closed.append(True)

    run(steps(), Limits(step_limit=2))
    assert closed == [True]


def test_a_defect_of_a_method_is_not_swallowed():
    def broken():
        yield Step(np.array([1]), 1.0)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(broken(), Limits())


def test_remaining_time_falls_and_stays_above_zero():
    limits = Limits(time_limit=0.01)
    assert 0 < limits.remaining() <= 0.01
    time.sleep(0.02)
    assert limits.remaining() == 0
    assert Limits().remaining() == math.inf
