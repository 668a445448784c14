"""One budget and no pairs: the multiple-choice knapsack, solved exactly."""

from collections.abc import Iterator

import numpy as np

from ccsolve.errors import InvalidProblem
from ccsolve.iterate import Limits, Step, run
from ccsolve.linalg.exact_sums import sum_down
from ccsolve.problems import RateAllocation
from ccsolve.problems.checks import whole_number
from ccsolve.solution import Solution
from ccsolve.solvers.allocation.corridor.hulls import (
    Prepared,
    in_problem_units,
    prepare,
    require_supported,
)
from ccsolve.solvers.allocation.corridor.relaxation import relax
from ccsolve.solvers.allocation.corridor.search import scored, searches

STATES = 2**18
"""Partial choices that the widest search keeps in a list; 300 bytes each."""


def solve(problem: RateAllocation, limits: Limits, *, states: int = STATES) -> Solution:
    """Solve an allocation with one budget and no pairs to optimality.

    1. The lower convex hull of every layer in the plane of cost and loss, by quickhull;
       their edges sorted by price give the linear relaxation's optimum, its price λ
       and a bound (Sinha and Zoltners, Oper. Res. 27, 1979).
    2. The choice that takes edges by falling price, wherever they fit.
    3. Options whose reduced cost at λ exceeds the gap can be in no better choice; what
       is left is searched by two lists of partial choices that meet in the middle,
       with the linear relaxation of the rest as each state's bound (after Pisinger,
       EJOR 83, 1995). First narrow searches that drop states, for good points, then
       wider ones until nothing is dropped.

    Proven: every bound. Losses and costs are searched as whole multiples of a unit, so
    that sums are exact and dominance is strict; the relaxation's bound is lowered by
    what rounding can add. The last search proves optimality unless a list outgrows
    ``states``; then the least bound of what was dropped stands. ``duals["budgets"]`` is
    λ, 0 where the best of all choices is affordable.

    Cost: O(N log h) for hulls of h vertices, then a few passes over N options; how long
    the search is depends on the relaxation's gap. In all 1, 4 and 50 ms for tables like
    those of networks with 50 x 100, 100 x 1,000 and 500 x 4,000 options, proven.

    Parameters
    ----------
    states : most states of a list in the widest search; 300 bytes each.

    Raises
    ------
    Unsupported
        For several budgets, or pairs.
    """
    whole_number("states", states, 64, 2**26)
    return run(steps(problem, states=states), limits)


def solve_prepared(
    problem: RateAllocation,
    prepared: Prepared,
    limits: Limits,
    *,
    states: int = STATES,
) -> Solution:
    """Solve as `solve` does, with hulls that `prepare` made before.

    ``prepared`` is of a problem with the same tables; the budget may differ.

    Raises
    ------
    InvalidProblem
        Where the problem has other tables.
    Unsupported
        For several budgets, or pairs.
    """
    whole_number("states", states, 64, 2**26)
    require_supported(problem)
    if not prepared.fits(problem):
        raise InvalidProblem(
            f"the tables were prepared from {prepared.problem!r}, and {problem!r} has "
            "others; prepare those of the problem itself"
        )
    return run(steps(problem, prepared, states=states), limits)


def steps(
    problem: RateAllocation, prepared: Prepared | None = None, *, states: int = STATES
) -> Iterator[Step]:
    """Give the best point if affordable, else the cheapest, the relaxation's, and more.

    One point after each search.
    """
    tables = prepare(problem) if prepared is None else prepared
    best = tables.vertices[tables.starts[1:] - 1]
    affordable = problem.violation(best - tables.offsets[:-1]) == 0
    first = best if affordable else tables.vertices[tables.starts[:-1]]
    lowest = sum_down(tables.losses[best].tolist())
    yield _step(problem, tables, first, lowest, np.zeros(1))
    if affordable:
        return
    relaxed = relax(tables, float(np.ldexp(problem.limits[0], tables.cost_exponent)))
    duals = in_problem_units(tables, np.array([relaxed.price]))
    yield _step(problem, tables, relaxed.greedy, relaxed.bound, duals)
    incumbent = scored(tables, relaxed.greedy)
    for found in searches(problem, relaxed, incumbent, states):
        if found is None:
            yield Step()
        else:
            options = found.incumbent.options
            yield _step(problem, tables, options, found.bound, duals)


def _step(
    problem: RateAllocation,
    tables: Prepared,
    options: np.ndarray,
    bound: float,
    prices: np.ndarray,
) -> Step:
    x = options - tables.offsets[:-1]
    bound = float(np.ldexp(bound, -tables.loss_exponent))
    return Step(x, problem.objective(x), bound, {"budgets": prices})
