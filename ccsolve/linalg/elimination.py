"""Columns that always stay, eliminated from a quadratic."""

import numpy as np


def schur_complement(H: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Give H_AA - H_AB H_BB⁻¹ H_BA for the columns A = own, B all others; O(d³).

    It is the least ½vᵀHv over what v is on B, as a quadratic in v on A. H (d, d) is
    positive semidefinite; a singular H_BB is inverted on its range.
    """
    rest = np.setdiff1d(np.arange(len(H)), own)
    block = H[np.ix_(own, own)]
    if not len(rest):
        return block
    cross = H[np.ix_(rest, own)]
    explained = np.linalg.lstsq(H[np.ix_(rest, rest)], cross, rcond=None)[0]
    schur = block - cross.T @ explained
    return 0.5 * (schur + schur.T)
