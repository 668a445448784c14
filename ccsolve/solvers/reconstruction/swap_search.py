"""Swap search: greedy removal, then swaps until none is better."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ccsolve.errors import InvalidProblem
from ccsolve.iterate import Limits, Step
from ccsolve.linalg.sweeping import Sweep, sweep
from ccsolve.problems import ReconstructionSelection
from ccsolve.problems.checks import real_array, whole_number
from ccsolve.solution import Solution
from ccsolve.solvers.reconstruction.answers import answered, first_step, is_settled
from ccsolve.solvers.reconstruction.searching.removal import removed
from ccsolve.solvers.reconstruction.searching.swaps import Rule, descended
from ccsolve.solvers.reconstruction.searching.working_form import (
    WorkingForm,
    working_form,
)

LEAST = 1e-9
"""Part of the loss that a swap must gain: less is rounding of the updates."""


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
        state = sweep(form.H, form.C, np.ones(problem.n, dtype=bool))
        for _ in removed(state, problem.keep):
            yield Step()
    else:
        state = sweep(form.H, form.C, start)
    yield from _descent(problem, form, state, rule)
    for _ in range(starts - 1):
        state = sweep(form.H, form.C, problem.random_point(rng))
        yield from _descent(problem, form, state, rule)


def _descent(
    problem: ReconstructionSelection, form: WorkingForm, state: Sweep, rule: Rule
) -> Iterator[Step]:
    """Descend, and again from matrices made afresh until these find nothing."""
    last, value = math.inf, problem.objective(state.inside)
    # Swaps that rounding alone makes better would never end.
    while value < last:
        yield Step(state.inside.copy(), value)
        least = max(problem.resolution, LEAST * abs(value))
        moved = yield from _reported(problem, state, least, rule)
        if not moved:
            return
        state = sweep(form.H, form.C, state.inside)
        last, value = value, problem.objective(state.inside)


def _reported(
    problem: ReconstructionSelection, state: Sweep, least: float, rule: Rule
) -> Iterator[Step]:
    """Swap, and score the point now and then; say whether it moved.

    Scoring takes as long as a swap for 64 columns kept.
    """
    swaps, every = 0, 1 + problem.keep * problem.group // 64
    for fall in descended(state, least, rule):
        swaps += fall > 0
        if fall > 0 and swaps % every == 0:
            yield Step(state.inside.copy(), problem.objective(state.inside))
        else:
            yield Step()
    return swaps > 0
