"""LASSO on one gate per channel, its penalty raised until few enough are left."""

from collections.abc import Iterator

import numpy as np

from ccsolve.iterate import Limits, Step
from ccsolve.kernels.lasso import descend
from ccsolve.problems import ReconstructionSelection
from ccsolve.problems.checks import frozen
from ccsolve.solution import Solution
from ccsolve.solvers.reconstruction.answers import answered, first_step, is_settled
from ccsolve.solvers.reconstruction.searching.gates import Gates, gates
from ccsolve.solvers.reconstruction.searching.working_form import working_form

HALVINGS = 60
"""Bisections of the penalty's logarithm after which the count is taken as it is."""

SPAN = 1e-12
"""The least penalty tried, of the one that closes all gates."""

_ROUNDS, _TOLERANCE = 1_000, 1e-9


def solve(problem: ReconstructionSelection, limits: Limits) -> Solution:
    """Choose by min over β of the loss at β_j·W_j + λ‖β‖₁, then refit; no bound.

    W are the dense weights, λ is raised until ``keep`` gates are open (He, Zhang and
    Sun, Channel Pruning, ICCV 2017, equation 2, W fixed until the end as in their
    experiments); then least squares gives the weights of those. λ is bisected; where no
    λ leaves exactly ``keep``, the gates of the largest share, abs(β_j)·√Q_jj, are taken
    of the next larger number. It is here to be compared with. O(d³/3 + d²r), then
    O(n²) a round of coordinate descent.
    """
    return answered(problem, _steps(problem), limits)


def _steps(problem: ReconstructionSelection) -> Iterator[Step]:
    yield first_step(problem)
    if is_settled(problem):
        return
    form = working_form(problem)
    yield Step()
    parts = gates(form, problem.n)
    beta = np.zeros(problem.n)
    for gated in _path(parts, problem.keep):
        beta = gated
        yield Step()
    x = _largest(beta, parts, problem)
    yield Step(x, problem.objective(x))


def _path(parts: Gates, keep: int) -> Iterator[np.ndarray]:
    """Bisect the penalty; give gates of which the last are ``keep`` or just more.

    Fewer only where no penalty opens as many.
    """
    Q, t = frozen(parts.Q), frozen(parts.t)
    top = float(np.abs(t).max())
    if top == 0:
        return
    low, high = np.log(SPAN * top), np.log(top)
    beta = _gates_at(Q, t, np.exp(low), np.zeros(len(t)))
    yield beta
    for _ in range(HALVINGS):
        if np.count_nonzero(beta) <= keep:
            return
        middle = 0.5 * (low + high)
        trial = _gates_at(Q, t, np.exp(middle), beta)
        if np.count_nonzero(trial) < keep:
            high = middle
        else:
            low, beta = middle, trial
        yield beta


def _gates_at(
    Q: np.ndarray, t: np.ndarray, penalty: float, start: np.ndarray
) -> np.ndarray:
    beta, rest = start.copy(), np.empty_like(start)
    descend(Q, t, penalty, beta, rest, _ROUNDS, _TOLERANCE * float(np.abs(t).max()))
    return beta


def _largest(
    beta: np.ndarray, parts: Gates, problem: ReconstructionSelection
) -> np.ndarray:
    """Give the ``keep`` largest shares; closed gates come by what they gain alone."""
    share = np.abs(beta) * np.sqrt(np.maximum(np.diagonal(parts.Q), 0.0))
    order = np.lexsort((-problem.single_gains, -share))
    x = np.zeros(problem.n, dtype=bool)
    x[order[: problem.keep]] = True
    return x
