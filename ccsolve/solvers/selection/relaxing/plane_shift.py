"""The best multiple of 11' - keep·I in a dual matrix: the bound over a sphere."""

import math
from dataclasses import replace

import numpy as np

from ccsolve.linalg.spectrum import onto_hyperplane, reflector
from ccsolve.linalg.sphere import Spectrum, linear_part, multiplier
from ccsolve.solvers.selection.relaxing.duals import Dual, decomposed
from ccsolve.solvers.selection.relaxing.lifted import LiftedProgram


def shifted(
    program: LiftedProgram, dual: Dual, M: np.ndarray
) -> tuple[Dual, float | None]:
    """Give the dual with the best y + α1, and its matrix's least eigenvalue; O(n³).

    The feasible points lie at centre + u, 1ᵀu = 0, ‖u‖² = keep - keep²/n. The least of
    xᵀMx there is a trust-region problem, and its multipliers μ_s (of the sphere) and
    value v = keep·μ give M + α(11' - keep·I) ⪰ μI with α = (μ_s - μ)/keep: no α does
    better. Steps of the ascent are slow to find it where M is far from its limit.

    Without ``keep`` the dual is given back, and None.
    """
    n, k = program.n, program.keep
    if not 0 < k < n:
        return dual, None
    share, radius = k / n, math.sqrt(k - k * k / n)
    rows = M.sum(axis=1)
    values, vectors = decomposed(onto_hyperplane(M)[0])
    v, beta = reflector(n)
    g = 2.0 * share * rows
    g = (g - (beta * float(v @ g)) * v)[1:]
    spectrum = Spectrum(values, vectors, None, is_partial=False)
    part = linear_part(spectrum, g)
    sphere = multiplier(spectrum, part, radius)
    value = share * share * float(rows.sum()) + sphere * radius * radius
    value -= 0.25 * float((part.along**2 / (values - sphere)).sum())
    least = value / k
    alpha = (sphere - least) / k
    return replace(dual, y=dual.y + alpha), least
