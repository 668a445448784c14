"""How much of an estimated curvature is noise, and pulling it to a steadier matrix.

The block S of a group is a mean over N samples of the samples' own blocks s, and its
expected squared error is about

    noise = Σ over samples ‖s - S‖² / N²   (Frobenius norm).

Pulled towards a target T with far fewer free numbers, (1 - ρ)·S + ρ·T, the expected
squared error is least at

    ρ = noise of what T does not share with S / ‖S - T‖², at most 1.

For T = μI, μ = trace S / size, this is the estimate of Ledoit and Wolf ("A
well-conditioned estimator for large-dimensional covariance matrices", Journal of
Multivariate Analysis 88, 2004), here for second moments that are not centred. For
T = diag S only what stands off the diagonal is pulled, and only its noise counts
(Schäfer and Strimmer, "A shrinkage approach to large-scale covariance matrix
estimation", Statistical Applications in Genetics and Molecular Biology 4, 2005).
"""

import numpy as np
from numpy.typing import NDArray

from ccsolve.errors import InvalidProblem

TARGETS = ("diagonal", "identity")

Array = NDArray[np.float64]


def block_noise(rows: NDArray[np.floating], each: int = 1) -> Array:
    """Give the expected squared errors of rowsᵀrows: of all entries, of the diagonal.

    Rows stand as in `Group`: the 1/√N is inside, and `each` rows behind one another are
    of one sample. O(R·each·size + R·size²).
    """
    exact = rows.astype(np.float64).reshape(-1, each, rows.shape[1])
    count, block = len(exact), exact.reshape(rows.shape)
    block = block.T @ block
    gram = np.einsum("nri,nqi->nrq", exact, exact)
    own = np.square(exact).sum(axis=1)
    powers = np.array([np.square(gram).sum(), np.square(own).sum()])
    squares = np.array([np.square(block).sum(), np.square(block.diagonal()).sum()])
    return np.maximum(powers - squares / count, 0.0)


def best_intensity(block: Array, noise: Array, target: str) -> float:
    """Give the ρ in [0, 1] of least expected squared error, from the estimated noise.

    0 where the target is the block itself.
    """
    pulled = block - np.diag(target_diagonal(block.diagonal(), target))
    distance = float(np.square(pulled).sum())
    error = float(noise[0] - noise[1]) if target == "diagonal" else float(noise[0])
    if distance <= 0.0:
        return 0.0
    return min(1.0, max(0.0, error) / distance)


def target_diagonal(diagonal: Array, target: str) -> Array:
    """Give the diagonal of T, a diagonal matrix, from that of the block."""
    if target == "diagonal":
        return diagonal.copy()
    return np.full_like(diagonal, diagonal.mean())


def check_target(target: str) -> None:
    """Raise InvalidProblem for another target."""
    if target not in TARGETS:
        raise InvalidProblem(f"target {target!r}; expected {' or '.join(TARGETS)}")
