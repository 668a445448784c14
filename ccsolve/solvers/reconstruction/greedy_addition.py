"""Greedy addition: the channel that explains most of what is left comes next."""

from collections.abc import Iterator

import numpy as np

from ccsolve.iterate import Limits, Step
from ccsolve.linalg.sweeping import sweep
from ccsolve.problems import ReconstructionSelection
from ccsolve.solution import Solution
from ccsolve.solvers.reconstruction.answers import answered, first_step, is_settled
from ccsolve.solvers.reconstruction.searching.removal import added
from ccsolve.solvers.reconstruction.searching.working_form import working_form


def solve(problem: ReconstructionSelection, limits: Limits) -> Solution:
    """Add channels to none, one by one; a heuristic, no bound.

    With R_j = G_j - H_jS W_S what channel j has in common with the error of the kept S,
    and K = H_jj - H_jS H_SS⁻¹ H_Sj what of it they do not span, the loss falls by

        ½tr(M R_jᵀ K⁻¹ R_j)

    when j enters and all are fitted again: the channel of the largest fall enters
    (orthogonal least squares by groups). O(d²·group) a channel; there is no inverse to
    begin with, which makes it the cheaper greedy where few are kept.
    """
    return answered(problem, _steps(problem), limits)


def _steps(problem: ReconstructionSelection) -> Iterator[Step]:
    yield first_step(problem)
    if is_settled(problem):
        return
    form = working_form(problem)
    state = sweep(form.H, form.C, np.zeros(problem.n, dtype=bool))
    for _ in added(state, problem.keep):
        yield Step()
    yield Step(state.inside, problem.objective(state.inside))
