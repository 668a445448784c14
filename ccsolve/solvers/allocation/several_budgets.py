"""Several budgets: cutting planes for their prices, then branch and bound on a core."""

from collections.abc import Iterator

import numpy as np

from ccsolve.iterate import Limits, Step, run
from ccsolve.problems import RateAllocation
from ccsolve.solution import Solution
from ccsolve.solvers.allocation.cutting.corridors import searched
from ccsolve.solvers.allocation.cutting.dual import Dual, climbed
from ccsolve.solvers.allocation.cutting.impossible import (
    no_mixture,
    no_point,
)
from ccsolve.solvers.allocation.cutting.program import Program, prepared
from ccsolve.solvers.allocation.cutting.starts import first_points

_WIDTHS = (1 / 64, 1 / 16, 1 / 4)
"""Widths of the first corridors, as shares of the gap."""

_PATIENCE = 200
"""Steps spent on a corridor that is not the whole gap, about half a second."""


def solve(problem: RateAllocation, limits: Limits) -> Solution:
    """Find the best choice under 1..4 budgets, without pairs, and prove it.

    Bound: prices λ ≥ 0 of the budgets give

        g(λ) = Σ_l min_j (loss_lj + λᵀcost_lj) - λᵀlimits ≤ optimum,

    raised by Kelley's cutting planes (1960), whose master program has one row per
    budget; each cut is a pass over all options, O(N·B). The prices of the best g are
    ``duals["budgets"]``. Point: the cheapest options at those prices, mended until the
    budgets hold, improved by changing one layer or two.

    Proof: an option of reduced cost beyond goal - g is in no point below the goal. On
    the options left, branch and bound: prices and reduced costs anew in every node, its
    points listed where they are few, else the layer split in which the best mixture of
    options is widest. The goal starts close to the bound (1/64, 1/16, 1/4 of the gap):
    a narrow corridor is searched at once, and the first that holds a point holds the
    best one. Exponential in the worst case.

    Proven: the bound. Every sum in it carries its rounding outward; points whose costs
    are within rounding of a budget and cannot be told from points beyond it bound the
    optimum by their loss. With whole losses bounds are rounded up to whole numbers.
    The search stops when no point can be better by the gap of ``limits``.

    Raises
    ------
    Infeasible
        No point keeps all budgets together. Either prices prove it,
        Σ_l min_j λᵀcost_lj > λᵀlimits, and the message names the budgets of a smallest
        set that has such prices; or the search has been through all points.
    """
    return run(_steps(problem, limits), limits)


def _steps(problem: RateAllocation, limits: Limits) -> Iterator[Step]:
    program = prepared(problem)
    dual = None
    for dual in climbed(program.table, program.ceiling):
        yield Step()
    assert dual is not None
    if dual.bound > program.ceiling:
        raise no_mixture(program)
    bound, duals = program.bound(dual.bound), program.duals(dual.prices)
    yield Step(bound=bound, duals=duals)
    loss = np.inf
    for chosen in first_points(program, dual):
        step = _step(program, chosen)
        loss = min(loss, step.objective * program.unit)
        yield step
    yield from _corridors(program, dual, loss, limits.gap)


def _step(program: Program, chosen: np.ndarray) -> Step:
    x = program.point(chosen)
    if program.problem.violation(x) > 0:
        return Step()
    return Step(x, program.problem.objective(x))


def _corridors(program: Program, dual: Dual, loss: float, gap: float) -> Iterator[Step]:
    """Search from narrow corridors to the whole gap."""
    tolerance = _tolerance(program, gap)
    bound = dual.bound
    for width in (*_WIDTHS, 1.0):
        known = loss < np.inf
        top = loss - max(tolerance[0] * abs(loss), tolerance[1]) if known else np.inf
        top = min(top, program.ceiling)
        if known and top <= bound:
            return
        goal = top if width == 1.0 else min(top, bound + width * (top - bound))
        for count, find in enumerate(searched(program, dual, loss, goal, tolerance)):
            if find.chosen is not None:
                step = _step(program, find.chosen)
                loss = min(loss, step.objective * program.unit)
                yield step
            bound = max(bound, find.bound)
            yield Step(bound=program.bound(bound))
            if width < 1.0 and count >= _PATIENCE:
                break
    if loss == np.inf and bound >= program.ceiling:
        raise no_point(program)


def _tolerance(program: Program, gap: float) -> np.ndarray:
    """Give by how much a better point must be better: relative, and absolute.

    A little less than asked, so that the gap is within it after rounding.
    """
    absolute = max(program.problem.resolution * program.unit, program.grain)
    return np.array([0.999 * gap, 0.999 * absolute])
