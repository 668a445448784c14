"""Bounds of a quadratic at every cardinality, from one spectrum."""

from dataclasses import dataclass, replace

import numpy as np
import scipy.linalg

from ccsolve.kernels.network_curves import box_minima
from ccsolve.linalg.spectrum import eigenvalue_floor, reflector
from ccsolve.problems import ChannelSelection
from ccsolve.solvers.selection.relaxing.convex_form import (
    ConvexForm,
    Point,
    on_plane,
    plain_form,
    tangent,
    with_shift,
)

_HALVINGS, _ROUNDS = 60, 150
"""Rounds of the multipliers' bisection, and of the gradients over the box."""

_PRODUCTS, _FEWEST = 1_000_000_000, 10
"""Multiplications that the gradients may take, a second; too few rounds are none."""


@dataclass(frozen=True, eq=False)
class Spheres:
    """A matrix with its spectrum on the plane 1ᵀx = 0, which all cardinalities share.

    Attributes
    ----------
    values, vectors : (n - 1,), (n, n - 1) on the plane.
    floor : a proven lower bound of the least eigenvalue there.
    """

    form: ConvexForm
    values: np.ndarray
    vectors: np.ndarray
    floor: float

    def bounds(
        self, linear: np.ndarray, keeps: np.ndarray, *, boxes: bool = True
    ) -> np.ndarray:
        """Bound min zᵀMz + linearᵀz over 1ᵀz = keep, for every keep in 1..n-1.

        For each the minimum over the sphere through the points, as `eigenvalue_bound`
        has it, all multipliers bisected at once; with ``boxes`` then the convex
        relaxation over the box, where n and the keeps are few enough for a second. The
        bound is the better tangent at the two, of the form shifted by what is proven
        convex and lowered by its rounding. O(n²) a keep and round.
        """
        M, n = self.form.matrix, self.form.n
        assert M is not None
        if not len(keeps):
            return np.zeros(0)
        share = keeps / n
        along = (self.vectors.T @ linear)[:, None] + np.outer(
            2.0 * (self.vectors.T @ M.sum(axis=1)), share
        )
        shifts = np.minimum(_multipliers(self.values, along, keeps), self.floor)
        Z = share - 0.5 * (self.vectors @ _over(along, self.values[:, None] - shifts))
        on_spheres = self._tangents(linear, keeps, Z, shifts)
        rounds = min(_ROUNDS, _PRODUCTS // (len(keeps) * n * n)) if boxes else 0
        if rounds < _FEWEST:
            return on_spheres
        Z = self._in_boxes(linear, keeps, np.clip(Z, 0.0, 1.0), rounds)
        in_boxes = self._tangents(linear, keeps, Z, np.full(len(keeps), self.floor))
        return np.maximum(on_spheres, in_boxes)

    def _tangents(
        self, linear: np.ndarray, keeps: np.ndarray, Z: np.ndarray, shifts: np.ndarray
    ) -> np.ndarray:
        """Bound by the tangents at the columns of Z, each of the form so shifted."""
        products = self.form.matrix @ Z - shifts * Z
        found = np.empty(len(keeps))
        for at, keep in enumerate(keeps.tolist()):
            form = replace(self.form, linear=linear, keep=keep)
            point = Point(Z[:, at].copy(), products[:, at].copy(), None)
            found[at] = tangent(with_shift(form, float(shifts[at])), point).bound
        return found

    def _in_boxes(
        self, linear: np.ndarray, keeps: np.ndarray, Z: np.ndarray, rounds: int
    ) -> np.ndarray:
        """Minimise the form of the largest shift over 0 ≤ z ≤ 1, 1ᵀz = keep."""
        M = self.form.matrix
        assert M is not None
        convex = M - self.floor * np.eye(self.form.n)
        rise = max(float(self.values.max()) - self.floor, 1e-300)
        rows = np.ascontiguousarray(Z.T)
        counts = keeps.astype(np.float64)
        box_minima(convex, linear + self.floor, 0.5 / rise, counts, rows, rounds)
        return np.ascontiguousarray(rows.T)


def spheres_of(matrix: np.ndarray) -> Spheres:
    """Decompose a symmetric matrix of n ≥ 2 rows on the plane; O(n³)."""
    form = plain_form(ChannelSelection(matrix, keep=1))
    on, error = on_plane(form)
    values, vectors = scipy.linalg.eigh(on, check_finite=False)
    floor = eigenvalue_floor(on, float(values[0])) - error
    v, beta = reflector(form.n)
    lifted = np.vstack([np.zeros((1, vectors.shape[1])), vectors])
    lifted -= np.outer(v, beta * (v[1:] @ vectors))
    return Spheres(form, values, lifted, floor)


def _multipliers(
    values: np.ndarray, along: np.ndarray, keeps: np.ndarray
) -> np.ndarray:
    """Give the multiplier of each sphere by bisection of its distance to λ_min.

    Any multiplier gives a bound; the secular equation ‖½(M - μI)⁻¹g‖ = radius, the
    best (Moré and Sorensen 1983).
    """
    n = len(values) + 1
    radius = np.sqrt(keeps * (1.0 - keeps / n))
    least = float(values.min())
    spread = float(np.abs(values).max())
    high = np.sqrt(np.square(along).sum(axis=0)) / (2.0 * radius)
    low = 1e-14 * np.maximum(np.maximum(high, spread), 1e-280)
    high = np.maximum(high, low)
    for _ in range(_HALVINGS):
        middle = np.sqrt(low * high)
        parts = _over(along, values[:, None] - (least - middle))
        far = 0.5 * np.sqrt(np.square(parts).sum(axis=0)) > radius
        low, high = np.where(far, middle, low), np.where(far, high, middle)
    return least - high


def _over(parts: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Divide, 0 where ``by`` is: a dead group has neither slope nor curvature."""
    return np.divide(parts, by, out=np.zeros_like(parts), where=by != 0)
