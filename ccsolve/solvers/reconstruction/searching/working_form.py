"""The program as the searches compute on it: definite enough to be swept."""

from typing import NamedTuple

import numpy as np
import scipy.linalg

from ccsolve.problems import ReconstructionSelection

_condition = scipy.linalg.get_lapack_funcs(("pocon",), dtype=np.float64)[0]

CONDITION = 1e-8
"""1/‖H⁻¹‖₁, of unit diagonals, below which sweeps of single blocks lose digits."""


class WorkingForm(NamedTuple):
    """H (d, d), C (d, r), and V = H⁻¹C (d, r), the weights that keep all."""

    H: np.ndarray
    C: np.ndarray
    V: np.ndarray


def working_form(problem: ReconstructionSelection) -> WorkingForm:
    """Give H, C and the weights that keep all; O(d³/3 + d²r).

    Where H is conditioned worse than ``CONDITION``, it is ridged by that towards these
    weights. So searches on nearly singular moments look at values that are larger, by
    half of it times the squared change of the weights; points are scored without it.
    """
    H, C = problem.form.H, problem.form.C
    factor = _factor(H)
    V = scipy.linalg.cho_solve((factor, True), C, check_finite=False)
    size = float(np.abs(H).sum(axis=0).max(initial=0.0))
    if _condition(factor, size, uplo="L")[0] * size >= CONDITION:
        return WorkingForm(H, C, V)
    H = H + CONDITION * np.eye(len(H))
    return WorkingForm(H, H @ V, V)


def _factor(H: np.ndarray) -> np.ndarray:
    return scipy.linalg.cholesky(H, lower=True, check_finite=False)
