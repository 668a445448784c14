"""The perspective relaxation at one point: value, gradient, and a proven bound.

With H = A + B, A positive semidefinite and B of one definite block per channel, for
binary z the program is

    min over W  ½tr(WᵀAW) + ½Σ_j tr(W_jᵀB_jW_j)/z_j - tr(CᵀW),    W_j = 0 where z_j = 0,

which is convex in z and W together for 0 ≤ z ≤ 1 (Frangioni and Gentile, Math.
Programming 106, 2006; Günlük and Linderoth, ibid. 124, 2010). Let f(z) be its minimum
over W. For any R, with T = C - AR,

    f(z) ≥ -½tr(RᵀAR) - ½Σ_j z_j t_j,    t_j = tr(T_jᵀB_j⁻¹T_j),

with equality at the minimiser R = W: -½t_j is the gradient of f, and the ``keep``
largest t_j give a bound for all points at once.
"""

from typing import NamedTuple

import numpy as np
import scipy.linalg

from ccsolve.linalg.minorant import Minorant, block_minorant
from ccsolve.linalg.rounding import EPS, gamma
from ccsolve.linalg.spectrum import frobenius_norm
from ccsolve.problems import ReconstructionSelection


class PerspectiveForm(NamedTuple):
    """H = A + B, C (d, r), the count to keep and what the objective adds."""

    parts: Minorant
    C: np.ndarray
    keep: int
    constant: float

    @property
    def group(self) -> int:
        """Columns per channel."""
        return self.parts.blocks.shape[1]


class Evaluation(NamedTuple):
    """At z: f(z), its gradient (n,), and a lower bound of the program."""

    z: np.ndarray
    value: float
    gradient: np.ndarray
    bound: float


def perspective_form(problem: ReconstructionSelection, rounds: int) -> PerspectiveForm:
    """Split H by `block_minorant`, O(d³) a round."""
    form = problem.form
    parts = block_minorant(form.H, problem.group, rounds)
    return PerspectiveForm(parts, form.C, problem.keep, problem.constant + form.offset)


def evaluate(form: PerspectiveForm, z: np.ndarray) -> Evaluation:
    """Minimise over W at z and take the bound there; O(d³/3 + d²r).

    W = Z^½(Z^½AZ^½ + B)⁻¹Z^½C with Z = diag(z), which needs no division by z.
    """
    W = _minimiser(form, z)
    image = form.parts.A @ W
    T = form.C - image
    t = _squares(form, T)
    value = form.constant - 0.5 * float((form.C * W).sum())
    return Evaluation(z, value, -0.5 * t, _bound(form, W, image, T, t))


def _minimiser(form: PerspectiveForm, z: np.ndarray) -> np.ndarray:
    parts, roots = form.parts, np.repeat(np.sqrt(z), form.group)
    matrix = np.multiply(parts.A, roots, order="F")
    matrix *= roots[:, None]
    columns = np.arange(len(matrix)).reshape(-1, form.group)
    matrix[columns[:, :, None], columns[:, None, :]] += parts.blocks
    factor = _factor(matrix)
    scaled = scipy.linalg.cho_solve(
        (factor, True), roots[:, None] * form.C, check_finite=False
    )
    return roots[:, None] * scaled


def _factor(matrix: np.ndarray) -> np.ndarray:
    """Factorise, with a ridge of rounding where it takes one: any W gives a bound."""
    try:
        return scipy.linalg.cholesky(matrix, lower=True, check_finite=False)
    except scipy.linalg.LinAlgError:
        ridge = 4.0 * (len(matrix) + 2) * EPS * float(np.trace(matrix))
        matrix[np.diag_indices(len(matrix))] += ridge
        return scipy.linalg.cholesky(matrix, lower=True, check_finite=False)


def _by_channel(form: PerspectiveForm, T: np.ndarray) -> np.ndarray:
    return T.reshape(-1, form.group, T.shape[1])


def _squares(form: PerspectiveForm, T: np.ndarray) -> np.ndarray:
    parts = _by_channel(form, T)
    return (parts * (form.parts.inverses @ parts)).sum(axis=(1, 2))


def _bound(
    form: PerspectiveForm,
    R: np.ndarray,
    image: np.ndarray,
    T: np.ndarray,
    t: np.ndarray,
) -> float:
    """Give the bound at R less what rounding may have added to it.

    ``image`` is off A·R by at most e in the Frobenius norm, T off C - AR as well: so
    √t_j is off by e_j·‖B_j⁻¹‖^½ besides the error of its own sum, where the e_j² of all
    channels add up to e² at most.
    """
    A, inverses = form.parts.A, form.parts.inverses
    d, r = R.shape
    size, spread = frobenius_norm(R), frobenius_norm(A)
    off = gamma(d + 2) * (spread * size + frobenius_norm(form.C))
    curved = float((R * image).sum())
    curved += size * off + gamma(d * r + 2) * size * frobenius_norm(image)
    norms = np.linalg.norm(inverses, axis=(1, 2)) * (1.0 + 1e-12)
    lengths = np.square(_by_channel(form, T)).sum(axis=(1, 2)) * (1.0 + 1e-9)
    sums = gamma(form.group * (r + 2) + 4) * norms
    upper = np.maximum(t, 0.0) + (sums + form.parts.excess) * lengths
    largest = np.sort(upper)[len(upper) - form.keep :]
    reach = np.sqrt(largest.sum() * (1.0 + 1e-12))
    reach += off * np.sqrt(2.0 * norms.max(initial=0.0))
    low = -0.5 * curved - 0.5 * float(reach) ** 2 * (1.0 + 1e-12)
    return form.constant + low - 4.0 * EPS * (abs(form.constant) + abs(low))
