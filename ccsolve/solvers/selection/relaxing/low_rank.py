"""Semidefinite bounds up to n in the thousands: low-rank descent, certified duals."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ccsolve.iterate import Limits, Step
from ccsolve.linalg.unit_rows import random_rows
from ccsolve.solvers.selection import convex_relaxation
from ccsolve.solvers.selection.relaxing.convex_form import plain_form
from ccsolve.solvers.selection.relaxing.lattice import lattice_of
from ccsolve.solvers.selection.relaxing.low_rank_ascent import Ascent, Proof, proofs
from ccsolve.solvers.selection.relaxing.low_rank_program import low_rank_program
from ccsolve.solvers.selection.relaxing.rounding import nearest_point, prices
from ccsolve.solvers.selection.searching.engine import Engine

LARGEST_FACTOR = 8192
"""Channels of a factored program up to which a matrix of n² is made for the proofs."""

CONVEX_FROM, CONVEX_SHARE = 500, 0.2
"""Channels from which on a proof takes so long that `convex_relaxation` comes first,
and its part of the time. Where channels differ much in scale, the first proofs here are
the poorer ones."""

SMALLEST = 1e-280
"""Data below it are left alone: their products underflow."""


def relax(
    engine: Engine,
    limits: Limits,
    *,
    nonnegative: bool = False,
    tolerance: float = 1e-5,
    roundings: int = 4,
) -> Iterator[Step]:
    """Give bounds of the semidefinite relaxation as they rise, then rounded points.

    The relaxation is that of `low_rank_program`: X ⪰ 0 with the products of the
    cardinality, the products of the budget, and with ``nonnegative`` X ≥ 0. Its
    Lagrangian is minimised over X = VVᵀ with about √(2n) columns by `descend`, the
    cuts' multipliers move as in the augmented Lagrangian, and now and then the
    multipliers are turned into a proven bound (`proven_bound`). Where the relaxation is
    a plain one (neither cuts nor budget), ``extra["relaxation"]`` is its value at a
    feasible X, so that its optimum is known from both sides.

    O(n²r) a step (twice that with cuts), O(mnr) factored; O(n³) a proof. Beside Q it
    takes two matrices of n², and half a one for cuts; a factored program of more than
    ``LARGEST_FACTOR`` channels has no room for them, and gets `convex_relaxation`.
    The bounds end where the time limit does; the points do not look at it.

    Parameters
    ----------
    tolerance : relative gap between value and bound at which the descent ends.
    roundings : points rounded from the last X, each improved by swaps.
    """
    problem = engine.problem
    if problem.is_factored and problem.n > LARGEST_FACTOR:
        form = plain_form(problem)
        yield from convex_relaxation.relax(engine, form, limits, roundings=roundings)
        return
    if problem.n < 2 or problem.data_scale < SMALLEST:
        return
    if problem.n >= CONVEX_FROM:
        yield from _convex_first(engine, limits)
    ascent = _ascent(engine, limits, tolerance)
    columns = _columns(problem.n, nonnegative)
    U = random_rows(problem.n, columns, ascent.program.total, ascent.rng)
    yield from _told(engine, proofs(ascent, U, nonnegative), limits, roundings)


def _convex_first(engine: Engine, limits: Limits) -> Iterator[Step]:
    """Give the bounds of `convex_relaxation` and a point, in a part of the time.

    Where its eigenvalue does not fit into that part, it gets all: a proof here would
    take longer.
    """
    form = plain_form(engine.problem)
    share = limits.seconds() + CONVEX_SHARE * limits.remaining()
    part = replace(limits, time_limit=share)
    if not convex_relaxation.affordable(form, part):
        part = limits
    yield from convex_relaxation.relax(engine, form, part, 1e-2, roundings=1)


def _told(
    engine: Engine, proven: Iterator[Proof | None], limits: Limits, roundings: int
) -> Iterator[Step]:
    """Give steps of the proofs, and points: at every doubling of them, and at the end.

    The point nearest to X comes with each proof; a time limit may leave no more.
    """
    last, count = None, 0
    for proof in proven:
        if proof is None:
            yield Step()
        else:
            last, count = proof, count + 1
            yield _step(engine, proof)
            if count & (count - 1) == 0:
                yield from engine.descend(nearest_point(engine.problem, proof.U[:, 0]))
        if limits.remaining() == 0:
            break
    if last is not None:
        for point in rounded(engine, last.U, roundings):
            yield from engine.descend(point)


def rounded(engine: Engine, U: np.ndarray, count: int) -> Iterator[np.ndarray]:
    """Give feasible points near X = VVᵀ: by its diagonal, then at random; O(nr) each.

    X - xxᵀ = WWᵀ with x the first column of V and W the others is a covariance: points
    are drawn from the Gaussian with mean x, and rounded.
    """
    x, spread = 0.5 * (1.0 + U[:, 0]), 0.5 * U[:, 1:]
    for trial in range(count):
        weights = engine.rng.standard_normal(spread.shape[1]) * min(trial, 1)
        yield nearest_point(engine.problem, x + spread @ weights)


def _ascent(engine: Engine, limits: Limits, tolerance: float) -> Ascent:
    problem = engine.problem
    formed = None if engine.program is None else engine.program.Q
    return Ascent(
        program=low_rank_program(problem, formed),
        limits=limits,
        lattice=lattice_of(problem),
        tolerance=tolerance,
        rng=engine.rng,
        interval=max(20, problem.n // _columns(problem.n, False)),
    )


def _columns(n: int, nonnegative: bool) -> int:
    """Give r: r(r + 1)/2 > the number of equalities, half as much again for cuts."""
    most = math.sqrt(2.0 * n) * (1.5 if nonnegative else 1.0)
    return max(3, min(math.ceil(most) + 2, n + 1))


def _step(engine: Engine, proof: Proof) -> Step:
    problem = engine.problem
    point = nearest_point(problem, proof.U[:, 0])
    return Step(
        point,
        problem.objective(point),
        proof.bound,
        duals=prices(problem, proof.price),
        extra={"relaxation": proof.value} if proof.is_primal else None,
    )
