"""The quadratic that multipliers make convex, equal to the objective where feasible."""

import math
from dataclasses import replace

import numpy as np

from ccsolve.linalg.rounding import EPS, gamma
from ccsolve.linalg.spectrum import frobenius_norm
from ccsolve.problems import ChannelSelection
from ccsolve.solvers.selection.branching.convex_program import (
    ConvexProgram,
    convex_program,
)
from ccsolve.solvers.selection.relaxing.convex_form import ConvexForm, plain_form
from ccsolve.solvers.selection.relaxing.duals import Certificate, Dual
from ccsolve.solvers.selection.relaxing.lagrangian_pricing import scaled_cost
from ccsolve.solvers.selection.relaxing.lifted import LiftedProgram


def reformulation(
    problem: ChannelSelection,
    program: LiftedProgram,
    dual: Dual,
    certificate: Certificate,
    price: float,
) -> tuple[ChannelSelection, ConvexForm]:
    """Give the reformulated program, and its form with the rounding in it.

    O(n²), and O(n³) without ``keep``.

    Parameters
    ----------
    program : of the problem, its budget priced, see `lagrangian_pricing.priced`.
    dual : with multipliers of the equalities alone, for only they vanish at every
        feasible point.
    price : of the budget in units of the lifted program; what it added to the
        objective is taken out again, for the budget stays a constraint.
    """
    convex = convex_program(program, dual, certificate, 0.0)
    added = _price_terms(problem, program, price)
    exponent = program.exponent
    reformed = ChannelSelection(
        np.ldexp(convex.H, exponent - 1),
        np.ldexp(convex.linear - added, exponent),
        problem.keep,
        problem.constant + math.ldexp(convex.constant, exponent),
        cost=problem.cost,
        budget=problem.budget,
    )
    error = math.ldexp(_error(program, dual, convex, added), exponent)
    form = plain_form(reformed)
    size = abs(problem.constant) + abs(form.constant)
    return reformed, replace(form, error=error + 4.0 * EPS * size)


def _price_terms(
    problem: ChannelSelection, program: LiftedProgram, price: float
) -> np.ndarray:
    """Give price·cost, in units of the lifted program and its costs."""
    if problem.cost is None or price == 0:
        return np.zeros(problem.n)
    return price * scaled_cost(problem)


def _error(
    program: LiftedProgram, dual: Dual, convex: ConvexProgram, added: np.ndarray
) -> float:
    """Bound how far the quadratic is from the objective at a feasible point.

    Beside what `convex_program` counts: the entries of the matrix are sums of parts
    that may cancel, C and the multipliers' matrix, and linear terms are added.
    """
    reach = math.sqrt(dual.y.size) + program.most + 2.0
    parts = frobenius_norm(program.C) + reach * frobenius_norm(dual.y)
    linear = frobenius_norm(convex.linear) + frobenius_norm(added)
    terms = program.most * parts + math.sqrt(program.most) * linear
    return convex.error + gamma(20) * terms
