"""What a layer loses as its ranks fall: tails of spectra, all ranks from one."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ccsolve.errors import InvalidProblem, MissingStatistics
from ccsolve.sensitivity.curves import Array
from ccsolve.statistics import Layer

METRICS = ("weights", "inputs", "loss")
"""In what the error of a factorised layer is measured."""

FITS = ("weights", "inputs")
"""What a fit makes least: the error of the weights, or of the outputs."""


def low_rank_losses(
    layer: Layer, *, metric: str | None = None, fit: str | None = None, groups: int = 1
) -> Array:
    """Give the error when 0, 1, ..., min(n, d) ranks of W (n, d) have gone.

    The tail of the spectrum, by Eckart and Young:

    - "weights": min ‖W - W_r‖², from the singular values of W;
    - "inputs": min E‖(W - W_r)x‖² at an output position, from the eigenvalues of
      W·E[xxᵀ]·Wᵀ (a whitening; no root of E[xxᵀ] is needed, which may be singular);
    - "loss": min ½E[εᵀMε] with ε = (W - W_r)x and M the Gauss-Newton of the loss in the
      outputs, from those of M^½·W·E[xxᵀ]·Wᵀ·M^½.

    With a fit, the error of *its* W_r = U_r·U_rᵀ·W, U the eigenvectors of W·Wᵀ for
    "weights" or of W·E[xxᵀ]·Wᵀ for "inputs", in the metric: with S the moment of the
    outputs there and M the identity but for "loss", the sum of UᵀSU ∘ UᵀMU over the
    ranks gone. It is no less, and need not fall as ranks come back.

    Biases stay as they are. O(n·d² + n²·d + n³) once, for all ranks.

    Parameters
    ----------
    layer
        Convolutions as their unfolded (n_out, n_in·kernel) map.
    metric
        By default "inputs" where the layer has input moments, else "weights".
    fit
        By default the metric's best.
    groups
        Of a convolution: as many maps (n / groups, d), each of the same rank, whose
        errors add up. More than one take the metric "weights".

    Returns
    -------
    (min(n / groups, d) + 1,) from 0, nondecreasing without a fit; the last one is what
    the whole map is worth.

    Raises
    ------
    InvalidProblem
        Another metric or fit, or groups that do not divide n.
    MissingStatistics
        The metric's moments or curvature were not collected.
    """
    metric = _metric(layer, metric, groups)
    _known("fit", fit, (None, *FITS))
    weight = layer.weight.reshape(len(layer.weight), -1).astype(np.float64)
    if metric == "weights" and fit in (None, "weights"):
        blocks = weight.reshape(groups, -1, weight.shape[1])
        return np.sum(
            [_tails(np.linalg.svd(b, compute_uv=False) ** 2) for b in blocks], axis=0
        )
    if groups > 1:
        raise InvalidProblem(f"fit = {fit!r} of {groups} groups; expected 'weights'")
    moved = weight @ weight.T
    if metric != "weights":
        moved = weight @ _part(layer, "input_moment") @ weight.T
    if fit is not None:
        return _losses_of_fit(layer, weight, moved, metric, fit)
    if metric == "inputs":
        return _tails(_spectrum(moved, min(weight.shape)))
    root = _root(_part(layer, "output_curvature"))
    return 0.5 * _tails(_spectrum(root @ moved @ root, min(weight.shape)))


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


def spatial_losses(layer: Layer, *, groups: int = 1) -> Array:
    """Give min ‖W - Z‖² when 0, 1, ... ranks of the spatial split have gone.

    W with rows (n, later kernel axes) and columns (c, first kernel axis): a vertical
    convolution, then a horizontal one. From one set of singular values; groups add up.
    InvalidProblem for fewer than two kernel axes.
    """
    if layer.weight.ndim < 4:
        raise InvalidProblem(
            f"layers/{layer.name}: a weight of {layer.weight.ndim - 2} kernel axes; "
            "expected two or more for a spatial split"
        )
    tails = []
    for block in _blocks(layer, groups):
        turned = np.moveaxis(block, (1, 2), (-2, -1))
        matrix = turned.reshape(math.prod(turned.shape[:-2]), -1)
        tails.append(_tails(np.linalg.svd(matrix, compute_uv=False) ** 2))
    return np.sum(tails, axis=0)


class TwoSidedLosses(NamedTuple):
    """Errors at ranks (r, s) of the output and of the input channels.

    Attributes
    ----------
    loss : (R + 1, S + 1), of the higher-order SVD's fit
    lower : (R + 1, S + 1), which no fit of these ranks is below
    """

    loss: Array
    lower: Array


def two_sided_losses(
    layer: Layer, *, metric: str | None = None, groups: int = 1
) -> TwoSidedLosses:
    """Give what Tucker-2 loses at every pair of ranks: an upper and a lower bound.

    U and V are the singular vectors of W (n, c, kernel) unfolded along its output and
    along its input channels. The fit is W projected on the first r of U and the first
    s of V (De Lathauwer, De Moor, Vandewalle 2000): what `LowRankFit` and the chains of
    layers begin with, and improve on. In the metric "weights" its loss is ‖W‖² less the
    square sum of the core's first (r, s), never above the sum of both tails, and bounds
    from above what the best fit, and a tensor train of ranks (r, s) over output
    channels, kernel and input channels, lose. No fit loses less than either side's tail
    alone does; with moments the tail of the outputs' side counts. "inputs" and "loss"
    are as in `low_rank_losses`, of the same fit.

    O(n·d² + n²·d + c²·d·n) once, for all pairs.

    Parameters
    ----------
    layer, metric, groups
        See `low_rank_losses`.
    """
    metric = _metric(layer, metric, groups)
    parts = [_two_sided(layer, block, metric) for block in _blocks(layer, groups)]
    return TwoSidedLosses(*(np.sum(side, axis=0) for side in zip(*parts, strict=True)))


def _two_sided(layer: Layer, block: Array, metric: str) -> TwoSidedLosses:
    n, c = block.shape[:2]
    weight = block.reshape(n, c, -1)
    sides = weight.reshape(n, -1), weight.swapaxes(0, 1).reshape(c, -1)
    (left, outer), (right, inner) = (_vectors(side @ side.T) for side in sides)
    core = np.einsum("nck,nr,cs->rsk", weight, left, right, optimize=True)
    size = weight.shape[2]
    if metric == "weights":
        kept = _summed((core**2).sum(axis=2))
        loss, low, last = kept[-1, -1] - kept, _over(outer), _over(inner)
        lower = np.maximum(low[:, None], last[None, :])
    else:
        loss = _weighted_losses(layer, core, left, right, metric)
        best = low_rank_losses(layer, metric=metric)[::-1]
        low = np.concatenate([best, np.zeros(n + 1 - len(best))])
        lower = np.broadcast_to(low[:, None], loss.shape).copy()
    full = np.s_[: min(n, c * size) + 1, : min(c, n * size) + 1]
    loss, lower = np.maximum(loss[full], 0.0), lower[full]
    loss[-1, -1] = 0.0
    return TwoSidedLosses(loss, np.minimum(lower, loss))


def _weighted_losses(
    layer: Layer, core: Array, left: Array, right: Array, metric: str
) -> Array:
    """Give N(W - Z) of the projections Z on the first r and s vectors, for all pairs.

    In their coordinates W is the core K, the output weights are M and the input moment
    is C: N(W) - 2⟨W, Z⟩ + N(Z). The products with Z are sums over leading parts.
    """
    n, c, size = core.shape
    moment = _part(layer, "input_moment").reshape(c, size, c, size)
    C = np.einsum("ckdl,cs,dt->sktl", moment, right, right, optimize=True)
    C = C.reshape(c * size, c * size)
    M = np.eye(n)
    if metric == "loss":
        M = 0.5 * (left.T @ _part(layer, "output_curvature") @ left)
    K = core.reshape(n, -1)
    turned = K @ C
    cross = _summed(((M @ turned) * K).reshape(n, c, size).sum(axis=2))
    own = np.zeros((n + 1, c + 1))
    gram, seen = np.zeros((n, n)), np.zeros((n, c * size))
    for s in range(c):
        columns = slice(s * size, (s + 1) * size)
        new = K[:, columns]
        # What the channel adds to K_S C_SS K_Sᵀ: itself, and twice with those before.
        with_before = (2 * seen[:, columns] + new @ C[columns, columns]) @ new.T
        gram += 0.5 * (with_before + with_before.T)
        seen += new @ C[columns]
        own[1:, s + 1] = np.diagonal(_summed(gram * M))[1:]
    return cross[-1, -1] - 2 * cross + own


def _losses_of_fit(
    layer: Layer, weight: Array, moved: Array, metric: str, fit: str
) -> Array:
    """Give the losses of the projections on the fit's vectors, ranks gone ascending."""
    target = weight @ weight.T
    if fit == "inputs":
        target = weight @ _part(layer, "input_moment") @ weight.T
    vectors = _vectors(target)[0]
    inside = vectors.T @ moved @ vectors
    if metric == "loss":
        curvature = _part(layer, "output_curvature")
        inside = 0.5 * inside * (vectors.T @ curvature @ vectors)
    else:
        inside = np.diag(np.diagonal(inside))
    gone = np.diagonal(_summed(inside[::-1, ::-1]))
    idle = len(weight) - min(weight.shape)
    losses = np.maximum(gone[idle:], 0.0)
    losses[0] = 0.0
    return losses


