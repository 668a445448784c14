"""Several budgets: cutting planes for their prices, then branch and bound on a core."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

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
from ccsolve.solvers.allocation.cutting.selected import reduced_costs
from ccsolve.solvers.allocation.cutting.starts import first_points, improved

_WIDTHS = (1 / 64, 1 / 16, 1 / 4)
"""Widths of the first corridors, as shares of the gap."""

_PATIENCE = 30
"""Steps spent on a corridor that is not the whole gap, about a tenth of a second."""

_WIDE = 0.1
"""Share of the options, beside one per layer, that make a corridor wide."""


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


@dataclass
class _Known:
    """The best point and bound so far, in the table's unit."""

    program: Program
    loss: float = math.inf
    chosen: np.ndarray | None = None
    bound: float = -math.inf

    def point(self, chosen: np.ndarray) -> Step:
        """Take a point if it keeps the budgets and is better; give it as a step."""
        x, problem = self.program.point(chosen), self.program.problem
        if (problem.spent(x) > problem.limits).any():
            return Step()
        value = problem.objective(x)
        if value * self.program.unit < self.loss:
            self.loss, self.chosen = value * self.program.unit, chosen
        return Step(x, value)

    def raised(self, bound: float) -> Step:
        """Take a bound if it is better; give the best as a step."""
        self.bound = max(self.bound, bound)
        return Step(bound=self.program.bound(self.bound))

    def top(self, tolerance: np.ndarray) -> float:
        """Give the loss below which points are worth looking for."""
        if self.chosen is None:
            return self.program.ceiling
        return self.loss - max(tolerance[0] * abs(self.loss), tolerance[1])


def _steps(problem: RateAllocation, limits: Limits) -> Iterator[Step]:
    program = prepared(problem)
    known = _Known(program)
    dual = yield from climbed(program.table, program.ceiling)
    if dual.bound > program.highest:
        raise no_mixture(program)
    yield known.raised(dual.bound)._replace(duals=program.duals(dual.prices))
    for chosen in first_points(program, dual):
        yield Step() if chosen is None else known.point(chosen)
    yield from _corridors(known, dual, _tolerance(program, limits.gap))


def _corridors(known: _Known, dual: Dual, tolerance: np.ndarray) -> Iterator[Step]:
    """Search from narrow corridors to the whole gap."""
    program, polished = known.program, False
    for width in (*_WIDTHS, 1.0):
        goal = _goal(known, tolerance, width)
        if not polished and known.chosen is not None and _is_wide(program, dual, goal):
            polished = True
            for chosen in improved(program, dual, known.chosen):
                yield known.point(chosen)
            goal = _goal(known, tolerance, width)
        if known.top(tolerance) <= known.bound:
            return
        for count, find in enumerate(
            searched(program, dual, known.loss, goal, tolerance)
        ):
            if find.chosen is not None:
                yield known.point(find.chosen)
            yield known.raised(find.bound)
            if width < 1.0 and count >= _PATIENCE:
                break
    if known.chosen is None and known.bound >= program.ceiling:
        raise no_point(program)


def _goal(known: _Known, tolerance: np.ndarray, width: float) -> float:
    """Give the top of a corridor that is so wide, as a share of the gap."""
    top = known.top(tolerance)
    return top if width == 1.0 else known.bound + width * (top - known.bound)


def _is_wide(program: Program, dual: Dual, goal: float) -> bool:
    """Say whether a corridor holds so many options that its search will be long.

    Then a better point is worth more than the corridor; strongly correlated options.
    """
    near = (reduced_costs(program.table, dual) <= goal - dual.bound).sum()
    return bool(near - program.layers > _WIDE * len(program.options))


def _tolerance(program: Program, gap: float) -> np.ndarray:
    """Give by how much a better point must be better: relative, and absolute.

    A little less than asked, so that the gap is within it after rounding.
    """
    absolute = max(program.problem.resolution * program.unit, program.grain)
    return np.array([0.999 * min(gap, 1e9), 0.999 * absolute])
