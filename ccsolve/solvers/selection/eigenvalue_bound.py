"""Minimum over the sphere through all feasible points: one eigen-decomposition."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import scipy.linalg

from ccsolve.iterate import Limits, Step, run
from ccsolve.linalg.rounding import EPS
from ccsolve.linalg.spectrum import eigenvalue_floor, reflector
from ccsolve.linalg.sphere import (
    LinearPart,
    Spectrum,
    linear_part,
    minimiser,
    multiplier,
    slope,
)
from ccsolve.problems import ChannelSelection
from ccsolve.solution import Solution
from ccsolve.solvers.selection.relaxing.convex_form import (
    ConvexForm,
    Tangent,
    evaluate,
    on_plane,
    plain_form,
    tangent,
    with_shift,
)
from ccsolve.solvers.selection.relaxing.lattice import lattice_of
from ccsolve.solvers.selection.relaxing.rounding import (
    first_step,
    nearest_point,
    prices,
)
from ccsolve.solvers.selection.searching.engine import engine_for

DECOMPOSITION_SECONDS = 1.6e-10
"""Seconds per n³ that the decomposition and its certificate take, on one core."""


def solve(problem: ChannelSelection, limits: Limits) -> Solution:
    """Minimise over the sphere through all feasible points; a bound in one step.

    The feasible points lie on the plane 1ᵀz = keep at the same distance from its centre
    (keep/n)·1, ‖z - centre‖² = keep - keep²/n; without ``keep``, at ½√n from ½·1. The
    minimum of the quadratic there is a trust-region problem, solved to the end by its
    secular equation (Moré and Sorensen 1983). A budget enters with a price, the best of
    which is found by bisection on the same decomposition.

    The bound is proven as `convex_relaxation`'s is: the multiplier of the sphere is a
    shift below the least eigenvalue, and the bound is the tangent of the shifted form
    at the minimiser. It never exceeds the convex relaxation's (up to rounding): that
    uses the largest shift, and the box lies within the ball. The minimiser is rounded
    and improved by swaps; that point is heuristic.

    Cost: an eigen-decomposition, O(n³) (1.4 s at n = 2,048), or O(m²n) for a factor of
    m < n - 1 rows, whose n × n product is never formed. Where the time left does not
    allow it, the bound is a tangent of a form made convex by Gershgorin's discs.
    """
    return run(_steps(problem, limits), limits)


def _steps(problem: ChannelSelection, limits: Limits) -> Iterator[Step]:
    form, lattice = plain_form(problem), lattice_of(problem)
    yield first_step(problem, form)
    seconds = 0.0 if form.matrix is None else DECOMPOSITION_SECONDS * form.n**3
    if seconds > limits.remaining():
        return
    z, best = sphere_bound(form)
    yield Step(bound=lattice.raised(best.bound), duals=prices(problem, best.price))
    yield from engine_for(problem, seed=0).descend(nearest_point(problem, z))


def sphere_bound(form: ConvexForm) -> tuple[np.ndarray, Tangent]:
    """Give the minimiser over the sphere, (n,), and the proven bound; see `solve`."""
    sphere = _sphere(form)
    price = 0.0 if form.cost is None else _best_price(sphere, form.limit)
    g = sphere.gradient_at(price)
    mu = multiplier(sphere.spectrum, g, sphere.radius)
    shift = min(mu, sphere.floor)
    z = sphere.centre + minimiser(sphere.spectrum, g, min(mu, shift))
    shifted = with_shift(form, shift)
    return z, tangent(shifted, evaluate(shifted, z))


class _Sphere(NamedTuple):
    """The sphere, the quadratic's spectrum on its space, and its linear parts there."""

    centre: np.ndarray
    radius: float
    spectrum: Spectrum
    floor: float
    gradient: LinearPart
    cost: LinearPart | None
    cost_at_centre: float

    def gradient_at(self, price: float) -> LinearPart:
        if self.cost is None or price == 0:
            return self.gradient
        return self.gradient.plus(self.cost, price)


def _sphere(form: ConvexForm) -> _Sphere:
    n = form.n
    share = 0.5 if form.keep is None else form.keep / n
    centre = np.full(n, share)
    spectrum, floor = _spectrum(form)
    gradient = 2.0 * evaluate(form, centre).product + form.linear
    return _Sphere(
        centre,
        math.sqrt(n * share * (1.0 - share)),
        spectrum,
        floor,
        linear_part(spectrum, gradient),
        None if form.cost is None else linear_part(spectrum, form.cost),
        0.0 if form.cost is None else float(form.cost @ centre),
    )


def _spectrum(form: ConvexForm) -> tuple[Spectrum, float]:
    """Give the spectrum on the plane, and a proven floor of its least eigenvalue."""
    normal = None if form.keep is None else np.full(form.n, 1.0 / math.sqrt(form.n))
    if form.matrix is None:
        return _factor_spectrum(form, normal), 0.0
    matrix, error = on_plane(form)
    values, vectors = scipy.linalg.eigh(matrix, check_finite=False)
    floor = eigenvalue_floor(matrix, float(values[0])) - error
    if normal is not None:
        vectors = _lifted(vectors, form.n)
    return Spectrum(values, vectors, normal, is_partial=False), floor


def _lifted(vectors: np.ndarray, n: int) -> np.ndarray:
    """Give the vectors of the compressed space, (n-1, r), as vectors of the plane."""
    v, beta = reflector(n)
    lifted = np.vstack([np.zeros((1, vectors.shape[1])), vectors])
    lifted -= np.outer(v, beta * (v[1:] @ vectors))
    return lifted


def _factor_spectrum(form: ConvexForm, normal: np.ndarray | None) -> Spectrum:
    """Give the spectrum of FᵀF on the plane from the (m, m) Gram matrix; O(m²n)."""
    assert form.factor is not None
    F = form.factor
    if normal is not None:
        F = F - F.mean(axis=1, keepdims=True)
    values, left = scipy.linalg.eigh(F @ F.T, check_finite=False)
    used = values > values.size * EPS * values.max(initial=0.0) * 1e3
    vectors = F.T @ (left[:, used] / np.sqrt(values[used]))
    return Spectrum(values[used], vectors, normal, is_partial=True)


def _best_price(sphere: _Sphere, limit: float) -> float:
    """Give the price at which the minimiser over the sphere costs the limit.

    The dual is concave in the price and its derivative is the excess at the minimiser,
    so that bisection applies; any price gives a bound.
    """
    assert sphere.cost is not None
    if _excess(sphere, limit, 0.0) <= 0 or sphere.cost.norm == 0:
        return 0.0
    scale = max(sphere.gradient.norm, abs(sphere.spectrum.least) * sphere.radius)
    low, high = 0.0, max(scale, 1e-300) / sphere.cost.norm
    for _ in range(100):
        if _excess(sphere, limit, high) <= 0:
            break
        low, high = high, 2.0 * high
    for _ in range(40):
        middle = 0.5 * (low + high)
        if _excess(sphere, limit, middle) > 0:
            low = middle
        else:
            high = middle
    return high


def _excess(sphere: _Sphere, limit: float, price: float) -> float:
    assert sphere.cost is not None
    g = sphere.gradient_at(price)
    mu = multiplier(sphere.spectrum, g, sphere.radius)
    spent = sphere.cost_at_centre + slope(sphere.spectrum, g, sphere.cost, mu)
    return spent - limit
