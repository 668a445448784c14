"""How far a floating-point sum can be from the exact one."""

import numpy as np

EPS = float(np.finfo(np.float64).eps)
"""Twice the unit roundoff u."""

TINY = float(np.finfo(np.float64).tiny)
"""What underflow changes in one operation, at most."""


def gamma(terms: int) -> float:
    """Give a bound of the relative error of a sum of products with that many terms.

    |fl(xᵀy) - xᵀy| ≤ γ_n·|x|ᵀ|y| with γ_n = nu/(1 - nu), in any order of summation and
    with or without fused multiply-adds (Higham, Accuracy and Stability of Numerical
    Algorithms, 2002, section 3.1). We take 2u for u, which covers the rounding of the
    bound itself.
    """
    return terms * EPS / (1.0 - terms * EPS)
