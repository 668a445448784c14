"""What keeping all channels comes to: a lower bound of every choice, proven."""

import numpy as np

from ccsolve.linalg.rounding import EPS, gamma
from ccsolve.linalg.spectrum import frobenius_norm
from ccsolve.problems import ReconstructionSelection


def all_kept_bound(problem: ReconstructionSelection, V: np.ndarray) -> float:
    """Give a lower bound of ½tr(WᵀHW) - tr(CᵀW) + constant over all W; O(d²r).

    With R = C - HV, near 0, it is the value at V less ½tr(RᵀH⁻¹R), and less what
    rounding may have added.
    """
    H, C = problem.form.H, problem.form.C
    constant = problem.constant + problem.form.offset
    rest = C - H @ V
    value = constant - 0.5 * float((C * V).sum() + (V * rest).sum())
    size, spread = frobenius_norm(V), frobenius_norm(H)
    off = gamma(V.size + len(H) + 4) * size * (frobenius_norm(C) + frobenius_norm(rest))
    off += gamma(len(H) + 2) * size**2 * spread
    off += 0.5 * residual(problem, V, rest, _least_eigenvalue(H)) ** 2
    return value - off - 4.0 * EPS * (abs(constant) + abs(value))


def residual(
    problem: ReconstructionSelection, V: np.ndarray, rest: np.ndarray, least: float
) -> float:
    """Bound the norm of C - HV in H⁻¹; ``rest`` is what was computed of it.

    ``least`` is a lower bound of the eigenvalues of H.
    """
    H, C = problem.form.H, problem.form.C
    spread = frobenius_norm(H) * frobenius_norm(V)
    size = frobenius_norm(rest) + gamma(len(H) + 2) * spread
    size += 2.0 * EPS * frobenius_norm(C)
    return size / float(np.sqrt(least)) if least > 0 else 0.0


def _least_eigenvalue(H: np.ndarray) -> float:
    """Give τ/4, τ = 4(d + 2)·2.2e-16·tr H.

    The problem's form has proven τ/2, with a trace that a shift enlarges by less than
    half.
    """
    return (len(H) + 2) * EPS * float(np.trace(H))
