"""One weight as a chain of smaller ones: numbers alone, no modules.

A weight stands as (groups, n, c, kernel...): n output and c input channels of every
group of a convolution, one group and no kernel axes for a linear map. A chain is a
list of such arrays, its stages, in the order in which an input meets them; a stage has
length 1 along the kernel axes that it does not convolve over. Every fit is a sequence
of projections on leading singular spaces, from eigenvectors of Gram matrices in
float64: no random numbers.
"""

import math
from collections.abc import Sequence
from functools import reduce
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh, qr

from ccsolve.bonds import modes_of, ranks_of
from ccsolve.errors import Unsupported
from ccsolve.factors import Factor
from ccsolve.recipes.trains import stages_of
from ccsolve_torch.factoring.held_trains import Stage, TrainStage, dense, scaled

Array = NDArray[Any]

SWEEPS = 8
"""Alternating projections of a Tucker fit; the error falls in each, soon by little."""


def factored(
    weight: Array, factor: Factor, where: str, moment: Array | None = None
) -> tuple[list[Stage], tuple[int, ...]]:
    """Give the stages of the chain, and the ranks that it has.

    "svd" gives argmin ‖(W - Z) C^½‖ over Z of rank r, with C = `moment`, (d, d) over
    the channel-major columns of W where it is given (split "channel" of one group),
    else the identity; always two stages. "tucker" starts from the higher-order
    singular vectors and improves both sides in turn (Kroonenberg and De Leeuw's
    alternating least squares); "tt" truncates bond by bond (Oseledets' TT-SVD), at
    most √(bonds) from the best. Their modes of channels are contracted, and neighbours
    whose product has no more weights than they have are merged: the train over
    (n_out, kernel, n_in) becomes Tucker-2, and at full rank the weight itself.

    Costs eigenvectors of (m, m) matrices for the shorter side m of each unfolding.

    Raises
    ------
    InvalidProblem
        Where ranks or modes do not fit the weight; `where` is in the message.
    Unsupported
        Of a tensor ring.
    """
    fits = {"svd": _svd, "tucker": _tucker, "tt": _tensor_train}
    if factor.format not in fits:
        raise Unsupported(
            f"{where}: no chain of plain layers stands for the format "
            f"{factor.format!r}; take 'tt', or hold the weight near it by `ADMM` alone"
        )
    ranks = ranks_of(factor, weight.shape[1:], where)
    held = stages_of(factor, weight.shape[1:], ranks, len(weight)).trains
    if held:
        return _balanced(_with_trains(weight[0], factor, ranks, set(held))), ranks
    blocks = [fits[factor.format](block, factor, ranks, moment) for block in weight]
    stages = [np.stack(parts) for parts in zip(*blocks, strict=True)]
    if factor.format == "svd":
        return [*stages], ranks
    return _balanced(_merged(stages)), ranks


def product(stages: Sequence[Stage]) -> Array:
    """Give the weight that the chain stands for."""
    return reduce(_composed, map(dense, stages))


def _composed(first: Array, second: Array) -> Array:
    # No kernel axis is convolved over twice: products of lengths are all there is.
    front, back = (np.moveaxis(stage, (1, 2), (-2, -1)) for stage in (first, second))
    return np.moveaxis(back @ front, (-2, -1), (1, 2))


def _merged(stages: list[Array]) -> list[Array]:
    """Merge the neighbours that save most, as long as no weight is added."""
    saved = [_saving(first, second) for first, second in pairwise(stages)]
    if not saved or max(saved) < 0:
        return stages
    at = saved.index(max(saved))
    one = _composed(stages[at], stages[at + 1])
    return _merged([*stages[:at], one, *stages[at + 2 :]])


def _saving(first: Array, second: Array) -> int:
    kernel = map(max, first.shape[3:], second.shape[3:])
    whole = len(first) * second.shape[1] * first.shape[2] * math.prod(kernel)
    return first.size + second.size - whole


def _balanced(stages: Sequence[Stage]) -> list[Stage]:
    """Give all stages the same Frobenius norm, their product unchanged."""
    norms = [float(np.linalg.norm(dense(stage))) for stage in stages]
    if min(norms) == 0:
        return [*stages]
    mean = math.exp(sum(map(math.log, norms)) / len(norms))
    return [scaled(s, mean / norm) for s, norm in zip(stages, norms, strict=True)]


def _svd(
    block: Array, factor: Factor, ranks: tuple[int, ...], moment: Array | None
) -> list[Array]:
    (rank,), axes = ranks, block.ndim - 2
    if factor.split == "spatial":
        # Rows (n, later axes), columns (c, first axis).
        turned = np.moveaxis(block, (1, 2), (-2, -1))
        rows, columns = turned.shape[:-2], turned.shape[-2:]
        left, right = _halves(turned.reshape(math.prod(rows), -1), rank, None)
        second = np.moveaxis(left.reshape(*rows, rank), -1, 1)
        first = right.reshape(rank, *columns, *(1,) * (axes - 1))
        return [first, np.expand_dims(second, 2)]
    left, right = _halves(block.reshape(len(block), -1), rank, moment)
    return [right.reshape(rank, *block.shape[1:]), _pointwise(left, axes)]