def _metric(layer: Layer, metric: str | None, groups: int) -> str:
    n = len(layer.weight)
    if groups < 1 or n % groups:
        raise InvalidProblem(f"groups = {groups} of {n} outputs; expected a divisor")
    if metric is None:
        return "inputs" if groups == 1 and layer.input_moment is not None else "weights"
    _known("metric", metric, METRICS)
    if groups > 1 and metric != "weights":
        raise MissingStatistics(
            f"layers/{layer.name}: {groups} groups have no moments; take "
            "metric='weights'"
        )
    return metric


def _known(name: str, value: str | None, known: tuple[str | None, ...]) -> None:
    if value not in known:
        listed = ", ".join(str(one) for one in known)
        raise InvalidProblem(f"{name} = {value!r}; expected one of {listed}")


def _blocks(layer: Layer, groups: int) -> Array:
    """Give the weight as (groups, n, c, kernel...)."""
    shape = groups, -1, *layer.weight.shape[1:]
    return layer.weight.astype(np.float64).reshape(shape)


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


def _vectors(matrix: Array) -> tuple[Array, Array]:
    """Give eigenvectors and eigenvalues, the largest first."""
    values, vectors = np.linalg.eigh(0.5 * (matrix + matrix.T))
    return vectors[:, ::-1], np.maximum(values[::-1], 0.0)


def _tails(values: NDArray[Any]) -> Array:
    return np.concatenate([[0.0], np.cumsum(np.sort(values))])


def _over(values: Array) -> Array:
    """Give what lies behind the first 0, 1, ..., all of falling values."""
    return np.concatenate([np.cumsum(values[::-1])[::-1], [0.0]])


def _summed(table: Array) -> Array:
    """Give the sums over leading parts, with a row and a column of zeros before."""
    sums = np.zeros((table.shape[0] + 1, table.shape[1] + 1))
    sums[1:, 1:] = table.cumsum(axis=0).cumsum(axis=1)
    return sums


def _root(matrix: Array) -> Array:
    vectors, values = _vectors(matrix)
    return (vectors * np.sqrt(values)) @ vectors.T
