"""Curves of loss over width, one per group, coupled exactly by the budgets."""

import math
from collections.abc import Generator, Iterable, Iterator

import numpy as np

from ccsolve.iterate import Limits, Step, run
from ccsolve.problems import NetworkSelection
from ccsolve.problems.network_points import feasible_point
from ccsolve.solution import Solution
from ccsolve.solvers.network.bounding.compiling import compile_kernels
from ccsolve.solvers.network.bounding.raising import CLOSE, HASTY, Found, Raising
from ccsolve.solvers.network.bounding.separable import Split, as_given, split
from ccsolve.solvers.network.searching.engine import engine_of
from ccsolve.solvers.network.searching.pool import Pool

SHARES = (1.0, 0.5, 0.0)
"""Shares of the blocks that are tried where groups are coupled."""

TANGENTS, STALE = 60, 8
"""Tangents at most, and those without progress after which to end."""


def solve(problem: NetworkSelection, limits: Limits, *, seed: int = 0) -> Solution:
    """Bound every group at every width, and couple the widths exactly.

    Where Q is separable, the least loss of a network with widths k is Σ_g f_g(k_g). For
    every group and width f_g is bounded from below, by the minimum over a sphere (all
    widths from one spectrum) or by scoring all points of up to 18 channels, and from
    above by descents. A `RateAllocation` whose pairs are the products and tables of
    widths then gives, from the lower curves, a bound of the whole program, and from the
    upper ones a point. Bounds at the widths of the first are raised by branch and bound
    (`ChannelSelection`), and it is solved again, until they meet their points: then
    the network is optimal.

    Where Q couples groups, Q = share·(its blocks) + R. With R + shift·I positive
    semidefinite and z_i² = z_i, R's part lies above its tangent at any y, and what is
    left is separable. y starts at the best point and moves towards the minimisers;
    shares are tried, the best goes on.

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
    """Support the curves, then prove at the widths of the bound until they close."""
    found = raising.lowest()
    yield _point_step(raising.problem, found, found.bound)
    for _ in raising.supported(found, seed):
        yield Step()
    while True:
        raising.offer(pool.x)
        yield _point_step(raising.problem, raising.nearest())
        found = raising.lowest()
        yield _point_step(raising.problem, found, found.bound)
        tried = False
        for _ in raising.proven(found, 0.25, seed):
            tried = True
            yield Step()
        if not tried:
            return


def _tangents(raising: Raising, pool: Pool, seed: int) -> Iterator[Step]:
    """Try the shares from the same point, go on with the best, then prove there."""
    problem = raising.problem
    assert pool.x is not None
    point, trials = pool.x.astype(np.float64), []
    raising.care = HASTY
    for share in SHARES:
        parted = split(problem, share)
        function = parted.tangent_at(point)
        yield from _empty(raising.begin(function, keep_spectra=False))
        yield _point_step(problem, raising.nearest())
        found = raising.lowest()
        yield _point_step(problem, found, found.bound)
        trials.append((found.bound, share, parted))
    parted = max(trials, key=lambda trial: trial[:2])[2]
    best = yield from _moved(raising, parted, pool)
    yield from _empty(raising.begin(parted.tangent_at(best)))
    raising.care = CLOSE
    yield from _raised(raising, pool, seed)


def _moved(
    raising: Raising, parted: Split, pool: Pool
) -> Generator[Step, None, np.ndarray]:
    """Move the tangent's point towards the minimisers; give the best of its places.

    The bound is concave in the point, and the minimiser less the point an ascent
    direction of it in the metric of the rest: steps as Frank and Wolfe's.
    """
    assert pool.x is not None
    point = pool.x.astype(np.float64)
    best, at, stale = -math.inf, point, 0
    raising.spheres = {}
    for turn in range(TANGENTS):
        yield from _empty(raising.begin(parted.tangent_at(point)))
        found = raising.lowest()
        yield _point_step(raising.problem, found, found.bound)
        gained = found.bound > best + 1e-4 * abs(best)
        if found.bound > best:
            best, at = found.bound, point
        stale = 0 if gained else stale + 1
        if stale >= STALE:
            break
        point = point + 2.0 / (turn + 3.0) * (found.point - point)
    return at


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
