"""Swap search: greedy removal, then swaps until none is better."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ccsolve.errors import InvalidProblem
from ccsolve.iterate import Limits, Step
from ccsolve.problems import ReconstructionSelection
from ccsolve.problems.checks import real_array, whole_number
from ccsolve.solution import Solution
from ccsolve.solvers.reconstruction.answers import answered, first_step, is_settled
from ccsolve.solvers.reconstruction.searching.descents import (
    descended_point,
    descended_state,
    greedy_state,
)
from ccsolve.solvers.reconstruction.searching.swaps import Rule
from ccsolve.solvers.reconstruction.searching.working_form import working_form


def solve(
    problem: ReconstructionSelection,
    limits: Limits,
    *,
    seed: int = 0,
    starts: int = 1,
    start: Any = None,
    rule: Rule = "first",
) -> Solution:
    """Improve the greedy removal by swaps, then random points; a heuristic, no bound.

    A swap of channels i and j changes the loss by what i's leaving raises it and what
    j's entering then lowers it; both come from one matrix that every swap updates, so
    that one i is tried against all j in O(d·group·r), r outputs or columns, and a swap
    is made in O(d²·group). Each descent ends where no swap of one channel is better by
    1e-9 of the loss, found so on freshly made matrices. Swaps of several channels are
    OSSCAR's stage 2 (Meng et al., ICML 2024); one at a time they are exact.

    Parameters
    ----------
    starts : descents, the first from ``start``, the others from random points.
    start : (n,) feasible point; that of the greedy removal by default.
    rule : "first" makes the best swap of each kept channel in turn; "best" the best of
        all, for which all of them are looked at before each.

    Raises
    ------
    InvalidProblem
        For a malformed option or an infeasible start.
    """
    whole_number("starts", starts, 1, 2**31)
    if rule not in ("first", "best"):
        raise InvalidProblem(f"rule = {rule!r}; expected 'first' or 'best'")
    point = _checked_start(problem, start)
    return answered(problem, _steps(problem, seed, starts, point, rule), limits)


def _checked_start(problem: ReconstructionSelection, start: Any) -> np.ndarray | None:
    if start is None:
        return None
    point = real_array("start", start, (problem.n,))
    if problem.violation(point) > 0:
        raise InvalidProblem(
            f"start violates the problem's constraints by {problem.violation(point):g};"
            f" give a binary point of {problem.keep} channels"
        )
    return point == 1


def _steps(
    problem: ReconstructionSelection,
    seed: int,
    starts: int,
    start: np.ndarray | None,
    rule: Rule,
) -> Iterator[Step]:
    yield first_step(problem)
    if is_settled(problem):
        return
    form, rng = working_form(problem), np.random.default_rng(seed)
    yield Step()
    if start is None:
        state = yield from greedy_state(problem, form)
        yield from descended_state(problem, form, state, rule)
    else:
        yield from descended_point(problem, form, start, rule)
    for _ in range(starts - 1):
        yield from descended_point(problem, form, problem.random_point(rng), rule)
