"""What a layer loses as its rank falls: tails of a spectrum, all ranks from one."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsolve.errors import InvalidProblem, MissingStatistics
from ccsolve.sensitivity.curves import Array
from ccsolve.statistics import Layer

METRICS = ("weights", "inputs", "loss")
"""In what the error of a factorised layer is measured."""


def low_rank_losses(layer: Layer, *, metric: str | None = None) -> Array:
    """Give the least error when 0, 1, ..., min(n, d) ranks of W (n, d) have gone.

    The tail of the spectrum, by Eckart and Young:

    - "weights": min ‖W - W_r‖², from the singular values of W;
    - "inputs": min E‖(W - W_r)x‖² at an output position, from the eigenvalues of
      W·E[xxᵀ]·Wᵀ (a whitening; no root of E[xxᵀ] is needed, which may be singular);
    - "loss": min ½E[εᵀMε] with ε = (W - W_r)x and M the Gauss-Newton of the loss in the
      outputs, from those of M^½·W·E[xxᵀ]·Wᵀ·M^½.

    Biases stay as they are. O(n·d² + n²·d + n³) once, for all ranks.

    Parameters
    ----------
    layer
        Convolutions as their unfolded (n_out, n_in·kernel) map.
    metric
        By default "inputs" where the layer has input moments, else "weights".

    Returns
    -------
    (min(n, d) + 1,) nondecreasing from 0; the last one is what the whole map is worth.

    Raises
    ------
    InvalidProblem
        Another metric.
    MissingStatistics
        The moments or the curvature that the metric needs were not collected.
    """
    if metric is None:
        metric = "weights" if layer.input_moment is None else "inputs"
    if metric not in METRICS:
        known = ", ".join(METRICS)
        raise InvalidProblem(f"metric = {metric!r}; expected one of {known}")
    weight = layer.weight.reshape(len(layer.weight), -1).astype(np.float64)
    if metric == "weights":
        return _tails(np.linalg.svd(weight, compute_uv=False) ** 2)
    moved = weight @ _part(layer, "input_moment") @ weight.T
    if metric == "inputs":
        return _tails(_spectrum(moved, min(weight.shape)))
    root = _root(_part(layer, "output_curvature"))
    return _tails(0.5 * _spectrum(root @ moved @ root, min(weight.shape)))


def low_rank_rates(layer: Layer) -> Array:
    """Give the share of MACs that has gone with 0, 1, ..., min(n, d) ranks.

    Rank r costs r·(n + d) in place of n·d, as two layers: negative while r is above
    n·d/(n + d). With nothing gone the layer stays whole, at 0.
    """
    n = len(layer.weight)
    d = layer.weight.size // n
    ranks = np.arange(min(n, d), -1, -1)
    rates = 1.0 - ranks * (n + d) / (n * d)
    rates[0] = 0.0
    return rates


def _part(layer: Layer, name: str) -> Array:
    part = getattr(layer, name)
    if part is None:
        raise MissingStatistics(
            f"layers/{layer.name}: no {name} was collected; collect with "
            "layers='moments', or take metric='weights'"
        )
    return part.astype(np.float64)


def _spectrum(matrix: Array, rank: int) -> Array:
    """Give the ``rank`` largest eigenvalues of a positive semidefinite matrix."""
    values = np.linalg.eigvalsh(0.5 * (matrix + matrix.T))[-rank:]
    return np.maximum(values, 0.0)


def _tails(values: NDArray[Any]) -> Array:
    return np.concatenate([[0.0], np.cumsum(np.sort(values))])


def _root(matrix: Array) -> Array:
    values, vectors = np.linalg.eigh(0.5 * (matrix + matrix.T))
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
