"""Descents to points that no swap improves, as steps of a method."""

import math
from collections.abc import Iterator

import numpy as np

from ccsolve.iterate import Step
from ccsolve.linalg.sweeping import Sweep, sweep
from ccsolve.problems import ReconstructionSelection
from ccsolve.solvers.reconstruction.searching.removal import removed
from ccsolve.solvers.reconstruction.searching.swaps import Rule, descended
from ccsolve.solvers.reconstruction.searching.working_form import WorkingForm

LEAST = 1e-9
"""Part of the loss that a swap must gain: less is rounding of the updates."""


def greedy_state(problem: ReconstructionSelection, form: WorkingForm) -> Iterator[Step]:
    """Remove channels one by one, in empty steps; return the matrices at the end.

    The first step is the point without those that alone are missed least: on large
    programs that is what a short time limit leaves.
    """
    state = sweep(form.H, form.C, np.ones(problem.n, dtype=bool))
    x = np.ones(problem.n, dtype=bool)
    x[np.argsort(state.prices(), kind="stable")[: problem.n - problem.keep]] = False
    yield Step(x, problem.objective(x))
    for _ in removed(state, problem.keep):
        yield Step()
    return state


def descended_point(
    problem: ReconstructionSelection,
    form: WorkingForm,
    x: np.ndarray,
    rule: Rule = "first",
) -> Iterator[Step]:
    """Descend from a point; O(d³) for its matrices."""
    yield from descended_state(problem, form, sweep(form.H, form.C, x), rule)


def descended_state(
    problem: ReconstructionSelection,
    form: WorkingForm,
    state: Sweep,
    rule: Rule = "first",
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
