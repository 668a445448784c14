"""Quadratic convex reformulation: convex, and as tight as the semidefinite bound."""

import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace

from ccsolve.iterate import Limits, Step, run
from ccsolve.problems import ChannelSelection
from ccsolve.problems.checks import real_number
from ccsolve.solution import Solution
from ccsolve.solvers.selection.convex_relaxation import relax
from ccsolve.solvers.selection.options import at_least
from ccsolve.solvers.selection.relaxing.convex_form import ConvexForm, plain_form
from ccsolve.solvers.selection.relaxing.duals import certified
from ccsolve.solvers.selection.relaxing.lagrangian_ascent import affordable, settled
from ccsolve.solvers.selection.relaxing.lagrangian_pricing import price_unit, priced
from ccsolve.solvers.selection.relaxing.lattice import Lattice, lattice_of
from ccsolve.solvers.selection.relaxing.lifted import LiftedProgram, lift
from ccsolve.solvers.selection.relaxing.plain_start import plain_start
from ccsolve.solvers.selection.relaxing.qcr_form import reformulation
from ccsolve.solvers.selection.relaxing.rounding import first_step, prices
from ccsolve.solvers.selection.relaxing.semidefinite import budget_price
from ccsolve.solvers.selection.searching.engine import Engine, engine_for

LARGEST = 8192
"""Channels up to which the reformulated matrix is made; it takes six of its size."""

SHARE = 0.7
"""Part of the time limit in which the multipliers are sought."""

START_SECONDS = 5e-10
"""Seconds per n³ that multipliers by low-rank descent and their proof take."""


def solve(
    problem: ChannelSelection,
    limits: Limits,
    *,
    seed: int = 0,
    tolerance: float = 1e-5,
    roundings: int = 8,
) -> Solution:
    """Reformulate the objective as a convex quadratic, and minimise that.

    For binary z with 1ᵀz = keep, z_i² = z_i and z_i(1ᵀz - keep) = 0: with multipliers
    φ and y of them,

        zᵀQz + qᵀz = zᵀ(Q + Diag q + ½(y1ᵀ + 1yᵀ) - keep·Diag y - φI)z + φ·1ᵀz.

    The dual of the semidefinite relaxation (`sdp`) gives the y and φ for which the
    matrix is positive semidefinite and the minimum over {0 ≤ z ≤ 1, 1ᵀz = keep, costᵀz
    ≤ budget} is largest: the relaxation's value (QCR: Billionnet, Elloumi and Plateau,
    Discrete Applied Mathematics 157, 2009). Without ``keep`` z_i² = z_i has a
    multiplier for each channel. A budget is priced while the multipliers are sought,
    and stays a constraint.

    ``extra["reformulation"]`` is the convex quadratic, a `ChannelSelection` of the same
    constraints, of which ``Q`` is positive semidefinite and the objective the same at
    every feasible point, up to rounding: what to give to a MIQP solver, by `to_cvxpy`
    or as ``.lp``. It has the channels that are not fixed, and is missing where the
    gap was closed before there were multipliers.

    Proven: the bound, the best of the semidefinite duals and of tangents of the
    quadratic, lowered by their rounding. Heuristic: the points, rounded from its
    minimiser and improved by swaps.

    Cost: up to 500 channels O(n³) a step of the dual, 0.4 ms at n = 80, a hundred steps
    or two. Above, multipliers come from a short low-rank descent, which falls a per
    cent or so short of the relaxation. Memory: six matrices of n². Programs of over
    8,192 channels, and those with no time for it, get `convex_relaxation`'s bound and
    no reformulation.

    Parameters
    ----------
    tolerance : relative gap between the relaxation's value and the bound to end at.
    roundings : points rounded at the end.
    """
    real_number("tolerance", tolerance, 0.0)
    at_least("roundings", roundings, 0)
    part = replace(limits, time_limit=SHARE * limits.time_limit)
    search = _Search(problem, limits, part, tolerance, lattice_of(problem))
    return run(_steps(search, seed, roundings), limits)


