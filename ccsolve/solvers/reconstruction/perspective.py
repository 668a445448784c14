"""The perspective relaxation: a proven bound, its rounding, and swaps from there."""

from collections.abc import Iterator

import numpy as np

from ccsolve.iterate import Limits, Step
from ccsolve.problems import ReconstructionSelection
from ccsolve.problems.checks import real_number, whole_number
from ccsolve.solution import Solution
from ccsolve.solvers.reconstruction.answers import answered, first_step
from ccsolve.solvers.reconstruction.relaxing.perspective_form import perspective_form
from ccsolve.solvers.reconstruction.relaxing.spectral_descent import descent
from ccsolve.solvers.reconstruction.searching.descents import descended_point
from ccsolve.solvers.reconstruction.searching.working_form import working_form

STEPS = 500
"""Steps after which the relaxation is left as it is; twenty are common."""


def solve(
    problem: ReconstructionSelection,
    limits: Limits,
    *,
    rounds: int = 4,
    tolerance: float = 1e-6,
) -> Solution:
    """Relax which channels are kept to shares z of them, and bound by a dual point.

    Of H a block-diagonal part B is taken, as large as leaves the rest positive
    semidefinite, and B_j is divided by z_j: exact where z is binary, convex between
    (`relaxing.perspective_form`). It is minimised over the shares by projected
    gradients.

    Proven: the bound, from a dual point that any z gives, the rounding in it
    subtracted. It is above the loss of keeping all by as much as B is worth: much with
    a ridge of a tenth of the variances (two thirds of the way to the optimum), little
    with one of a thousandth (a tenth). Heuristic: the point, the ``keep`` largest
    shares, then swaps.

    Cost: O(d³) a round, then O(d³/3 + d²r) a step, about twenty.

    Parameters
    ----------
    rounds : times that B is enlarged.
    tolerance : relative gap between the relaxation's value and the bound at which the
        minimisation ends.
    """
    whole_number("rounds", rounds, 1, 2**31)
    real_number("tolerance", tolerance, 0.0)
    return answered(problem, _steps(problem, rounds, tolerance), limits)


def _steps(
    problem: ReconstructionSelection, rounds: int, tolerance: float
) -> Iterator[Step]:
    yield first_step(problem)
    shares = yield from bounds(problem, rounds, tolerance)
    x = nearest_point(shares, problem.keep)
    yield Step(x, problem.objective(x))
    if 0 < problem.keep < problem.n:
        yield from descended_point(problem, working_form(problem), x)


def bounds(
    problem: ReconstructionSelection, rounds: int, tolerance: float
) -> Iterator[Step]:
    """Give steps with bounds alone; return the shares z of the last."""
    if problem.n == 0:
        yield Step(bound=problem.constant)
        return np.zeros(0)
    form, best, shares = perspective_form(problem, rounds), -np.inf, np.zeros(problem.n)
    yield Step()
    for _, now in zip(range(STEPS), descent(form), strict=False):
        best, shares = max(best, now.bound), now.z
        yield Step(bound=now.bound)
        if now.value - best <= max(tolerance * abs(now.value), problem.resolution):
            break
    return shares


def nearest_point(shares: np.ndarray, keep: int) -> np.ndarray:
    """Give the channels of the largest shares, (n,) bool."""
    x = np.zeros(len(shares), dtype=bool)
    x[np.argsort(-shares, kind="stable")[:keep]] = True
    return x
