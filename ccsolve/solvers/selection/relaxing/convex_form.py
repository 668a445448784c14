"""The program as a convex quadratic that agrees at feasible points; its bounds.

For z ∈ {0, 1}ⁿ, z_i² = z_i: a multiple of zᵀz may be traded for one of 1ᵀz, and a
diagonal for a linear term. What is left is made convex where it need be, and then every
tangent is a lower bound.
"""

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ccsolve.linalg.linear_minimum import linear_minimum
from ccsolve.linalg.rounding import EPS, TINY, gamma
from ccsolve.linalg.spectrum import (
    disc_floor,
    eigenvalue_floor,
    frobenius_norm,
    onto_hyperplane,
)
from ccsolve.problems import ChannelSelection


@dataclass(frozen=True, eq=False)
class ConvexForm:
    """f(z) = zᵀ(M - shift·I)z + linearᵀz + constant over the plane 1ᵀz = keep.

    M is ``matrix`` (n, n) or ``factor``ᵀ·``factor``, (m, n). At feasible binary points
    f is the objective of the problem up to ``error``, whatever the shift; it is convex
    on the plane (everywhere, without ``keep``) for shift ≤ the least eigenvalue there.

    ``norm`` is at least the Frobenius norm of the matrix, or of the factor.
    """

    matrix: np.ndarray | None
    factor: np.ndarray | None
    linear: np.ndarray
    constant: float
    keep: int | None
    cost: np.ndarray | None
    limit: float
    norm: float
    shift: float = 0.0
    error: float = 0.0

    @property
    def n(self) -> int:
        """Number of channels."""
        return self.linear.size

    @property
    def most(self) -> int:
        """How many channels a feasible point can hold, at most."""
        return self.n if self.keep is None else self.keep


class Point(NamedTuple):
    """A point z with what was computed there: (M - shift·I)z, and factor·z."""

    z: np.ndarray
    product: np.ndarray
    image: np.ndarray | None


class Tangent(NamedTuple):
    """A proven lower bound of the program, and the budget's price in it."""

    bound: float
    price: float


def plain_form(problem: ChannelSelection) -> ConvexForm:
    """Give the form with shift 0, which need not be convex.

    A factored diagonal goes to the linear term, which leaves FᵀF, positive semidefinite
    as it stands. Where F has nearly as many rows as columns, FᵀF is formed: it is no
    larger than F, and a shift above 0 may be had.
    """
    if problem.Q is not None:
        return _form(problem, problem.Q, None, problem.q)
    assert problem.factor is not None and problem.diagonal is not None
    factor, linear = problem.factor, problem.q + problem.diagonal
    if problem.n - 1 > factor.shape[0]:
        return _form(problem, None, factor, linear)
    form = _form(problem, factor.T @ factor, None, linear)
    error = gamma(factor.shape[0]) * form.most * frobenius_norm(factor) ** 2
    return replace(form, error=error)


def _form(
    problem: ChannelSelection,
    matrix: np.ndarray | None,
    factor: np.ndarray | None,
    linear: np.ndarray,
) -> ConvexForm:
    given = matrix if factor is None else factor
    assert given is not None
    return ConvexForm(
        matrix=matrix,
        factor=factor,
        linear=linear,
        constant=problem.constant,
        keep=problem.keep,
        cost=problem.cost,
        limit=problem.budget_limit,
        norm=frobenius_norm(given),
    )


def with_shift(form: ConvexForm, shift: float) -> ConvexForm:
    """Give the same program with another shift: shift·zᵀz becomes shift·1ᵀz."""
    return replace(form, shift=shift, linear=form.linear + (shift - form.shift))


def hastily_convex(form: ConvexForm) -> ConvexForm:
    """Give a convex form by Gershgorin's discs: a poor one, for O(n²)."""
    return form if form.matrix is None else with_shift(form, disc_floor(form.matrix))


def best_convex(form: ConvexForm) -> ConvexForm:
    """Give the form of the largest shift that is proven convex, O(n³).

    The shift is the least eigenvalue of M on 1ᵀx = 0, or on the whole space without
    ``keep``. For a factor of fewer than n - 1 rows it is 0, and nothing is computed.
    """
    if form.matrix is None:
        return form
    matrix, error = on_plane(form)
    return with_shift(form, eigenvalue_floor(matrix) - error)


