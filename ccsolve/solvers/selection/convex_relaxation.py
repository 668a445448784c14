"""The eigenvalue shift on 1ᵀx = 0, then the box QP; rounded and improved by swaps."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ccsolve.iterate import Limits, Step, run
from ccsolve.problems import ChannelSelection
from ccsolve.problems.checks import real_number
from ccsolve.solution import Solution
from ccsolve.solvers.selection.options import at_least
from ccsolve.solvers.selection.relaxing.box_qp import Iterate, minimise
from ccsolve.solvers.selection.relaxing.convex_form import (
    ConvexForm,
    best_convex,
    hastily_convex,
    plain_form,
)
from ccsolve.solvers.selection.relaxing.lattice import Lattice, lattice_of
from ccsolve.solvers.selection.relaxing.rounding import (
    first_step,
    nearest_point,
    prices,
    rounded_points,
)
from ccsolve.solvers.selection.searching.engine import Engine, engine_for

EIGENVALUE_SECONDS = 5e-11
"""Seconds per n³ that the eigenvalue and its certificate take, measured on a core."""

STALE = 20
"""Steps without progress after which rounding is what is left of the gap."""


def solve(
    problem: ChannelSelection,
    limits: Limits,
    *,
    seed: int = 0,
    tolerance: float = 1e-8,
    roundings: int = 4,
) -> Solution:
    """Relax the program to a convex quadratic over the polytope of its constraints.

    For binary z with 1ᵀz = keep, zᵀz = 1ᵀz: with λ the least eigenvalue of Q on the
    plane 1ᵀx = 0 (on the whole space without ``keep``),

        zᵀQz + qᵀz = zᵀ(Q - λI)z + (q + λ1)ᵀz

    and the right side is convex where it matters (Hammer and Rubin 1970; Billionnet and
    Elloumi, Math. Programming 109, 2007). It is minimised over {0 ≤ z ≤ 1, 1ᵀz = keep,
    costᵀz ≤ budget} by accelerated projected gradient. The diagonal of a factored
    problem is linear on binary points, and FᵀF is convex as it stands.

    Proven: the bound is the minimum, over the feasible points, of a tangent of the
    convex form, which any iterate gives; λ is a certified lower bound of the
    eigenvalue, and the rounding in the tangent is subtracted. Whole data raise it to
    the next value that the objective can take. ``duals["budget"]`` is the price in that
    tangent. Heuristic: the points, from rounding the iterates and swap descent.

    Cost: one eigenvalue and a Cholesky factorisation, O(n³) (0.6 s at n = 2,048), which
    are replaced by Gershgorin's discs where the time left does not allow them; then
    O(n²) an iteration, about a hundred of them. Factored: O(mn) an iteration, no more.

    Parameters
    ----------
    tolerance : relative gap between the relaxation's value and the bound at which the
        iterations end.
    roundings : points rounded from the last iterate: the nearest, then random ones.
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
    yield from relax(engine, form, limits, tolerance, roundings)


def relax(
    engine: Engine,
    form: ConvexForm,
    limits: Limits,
    tolerance: float = 1e-8,
    roundings: int = 4,
) -> Iterator[Step]:
    """Give the bounds of the relaxation as they rise, then ``roundings`` points.

    The bounds end where the time limit does; the points do not look at it.
    """
    problem = engine.problem
    convex = best_convex(form) if affordable(form, limits) else hastily_convex(form)
    lattice, z = lattice_of(problem), np.full(problem.n, 0.5)
    for count, iterate in enumerate(
        _converged(minimise(convex, z), lattice, tolerance)
    ):
        z = iterate.point.z
        # A point at once: a time limit may leave no time for the roundings at the end.
        point = nearest_point(problem, z) if count == 0 else None
        yield _step(problem, point, iterate, lattice)
        if limits.remaining() == 0:
            break
    yield from rounded_points(engine, z, roundings)


def affordable(form: ConvexForm, limits: Limits) -> bool:
    """Say whether the time left allows an eigenvalue, which nothing can interrupt."""
    if form.matrix is None:
        return True
    return EIGENVALUE_SECONDS * form.n**3 <= limits.remaining()


def _step(
    problem: ChannelSelection,
    point: np.ndarray | None,
    iterate: Iterate,
    lattice: Lattice,
) -> Step:
    return Step(
        point,
        math.inf if point is None else problem.objective(point),
        lattice.raised(iterate.best.bound),
        duals=prices(problem, iterate.best.price),
    )


class _Progress(NamedTuple):
    """The gap when it last fell by a tenth, and the steps since."""

    gap: float
    stale: int


def _converged(
    iterates: Iterator[Iterate], lattice: Lattice, tolerance: float
) -> Iterator[Iterate]:
    """Cut the iterates where the bound can rise no more, or not by enough."""
    progress = _Progress(np.inf, 0)
    for iterate in iterates:
        yield iterate
        closed = iterate.gap <= tolerance * abs(iterate.value)
        raised = lattice.raised(iterate.best.bound) >= lattice.raised(iterate.value)
        falls = iterate.gap < 0.9 * progress.gap
        progress = _Progress(
            iterate.gap if falls else progress.gap, 0 if falls else progress.stale + 1
        )
        if closed or raised or progress.stale >= STALE:
            return
