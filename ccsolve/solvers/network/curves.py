"""Curves of loss over width, one per group, coupled exactly by the budgets."""

import math
from collections.abc import Generator, Iterable, Iterator

import numpy as np

from ccsolve.iterate import Limits, Step, run
from ccsolve.problems import NetworkSelection
from ccsolve.problems.network_points import feasible_point
from ccsolve.solution import Solution
from ccsolve.solvers.network.bounding.compiling import compile_kernels
from ccsolve.solvers.network.bounding.hull import Hull
from ccsolve.solvers.network.bounding.raising import CLOSE, HASTY, Found, Raising
from ccsolve.solvers.network.bounding.separable import (
    Split,
    as_given,
    split,
    split_as_given,
)
from ccsolve.solvers.network.searching.engine import engine_of, whole
from ccsolve.solvers.network.searching.pool import Pool

SHARES, SHARED = (1.0, 0.5), 3_000
"""Shares of the blocks that are tried where groups are coupled, up to n: O(n³)."""

TANGENTS, STALE, NEGLIGIBLE = 150, 30, 1e-3
"""Tangents at most, those without progress after which to end, and what is none: a
part of what is left."""

ROUNDS = 20
"""Of the relaxation at most, whose least point the first tangent touches."""

FOOT = 0.01
"""The least step from the best place to what the mixtures promise, in parts."""


def solve(problem: NetworkSelection, limits: Limits, *, seed: int = 0) -> Solution:
    """Bound every group at every width, and couple the widths exactly.

    Where Q is separable, the least loss of a network with widths k is Σ_g f_g(k_g). For
    every group and width f_g is bounded from below, by the minimum over a sphere (all
    widths from one spectrum) or by scoring all points of up to 18 channels, and from
    above by descents. A `RateAllocation` whose pairs are the products and tables of
    widths then gives, from the lower curves, a bound of the whole program, and from the
    upper ones a point. Bounds at the widths of the first are raised by branch and bound
    (`ChannelSelection`): first of every group by the line that supports its curve
    there, which binds no width and is proven at once, then, where lines leave a gap,
    at the width itself. It is solved again until bounds meet points: then the network
    is optimal.

    Where Q couples groups, Q = share·(its blocks) + R; of a factor form R = FᵀF. With
    R + shift·I positive semidefinite and z_i² = z_i, R's part lies above its tangent at
    any y, and what is left is separable. y starts where the relaxation is least within
    the budgets (`relaxing`), which is near the best place at once, at the best point,
    and at the whole network; then it goes from the best y towards the best mixture of
    the minimisers so far, twice as far after a step that raised the bound, half as far
    after another, to the Lagrangian bound of the splitting. Shares 0, 1 and 0.5 are
    tried.

    Proven: the bound, by certified eigenvalues, outward rounding, and allocations that
    prove theirs. Of more than four budgets the program is held to those that its
    points break, at most four; the bound is that of this relaxation. Heuristic: the
    points. Cost: one spectrum per group, O(Σ n_g³), then O(n_g²) for every width; O(n³)
    once for each share where groups are coupled.
    """
    return run(_steps(problem, limits, seed), limits)


def _steps(problem: NetworkSelection, limits: Limits, seed: int) -> Iterator[Step]:
    z, pool = feasible_point(problem), Pool()
    yield from pool.watch([Step(z, problem.objective(z))])
    engine = engine_of(problem, seed)
    yield from pool.watch(engine.shrunk())
    yield from pool.watch(bounding(problem, limits, seed, pool))


def bounding(
    problem: NetworkSelection, limits: Limits, seed: int, pool: Pool
) -> Iterator[Step]:
    """Give points and bounds as they come, from the best point of a pool on."""
    compile_kernels()
    raising = Raising(problem, limits)
    if not problem.form.is_separable:
        yield from _tangents(raising, pool, seed)
        return
    yield from _empty(raising.begin(as_given(problem)))
    yield _point_step(problem, raising.nearest())
    yield from _raised(raising, pool, seed)


