"""Greedy removal: the channel that is missed least goes next, the rest is refitted."""

from collections.abc import Iterator

import numpy as np

from ccsolve.iterate import Limits, Step
from ccsolve.linalg.sweeping import sweep
from ccsolve.problems import ReconstructionSelection
from ccsolve.problems.checks import whole_number
from ccsolve.solution import Solution
from ccsolve.solvers.reconstruction.answers import answered, first_step, is_settled
from ccsolve.solvers.reconstruction.searching.removal import removed
from ccsolve.solvers.reconstruction.searching.working_form import working_form


def solve(
    problem: ReconstructionSelection, limits: Limits, *, block: int = 1
) -> Solution:
    """Remove channels from all, one by one; a heuristic, no bound.

    With W the weights fitted to what is left, S, the loss rises by

        ½tr(M W_jᵀ ([H_SS⁻¹]_jj)⁻¹ W_j)

    when channel j goes and the rest is fitted again: the channel of the least rise goes
    (OSSCAR, Meng et al., ICML 2024, stage 1; one weight at a time it is Optimal Brain
    Surgeon). An inverse, O(d³), then O(d²·group) a channel: it is kept up, not made
    again.

    Parameters
    ----------
    block : channels removed at a time, by their rises alone; 1 is the exact greedy.

    Raises
    ------
    InvalidProblem
        For a block below 1.
    """
    whole_number("block", block, 1, 2**31)
    return answered(problem, _steps(problem, block), limits)


def _steps(problem: ReconstructionSelection, block: int) -> Iterator[Step]:
    yield first_step(problem)
    if is_settled(problem):
        return
    form = working_form(problem)
    yield Step()
    state = sweep(form.H, form.C, np.ones(problem.n, dtype=bool))
    for _ in removed(state, problem.keep, block):
        yield Step()
    yield Step(state.inside, problem.objective(state.inside))
