"""The budget priced: each price proves a bound, and has points near the budget."""

import math
from collections.abc import Generator, Iterator

import numpy as np

from ccsolve.iterate import Limits, Step, run
from ccsolve.problems import ChannelSelection
from ccsolve.problems.checks import real_number
from ccsolve.solution import Solution
from ccsolve.solvers.selection.convex_relaxation import relax
from ccsolve.solvers.selection.options import at_least
from ccsolve.solvers.selection.relaxing.convex_form import ConvexForm, plain_form
from ccsolve.solvers.selection.relaxing.lagrangian_ascent import STALE
from ccsolve.solvers.selection.relaxing.lagrangian_bracket import Bracket
from ccsolve.solvers.selection.relaxing.lagrangian_probes import (
    Answer,
    Effort,
    Prober,
    prober_for,
)
from ccsolve.solvers.selection.relaxing.lattice import lattice_of
from ccsolve.solvers.selection.relaxing.rounding import (
    first_step,
    nearest_point,
    random_rounding,
    rounded_points,
)
from ccsolve.solvers.selection.searching.dense_program import FORMED_LIMIT
from ccsolve.solvers.selection.searching.engine import Engine, engine_for

COARSE = 1e-3
"""Relative gap to which prices on the way are solved."""

COARSE_STALE = 5
"""Checks without progress after which such a price is left."""

PRICES = 24
"""Prices tried at most; ten are needed as a rule."""


def solve(
    problem: ChannelSelection,
    limits: Limits,
    *,
    seed: int = 0,
    tolerance: float = 1e-5,
    roundings: int = 8,
) -> Solution:
    """Put a price t ≥ 0 on what a point costs above the budget, and find the best t.

        L(t) = min over z with 1ᵀz = keep of zᵀQz + qᵀz + t(costᵀz - budget)

    is below the optimum for every t, and concave. Up to 500 channels it is bounded by
    the semidefinite dual of `sdp`, warm from price to price, above by the box QP of
    `convex_relaxation`, whose bound the best price then attains. What the relaxed point
    spends above the budget is the slope of L: prices are bracketed by it until the
    tangents promise less than the tolerance.

    Proven: the bound, of the best price, ``duals["budget"]``. It is at least that of
    `convex_relaxation`, which comes first and names a price to begin with; without the
    products of the budget it cannot exceed that of `sdp`. Heuristic: the points. At
    each price the relaxed point is rounded at random, improved by swaps that pay the
    price and have no budget, mended to the budget and improved again: points close to
    the budget from either side.

    Cost: O(n³) a step of a dual, some twenty steps a price, about ten prices; above 500
    channels an eigenvalue once, then O(n²) an iteration.

    Parameters
    ----------
    tolerance : relative gain of the bound below which no other price is tried, and
        relative gap to which the best price is solved.
    roundings : points rounded at the best price.
    """
    real_number("tolerance", tolerance, 0.0)
    at_least("roundings", roundings, 0)
    return run(_steps(problem, limits, seed, tolerance, roundings), limits)


def _steps(
    problem: ChannelSelection,
    limits: Limits,
    seed: int,
    tolerance: float,
    roundings: int,
) -> Iterator[Step]:
    form = plain_form(problem)
    yield first_step(problem, form)
    engine = engine_for(problem, seed)
    price = yield from _relaxed(engine, form, limits)
    if limits.remaining() == 0:
        return
    prober = prober_for(problem, form, lattice_of(problem), limits)
    price /= prober.unit
    start = price if math.isfinite(price) else 0.0
    last = yield from _searched(engine, prober, limits, tolerance, start)
    yield from rounded_points(engine, last.x, roundings)


def _relaxed(
    engine: Engine, form: ConvexForm, limits: Limits
) -> Generator[Step, None, float]:
    """Give the steps of the convex relaxation, which costs little, and its price."""
    price = 0.0
    for step in relax(engine, form, limits, roundings=1):
        yield step
        if step.duals is not None:
            price = float(step.duals["budget"][0])
    return price


def _searched(
    engine: Engine, prober: Prober, limits: Limits, tolerance: float, price: float
) -> Generator[Step, None, Answer]:
    """Bracket the best price, and solve that one more accurately."""
    found, best, bracket = None, None, Bracket()
    coarse = Effort(max(COARSE, tolerance), COARSE_STALE)
    for _ in range(PRICES):
        found = yield from prober.answer(price, coarse, found)
        yield from _points(engine, found, prober.unit)
        best = _better(best, found)
        bracket = bracket.narrowed(found.probe)
        following = bracket.next_price(found.guess)
        gain = tolerance * abs(best.probe.value)
        if following is None or bracket.promise() <= gain or limits.remaining() == 0:
            break
        price = following
    assert best is not None
    if limits.remaining() == 0:
        return best
    return (yield from prober.answer(best.probe.price, Effort(tolerance, STALE), best))


def _better(best: Answer | None, found: Answer) -> Answer:
    if best is None or found.probe.value > best.probe.value:
        return found
    return best


def _points(engine: Engine, found: Answer, unit: float) -> Iterator[Step]:
    """Round at a price, with the budget and without it until the end."""
    problem = engine.problem
    yield from engine.descend(nearest_point(problem, found.x))
    if problem.n > FORMED_LIMIT:
        return
    z = yield from _unbudgeted(engine, found, unit)
    yield from engine.descend(nearest_point(problem, 0.5 * (z + found.x)))


def _unbudgeted(
    engine: Engine, found: Answer, unit: float
) -> Generator[Step, None, np.ndarray]:
    """Give a local optimum of the priced objective without the budget."""
    problem = engine.problem
    assert problem.cost is not None
    price = found.probe.price * unit
    free = ChannelSelection(
        problem.Q,
        problem.q + price * problem.cost,
        problem.keep,
        factor=problem.factor,
        diagonal=problem.diagonal,
    )
    start = random_rounding(free, found.x, engine.rng)
    search = engine_for(free, 0).descend(start)
    while True:
        try:
            next(search)
        except StopIteration as end:
            return end.value[0]
        yield Step()