def _raised(raising: Raising, pool: Pool, seed: int) -> Iterator[Step]:
    """Finish and support the curves, then prove at the widths of the bound."""
    found = raising.lowest()
    yield _point_step(raising.problem, found, found.bound)
    if raising.hasty:
        yield from _empty(raising.finished(found))
        found = raising.lowest()
        yield _point_step(raising.problem, found, found.bound)
    while True:
        raising.offer(pool.x)
        yield _point_step(raising.problem, raising.nearest())
        tried = False
        for _ in raising.supported(found, 0.1, seed):
            tried = True
            yield Step()
        for _ in () if tried else raising.proven(found, 0.25, seed):
            tried = True
            yield Step()
        if not tried:
            return
        found = raising.lowest()
        yield _point_step(raising.problem, found, found.bound)


def _tangents(raising: Raising, pool: Pool, seed: int) -> Iterator[Step]:
    """Move the tangent of a first splitting, try shares there, prove by the best."""
    problem = raising.problem
    # Bundled widths are many: few steps would leave all prices at 0.
    raising.care = HASTY if raising.coupling.is_exact else CLOSE
    parted = _first_split(problem)
    yield from pool.guided(parted, ROUNDS)
    starts = [np.asarray(pool.guide), *_begun(problem, pool)]
    best, point = yield from moved(raising, parted, pool, starts)
    for share in SHARES if problem.n <= SHARED else ():
        trial = split(problem, share)
        yield from _empty(raising.begin(trial.tangent_at(point), keep_spectra=False))
        yield _point_step(problem, raising.nearest())
        found = raising.lowest()
        yield _point_step(problem, found, found.bound)
        if found.bound > best:
            start = [point, *_begun(problem, pool)[:1]]
            best, point = yield from moved(raising, trial, pool, start)
            parted = trial
    raising.care = CLOSE
    yield from _empty(raising.begin(parted.tangent_at(point), keep_spectra=False))
    yield _point_step(problem, raising.nearest())
    yield from _raised(raising, pool, seed)


def _first_split(problem: NetworkSelection) -> Split:
    """Leave to the groups what is given apart from a factor; of a dense Q nothing."""
    return split(problem, 0.0) if problem.Q is not None else split_as_given(problem)


def _begun(problem: NetworkSelection, pool: Pool) -> list[np.ndarray]:
    """Give where to take the first tangents: the best point, the whole network."""
    assert pool.x is not None
    return [pool.x.astype(np.float64), whole(problem).astype(np.float64)]


def moved(
    raising: Raising, parted: Split, pool: Pool, starts: list[np.ndarray]
) -> Generator[Step, None, tuple[float, np.ndarray]]:
    """Take tangents at the starts, then on the way to mixtures of the minimisers.

    Gives the best bound and its place. Ends where no mixture promises more.
    """
    assert pool.x is not None
    hull = Hull(parted)
    hull.add(pool.x)
    best, at, stale, promised, part = -math.inf, starts[0], 0, math.inf, 1.0
    raising.spheres = {}
    for turn in range(TANGENTS):
        left = promised - best
        if turn < len(starts):
            point = starts[turn]
        else:
            mixed, promised = hull.mixed()
            point = at + part * (mixed - at)
        yield from _empty(raising.begin(parted.tangent_at(point)))
        found = raising.lowest()
        yield _point_step(raising.problem, found, found.bound)
        if found.bound > best:
            best, at, part = found.bound, point, min(1.0, 2.0 * part)
        elif turn >= len(starts):
            part = max(0.5 * part, FOOT)
        least = NEGLIGIBLE * max(pool.objective - best, 0.0)
        stale = 0 if promised - best < left - least else stale + 1
        if stale >= STALE or promised - best <= least:
            break
        hull.add(found.point)
    return best, at


def _empty(work: Iterable[None]) -> Iterator[Step]:
    """Report nothing after every piece of work, so that limits are looked at."""
    for _ in work:
        yield Step()


def _point_step(
    problem: NetworkSelection, found: Found, bound: float = -math.inf
) -> Step:
    """Report the point where it keeps all budgets, with the bound and its prices."""
    duals = {"budgets": found.prices} if bound > -math.inf else None
    if problem.violation(found.point) > 0:
        return Step(bound=bound, duals=duals)
    return Step(found.point, problem.objective(found.point), bound, duals)
