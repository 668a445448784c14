"""Programs whose budget is priced: costᵀz ≤ limit becomes price·(costᵀz - limit)."""

import math
from dataclasses import replace

import numpy as np

from ccsolve.linalg.rounding import EPS, TINY, gamma
from ccsolve.linalg.spectrum import frobenius_norm
from ccsolve.problems import ChannelSelection
from ccsolve.solvers.selection.relaxing.convex_form import ConvexForm
from ccsolve.solvers.selection.relaxing.lifted import LiftedProgram


def priced(program: LiftedProgram, price: float) -> LiftedProgram:
    """Give a lifted program without budget that lies below where the budget holds.

    ``price`` ≥ 0 in units of the lifted program. Costs go to the diagonal of C, the
    limit to the constant, both lowered by what rounding may add. O(n²).
    """
    if price == 0 or not program.has_budget:
        return replace(program, cost=np.zeros_like(program.cost), limit=math.inf)
    C, added = program.C.copy(), price * program.cost
    own = np.diag_indices(added.size)
    size = float(np.abs(C[own]).sum() + added.sum())
    C[own] += added
    return replace(
        program,
        C=C,
        cost=np.zeros_like(program.cost),
        limit=math.inf,
        constant=program.in_units(-price * program.limit * (1.0 + 4.0 * EPS)),
        error=program.error + 4.0 * EPS * size + added.size * TINY,
    )


def priced_form(form: ConvexForm, price: float) -> ConvexForm:
    """Give a convex form without budget that lies below where the budget holds; O(n).

    ``price`` ≥ 0 in the problem's units.
    """
    if price == 0 or form.cost is None:
        return replace(form, cost=None, limit=math.inf)
    # A point is tested by a rounded sum of its costs.
    limit = form.limit * (1.0 + 4.0 * gamma(form.n + 4))
    linear = frobenius_norm(form.linear) + price * frobenius_norm(form.cost)
    size = math.sqrt(form.most) * linear + abs(form.constant) + price * limit
    return replace(
        form,
        linear=form.linear + price * form.cost,
        constant=form.constant - price * limit,
        cost=None,
        limit=math.inf,
        error=form.error + 4.0 * EPS * size + 4 * form.n * TINY,
    )


def scaled_cost(problem: ChannelSelection) -> np.ndarray:
    """Give the costs as a lifted program has them: by a power of 2, below 1."""
    assert problem.cost is not None
    return np.ldexp(problem.cost, -_cost_exponent(problem))


def price_unit(problem: ChannelSelection, program: LiftedProgram) -> float:
    """Give what a price in the lifted program's units is times in the problem's."""
    exponent = program.exponent - _cost_exponent(problem)
    # What lies beyond is no figure that a price could be read in.
    return math.ldexp(1.0, max(-1000, min(exponent, 1000)))


def _cost_exponent(problem: ChannelSelection) -> int:
    assert problem.cost is not None
    return math.frexp(float(problem.cost.max(initial=0.0)))[1]