@dataclass(frozen=True, eq=False)
class _Search:
    """What a run stays with; ``part`` is the time for the multipliers."""

    problem: ChannelSelection
    limits: Limits
    part: Limits
    tolerance: float
    lattice: Lattice


def _steps(search: _Search, seed: int, roundings: int) -> Iterator[Step]:
    problem, limits = search.problem, search.limits
    form = plain_form(problem)
    first = first_step(problem, form)
    yield first
    engine = engine_for(problem, seed)
    if engine.program is not None:
        # A short limit may leave no time for the points at the end.
        yield from engine.descend(first.x)
    if problem.n <= LARGEST and START_SECONDS * problem.n**3 <= limits.remaining():
        yield from _reformulated(search, engine, roundings)
    else:
        yield from relax(engine, form, limits, roundings=roundings)


def _reformulated(search: _Search, engine: Engine, roundings: int) -> Iterator[Step]:
    problem = search.problem
    lifted, price = lift(problem), 0.0
    if lifted.has_budget and affordable(lifted, search.part):
        price = yield from _best_price(search, lifted)
    elif lifted.has_budget:
        price = yield from _plain_price(search, engine, lifted)
    program = priced(lifted, price)
    if affordable(program, search.part):
        form = yield from _raised(search, program, price)
    else:
        form = yield from _at_once(search, program, price)
    yield from relax(engine, form, search.limits, roundings=roundings)


def _best_price(search: _Search, lifted: LiftedProgram) -> Generator[Step, None, float]:
    """Raise the dual with the products of the budget; give the price in it."""
    limits = replace(search.part, time_limit=0.5 * search.part.time_limit)
    price = 0.0
    for ascent in settled(lifted, limits, search.tolerance):
        if ascent is None:
            yield Step()
            continue
        price = budget_price(search.problem, lifted, ascent)
        bound = search.lattice.raised(ascent.bound)
        yield Step(bound=bound, duals=prices(search.problem, price))
    return _in_lifted_units(search.problem, lifted, price)


def _plain_price(
    search: _Search, engine: Engine, lifted: LiftedProgram
) -> Generator[Step, None, float]:
    """Give the price in the convex relaxation, and its bounds."""
    price, form = 0.0, plain_form(search.problem)
    for step in relax(engine, form, search.part, roundings=0):
        yield step
        if step.duals is not None:
            price = float(step.duals["budget"][0])
    price = _in_lifted_units(search.problem, lifted, price)
    return price if math.isfinite(price) else 0.0


def _raised(
    search: _Search, program: LiftedProgram, price: float
) -> Generator[Step, None, ConvexForm]:
    """Raise the dual; every check has a reformulation, which a closed gap needs too."""
    form = None
    for ascent in settled(program, search.part, search.tolerance):
        if ascent is None:
            yield Step()
            continue
        reformed, form = reformulation(
            search.problem, program, ascent.dual, ascent.certificate, price
        )
        yield Step(
            bound=search.lattice.raised(ascent.bound),
            duals=prices(search.problem, _in_units(search.problem, program, price)),
            extra={"reformulation": reformed},
        )
    assert form is not None
    return form


def _at_once(
    search: _Search, program: LiftedProgram, price: float
) -> Generator[Step, None, ConvexForm]:
    dual, _ = plain_start(program)
    certificate = certified(program, dual)
    reformed, form = reformulation(search.problem, program, dual, certificate, price)
    bound = search.lattice.raised(certificate.bound)
    duals = prices(search.problem, _in_units(search.problem, program, price))
    yield Step(bound=bound, duals=duals, extra={"reformulation": reformed})
    return form


def _in_units(problem: ChannelSelection, program: LiftedProgram, price: float) -> float:
    """Give a price in the problem's units."""
    return 0.0 if price == 0 else price * price_unit(problem, program)


def _in_lifted_units(
    problem: ChannelSelection, program: LiftedProgram, price: float
) -> float:
    return 0.0 if price == 0 else price / price_unit(problem, program)
