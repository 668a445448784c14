"""The best matrix of a rank in a covariance's norm, without the covariance's root."""

from typing import NamedTuple

import numpy as np

from ccsolve.linalg.gram import TRUSTED, leading_eigenvectors, leading_subspace
from ccsolve.linalg.orthonormal import orthonormal


class WhitenedPair(NamedTuple):
    """Z = left·right, with left (m, r) of orthonormal columns and right = leftᵀW."""

    left: np.ndarray
    right: np.ndarray


def whitened_pair(W: np.ndarray, C: np.ndarray, rank: int) -> WhitenedPair:
    """Give the Z of that rank that minimises ‖(W - Z)C^½‖ for W (m, n), C (n, n) ⪰ 0.

    U holds the top eigenvectors of W·C·Wᵀ and Z = U·UᵀW: mn² + m²n of products and one
    decomposition of size m, against the root of C, an SVD and a solve (SVD-LLM, Wang et
    al., arXiv:2403.07378), which a singular C does not allow. Where m > n it goes by
    the root of C after all. What float32 cannot tell is done again in float64.
    """
    m, n = W.shape
    if m > n:
        left = leading_subspace(W @ _root(C).astype(W.dtype), rank).basis
        return WhitenedPair(left, left.T @ W)
    for dtype in dict.fromkeys((W.dtype, np.dtype(np.float64))):
        wide = W.astype(dtype, copy=False)
        G = (wide @ C.astype(dtype, copy=False)) @ wide.T
        values, vectors = leading_eigenvectors(0.5 * (G + G.T), rank)
        total = float(np.trace(G, dtype=np.float64))
        tail = total - float(values.sum(dtype=np.float64))
        if tail > TRUSTED * float(np.finfo(dtype).eps) * total:
            break
    left = vectors.astype(W.dtype, copy=False)
    return WhitenedPair(left, left.T @ W)


def whitened_step(W: np.ndarray, C: np.ndarray, left: np.ndarray) -> WhitenedPair:
    """Give a better pair from columns near the best: 6mnr + 2n²r, no decomposition.

    One step of subspace iteration with W·C·Wᵀ. For the same W and C the error of the
    pair does not rise, however the columns were.
    """
    seen = (left.T @ W) @ C
    left = orthonormal(W @ seen.T)
    return WhitenedPair(left, left.T @ W)


def _root(C: np.ndarray) -> np.ndarray:
    """Give R with R·Rᵀ = C, its columns those that are not rounding."""
    values, vectors = np.linalg.eigh(C.astype(np.float64))
    largest = max(float(values[-1]), 0.0) if len(values) else 0.0
    seen = values > np.finfo(np.float64).eps * len(values) * largest
    return vectors[:, seen] * np.sqrt(values[seen])
