"""ThiNet: the channels whose outputs cancel best are removed, then one refit."""

from collections.abc import Iterator

import numpy as np

from ccsolve.iterate import Limits, Step
from ccsolve.problems import ReconstructionSelection
from ccsolve.solution import Solution
from ccsolve.solvers.reconstruction.answers import answered, first_step, is_settled
from ccsolve.solvers.reconstruction.searching.gates import gates
from ccsolve.solvers.reconstruction.searching.working_form import working_form


def solve(problem: ReconstructionSelection, limits: Limits) -> Solution:
    """Remove greedily what adds least to the output that is lost; no bound.

    With x̂_j what channel j contributes to the outputs under the dense weights, T grows
    by the channel of the least E‖Σ_{j in T} x̂_j‖²_M (ThiNet, Luo et al., ICCV 2017,
    equation 6 and algorithm 1). Nothing is fitted again until T is complete; then all
    weights are, where the paper scales channels. It is here to be compared with. The
    contributions come from the moments, not from sampled positions. O(d³/3 + d²r).
    """
    return answered(problem, _steps(problem), limits)


def _steps(problem: ReconstructionSelection) -> Iterator[Step]:
    yield first_step(problem)
    if is_settled(problem):
        return
    form = working_form(problem)
    yield Step()
    x = _kept(gates(form, problem.n).Q, problem.keep)
    yield Step(x, problem.objective(x))


def _kept(Q: np.ndarray, keep: int) -> np.ndarray:
    """Grow the removed set from none by the least rise of 1_TᵀQ1_T; O(n) a channel."""
    kept = np.ones(len(Q), dtype=bool)
    rises = np.diagonal(Q).copy()
    for _ in range(len(Q) - keep):
        chosen = int(np.where(kept, rises, np.inf).argmin())
        kept[chosen] = False
        rises += 2.0 * Q[chosen]
    return kept