def _halves(matrix: Array, rank: int, moment: Array | None) -> tuple[Array, Array]:
    """Give (m, r) and (r, d), the norms of each component shared between both."""
    if moment is None:
        left = _leading(matrix, rank)
    else:
        # The minimiser is the projection on the leading eigenvectors of W C Wᵀ.
        left = _top(matrix @ moment @ matrix.T, rank)
    right = left.T @ matrix
    norms = np.linalg.norm(right, axis=1)
    scale = np.sqrt(np.where(norms > 0, norms, 1.0))
    return left * scale, right / scale[:, None]


def _tucker(
    block: Array, factor: Factor, ranks: tuple[int, ...], moment: Array | None
) -> list[Array]:
    n, c, *kernel = block.shape
    weight = block.reshape(n, c, -1)
    turned = weight.swapaxes(0, 1)
    left = _leading(_unfolded(weight), ranks[0])
    right = _leading(_unfolded(turned), ranks[1])
    for _ in range(SWEEPS):
        left = _leading(_unfolded(_along(right.T, turned).swapaxes(0, 1)), ranks[0])
        right = _leading(_unfolded(_along(left.T, weight).swapaxes(0, 1)), ranks[1])
    core = _along(right.T, _along(left.T, weight).swapaxes(0, 1)).swapaxes(0, 1)
    axes = len(kernel)
    return [
        _pointwise(right.T, axes),
        core.reshape(*ranks, *kernel),
        _pointwise(left, axes),
    ]


def _tensor_train(
    block: Array, factor: Factor, ranks: tuple[int, ...], moment: Array | None
) -> list[Array]:
    n, c, *kernel = block.shape
    left, between, right = _train_parts(block, factor, ranks)
    axes = len(kernel)
    return [
        _pointwise(_contracted(right).reshape(-1, c), axes),
        *between,
        _pointwise(_contracted(left).reshape(n, -1), axes),
    ]


def _with_trains(
    block: Array, factor: Factor, ranks: tuple[int, ...], places: set[int]
) -> list[Stage]:
    """Give the stages with the first one, the last one or both as cores."""
    left, between, right = _train_parts(block, factor, ranks)
    axes = block.ndim - 2
    first, *_, last = _tensor_train(block, factor, ranks, None)
    rest = [] if 0 in places else [first[None]]
    rest += [stage[None] for stage in between]
    if max(places) == 0:
        rest.append(last[None])
    stages: list[Stage] = [*_merged(rest)]
    if 0 in places:
        stages.insert(0, TrainStage(tuple(right), True, axes))
    if max(places) > 0:
        stages.append(TrainStage(tuple(left), False, axes))
    return stages


def _train_parts(
    block: Array, factor: Factor, ranks: tuple[int, ...]
) -> tuple[list[Array], list[Array], list[Array]]:
    """Give the cores of outputs, the stages of the kernel, the cores of inputs."""
    kernel = block.shape[2:]
    outs, middle, ins = modes_of(factor, block.shape)
    cores = _cores(np.moveaxis(block, 1, -1), (*outs, *middle, *ins), ranks)
    split = len(outs), len(outs) + len(middle)
    between = [
        _kernel_stage(core, kernel, axis if len(middle) > 1 else None)
        for axis, core in enumerate(cores[split[0] : split[1]])
    ]
    return cores[: split[0]], between[::-1], cores[split[1] :]


def _cores(
    tensor: Array, modes: tuple[int, ...], ranks: tuple[int, ...]
) -> list[Array]:
    """Give the cores (r, mode, r') of the tensor train."""
    rest, before, cores = tensor, 1, []
    for mode, rank in zip(modes, ranks, strict=False):
        rest = rest.reshape(before * mode, -1)
        left = _leading(rest, rank)
        cores.append(left.reshape(before, mode, rank))
        rest, before = left.T @ rest, rank
    return [*cores, rest.reshape(before, modes[-1], 1)]


def _contracted(cores: Sequence[Array]) -> Array:
    return reduce(lambda left, right: np.tensordot(left, right, 1), cores)


def _kernel_stage(core: Array, kernel: Sequence[int], axis: int | None) -> Array:
    """Give (r, r', kernel...) of a core of one kernel axis, or of all (None)."""
    lengths = [
        length if axis is None or place == axis else 1
        for place, length in enumerate(kernel)
    ]
    return core.swapaxes(1, 2).reshape(len(core), core.shape[2], *lengths)


def _pointwise(matrix: Array, axes: int) -> Array:
    return matrix.reshape(*matrix.shape, *(1,) * axes)


def _unfolded(tensor: Array) -> Array:
    return tensor.reshape(len(tensor), -1)


def _along(matrix: Array, tensor: Array) -> Array:
    """Give the product over the tensor's first axis."""
    return np.tensordot(matrix, tensor, 1)


def _leading(matrix: Array, rank: int) -> Array:
    """Give (m, rank): orthonormal, the span of the leading left singular vectors."""
    if len(matrix) <= matrix.shape[1]:
        return _top(matrix @ matrix.T, rank)
    right = _top(matrix.T @ matrix, rank)
    return np.asarray(qr(matrix @ right, mode="economic")[0])


def _top(gram: Array, rank: int) -> Array:
    """Give the eigenvectors of the largest eigenvalues, the largest first."""
    size = len(gram)
    return eigh(gram, subset_by_index=(size - rank, size - 1))[1][:, ::-1]
