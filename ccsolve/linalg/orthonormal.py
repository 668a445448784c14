"""Orthonormal bases by Cholesky, at the speed of matrix products."""

import numpy as np
from scipy.linalg import get_blas_funcs, get_lapack_funcs

_ROUTINES = {
    kind: (
        *get_lapack_funcs(("potrf",), dtype=kind),
        *get_blas_funcs(("trsm",), dtype=kind),
    )
    for kind in ("f", "d")
}

PASSES = 2
"""One leaves eps·κ² between the columns, the second removes it."""


def orthonormal(Y: np.ndarray) -> np.ndarray:
    """Give Q (n, r) with QᵀQ = I whose span holds that of Y (n, r), r ≤ n; O(nr²).

    Cholesky QR, twice (Yamamoto et al., ETNA 44, 2015): Y ← Y·R⁻¹ with RᵀR = YᵀY, the
    columns scaled to one length before. It is several times faster than Householder's
    reflections, which take over where the columns are too dependent for it, as at
    duplicate or zero columns: Q is then completed by arbitrary orthonormal columns. Q
    is in Y's order of memory, C or Fortran.
    """
    Q = Y
    for _ in range(PASSES):
        Q = _cholesky_step(Q)
        if Q is None:
            return _reflected(Y)
    return Q


def _reflected(Y: np.ndarray) -> np.ndarray:
    Q = np.linalg.qr(Y)[0]
    return np.asarray(Q, order="F" if Y.flags.f_contiguous else "C")


def _cholesky_step(Y: np.ndarray) -> np.ndarray | None:
    """Give Y·R⁻¹; nothing where R is too close to singular to be of use."""
    G = Y.T @ Y
    length = np.sqrt(np.diagonal(G))
    limits = np.finfo(Y.dtype)
    if not length.min(initial=np.inf) > limits.tiny**0.5:
        return None
    factorised, solved = _ROUTINES[Y.dtype.char]
    G /= length
    G /= length[:, None]
    R, failed = factorised(G, lower=0, clean=0)
    enough = 10.0 * (len(G) * float(limits.eps)) ** 0.5
    if failed or not np.diagonal(R).min(initial=1.0) > enough:
        return None
    R *= length
    if Y.flags.f_contiguous:
        return solved(1.0, R, Y, side=1)
    # The transpose of a C array is what BLAS takes without a copy.
    return solved(1.0, R, Y.T, trans_a=1).T