def on_plane(form: ConvexForm) -> tuple[np.ndarray, float]:
    """Give the matrix restricted to the plane, and a bound of the rounding in it."""
    assert form.matrix is not None
    return (form.matrix, 0.0) if form.keep is None else onto_hyperplane(form.matrix)


def evaluate(form: ConvexForm, z: np.ndarray) -> Point:
    """Compute what a tangent or a gradient step needs: O(n²), O(mn) factored."""
    if form.matrix is not None:
        return Point(z, form.matrix @ z - form.shift * z, None)
    assert form.factor is not None
    image = form.factor @ z
    return Point(z, form.factor.T @ image - form.shift * z, image)


def diagonal(form: ConvexForm) -> np.ndarray:
    """Give the diagonal of M - shift·I, (n,)."""
    if form.matrix is not None:
        return np.diagonal(form.matrix) - form.shift
    assert form.factor is not None
    return np.einsum("ij,ij->j", form.factor, form.factor) - form.shift


def value(form: ConvexForm, point: Point) -> float:
    """Give f(z)."""
    return float(point.z @ point.product + form.linear @ point.z) + form.constant


def tangent(form: ConvexForm, point: Point) -> Tangent:
    """Give the minimum of a tangent of f over the feasible points: a proven bound.

    With A = M - shift·I, convexity on the plane gives for any point y of it f(z) ≥
    constant - yᵀAy + (2Ay + linear)ᵀz, and the right side is minimised over the binary
    points (with the budget priced). For a factor, ‖Fz‖² ≥ 2wᵀFz - wᵀw holds for any w,
    so the rounding of w = Fy costs nothing. The value is lowered by what rounding may
    add; every term of it is written in `_slack`. O(n) beyond `evaluate`.
    """
    y, product, image = point
    gradient = 2.0 * product + form.linear
    linear = linear_minimum(gradient, form.keep, form.cost, form.limit)
    curved = float(y @ product) if image is None else float(image @ image)
    if image is not None:
        curved -= form.shift * float(y @ y)
    bound = form.constant - curved + linear.value
    slack = form.error + _slack(form, point, curved, linear.value) + _underflow(form)
    return Tangent(bound - slack, linear.price)


def _slack(form: ConvexForm, point: Point, curved: float, linear: float) -> float:
    """Bound the rounding in a tangent's minimum; see the comments for each term."""
    y, product, image = point
    reach = math.sqrt(form.most)
    length = frobenius_norm(y)
    span = 2.0 * reach + length
    terms = abs(form.constant) + abs(curved) + abs(linear)
    # The linear term, and the gradient made of it, are rounded entry by entry.
    gradient = frobenius_norm(form.linear) + 2.0 * frobenius_norm(product)
    slack = 8.0 * EPS * (terms + reach * gradient + span * abs(form.shift) * length)
    slack += 8.0 * EPS * reach * math.sqrt(form.n) * abs(form.shift)
    if image is not None:
        # 2Fᵀw: m terms an entry; wᵀw and yᵀy: m and n terms.
        w = frobenius_norm(image)
        products = 2.0 * gamma(image.size) * reach * form.norm * w
        squares = (
            gamma(image.size) * w * w + gamma(form.n) * abs(form.shift) * length**2
        )
        return slack + products + squares
    # My enters as (2z - y)ᵀMy, then yᵀAy is a sum of n terms.
    sums = float(np.abs(y) @ np.abs(product))
    slack += gamma(form.n) * (span * form.norm * length + sums)
    return slack + _off_plane(form, y, reach + length)


def _underflow(form: ConvexForm) -> float:
    """Bound what underflow adds: a denormal number for each operation on data."""
    if form.norm == 0 and not form.linear.any():
        return 0.0
    rows = form.n if form.factor is None else form.factor.shape[0]
    return 8.0 * form.n * (rows + 4) * TINY


def _off_plane(form: ConvexForm, y: np.ndarray, distance: float) -> float:
    """Bound what is lost where y leaves the plane, on which alone f is convex.

    With d = z - y = d₁ + d₂, d₁ along 1: dᵀAd ≥ 2d₁ᵀAd₂ + d₁ᵀAd₁ ≥ -3‖A‖‖d‖‖d₁‖.
    """
    if form.keep is None:
        return 0.0
    total = float(y.sum())
    missed = abs(total - form.keep) + gamma(form.n) * float(np.abs(y).sum())
    along = missed / math.sqrt(form.n)
    return 3.0 * (form.norm + abs(form.shift)) * distance * along
