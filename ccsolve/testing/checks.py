"""Checks that any method must pass on any problem."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ccsolve.api import solve
from ccsolve.handling import handling_of
from ccsolve.iterate import Limits, Progress
from ccsolve.problems import ChannelSelection
from ccsolve.problems.generate import FAMILIES
from ccsolve.registry import Kind, find
from ccsolve.solution import FEASIBILITY_TOLERANCE, Solution, Stop
from ccsolve.testing.oracles import brute_force, enumerable


def problem(family: str, n: int = 10, seed: int = 0) -> ChannelSelection:
    """Give a member of one of the generated families, by name."""
    return FAMILIES[family](n, seed)


def check_method(method: str, problem: Any, **options: Any) -> None:
    """Run every check that needs no knowledge of the method's options."""
    check_answer(method, problem, **options)
    check_seed(method, problem, **options)
    check_limits(method, problem, **options)
    check_callback(method, problem, **options)


def check_answer(method: str, problem: Any, **options: Any) -> Solution:
    """Feasible, scored by the problem, bound below the optimum, curves monotone."""
    solution = _solve(method, problem, **options)
    where = f"{method} on {problem!r}"
    types = [array.dtype for array in _arrays_of(problem, solution.x)]
    point = handling_of(problem).as_point(solution.x)
    expected = [array.dtype for array in _arrays_of(problem, point)]
    assert types == expected, f"{where}: x is {types}, expected {expected}"
    assert problem.violation(solution.x) <= FEASIBILITY_TOLERANCE, (
        f"{where}: infeasible"
    )
    assert solution.objective == problem.objective(solution.x), (
        f"{where}: not re-scored"
    )
    _check_curves(where, solution)
    if find(method, problem).gives_bound:
        assert solution.bound > -math.inf, f"{where}: no bound"
    if enumerable(problem):
        _check_against_optimum(where, problem, solution, find(method, problem).kind)
    return solution


def check_bound_order(
    weaker: str, stronger: str, problem: Any, slack: float = 1e-7
) -> None:
    """The stronger relaxation's bound is not below the weaker's, up to its accuracy.

    ``slack`` is relative to the data scale times n: both are solved iteratively.
    """
    low, high = _solve(weaker, problem).bound, _solve(stronger, problem).bound
    room = slack * problem.n * max(problem.data_scale, 1e-300)
    assert high >= low - room, (
        f"{problem!r}: {stronger} gives {high!r}, below {weaker} with {low!r}"
    )


def check_seed(method: str, problem: Any, **options: Any) -> None:
    """The same seed under a work limit gives the same point and bound."""
    first = _solve(method, problem, seed=7, **options)
    second = _solve(method, problem, seed=7, **options)
    where = f"{method} on {problem!r}"
    pairs = zip(
        _arrays_of(problem, first.x), _arrays_of(problem, second.x), strict=True
    )
    assert all(np.array_equal(a, b) for a, b in pairs), (
        f"{where}: same seed, other point"
    )
    assert first.bound == second.bound, f"{where}: same seed, other bound"


def check_limits(method: str, problem: Any, **options: Any) -> None:
    """A limit of one step, and of no time at all, gives a feasible point."""
    for limit in ({"step_limit": 1}, {"step_limit": 3, "time_limit": 0.0}):
        solution = _solve(method, problem, **{**limit, **options})
        assert problem.violation(solution.x) <= FEASIBILITY_TOLERANCE, (
            f"{method} on {problem!r} under {limit}: infeasible point"
        )
        assert solution.extra.get("steps", 0) <= limit["step_limit"], (
            f"{method} on {problem!r}: more steps than the limit of {limit}"
        )


def check_callback(method: str, problem: Any, **options: Any) -> None:
    """The callback sees feasible points of the problem given and can stop the run."""
    seen: list[Progress] = []

    def stop_at_once(progress: Progress) -> bool:
        seen.append(progress)
        return True

    solution = _solve(method, problem, callback=stop_at_once, **options)
    where = f"{method} on {problem!r}"
    if not seen:
        assert _has_one_point(problem), f"{where}: the callback was never called"
        return
    assert len(seen) == 1, f"{where}: called {len(seen)} times after asking to stop"
    assert solution.stop is Stop.CALLBACK, f"{where}: stopped with {solution.stop}"
    if seen[0].x is not None:
        violation = problem.violation(seen[0].x)
        assert violation <= FEASIBILITY_TOLERANCE, f"{where}: callback saw {violation}"


def check_option(
    method: str,
    problem: Any,
    option: str,
    values: tuple[Any, Any],
    **others: Any,
) -> None:
    """An option's two values lead to different runs: point, bound, trace or extra."""
    first, second = (
        _fingerprint(problem, _solve(method, problem, **{**others, option: value}))
        for value in values
    )
    assert first != second, (
        f"{method}: {option} = {values[0]!r} and {values[1]!r} give the same run"
    )


def _solve(method: str, problem: Any, **options: Any) -> Solution:
    """Solve under a work limit, so that the clock has no part in the answer."""
    limits: Mapping[str, Any] = {"time_limit": None, "step_limit": 40}
    return solve(problem, method, **{**limits, **options})


def _has_one_point(problem: Any) -> bool:
    """Say whether the front door settles the problem without a method."""
    handling = handling_of(problem)
    reduced, _ = handling.reduced(problem)
    return handling.settled(reduced, Limits()) is not None


def _check_curves(where: str, solution: Solution) -> None:
    objectives = [point.objective for point in solution.trace]
    bounds = [point.bound for point in solution.trace]
    assert objectives == sorted(objectives, reverse=True), f"{where}: objective rises"
    assert bounds == sorted(bounds), f"{where}: bound falls"


def _check_against_optimum(
    where: str, problem: Any, solution: Solution, kind: Kind
) -> None:
    _, optimum = brute_force(problem)
    slack = max(problem.resolution, 1e-12 * abs(optimum))
    assert solution.bound <= optimum + slack, (
        f"{where}: bound {solution.bound!r} above the optimum {optimum!r}"
    )
    assert solution.objective >= optimum - slack, (
        f"{where}: {solution.objective!r} below the optimum {optimum!r}"
    )
    if kind is Kind.EXACT and solution.stop in (Stop.FINISHED, Stop.GAP):
        assert solution.objective <= optimum + 1e-6 * abs(optimum) + slack, (
            f"{where}: finished at {solution.objective!r}, optimum {optimum!r}"
        )


def _arrays_of(problem: Any, x: Any) -> Sequence[np.ndarray]:
    """Give the arrays that a point of the problem is made of."""
    return handling_of(problem).arrays(x)


def _fingerprint(problem: Any, solution: Solution) -> tuple[Any, ...]:
    curves = tuple((p.step, p.objective, p.bound) for p in solution.trace)
    extra = tuple(sorted((key, repr(value)) for key, value in solution.extra.items()))
    point = tuple(array.tobytes() for array in _arrays_of(problem, solution.x))
    return (point, solution.bound, curves, extra)
