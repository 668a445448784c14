"""Tensors of bounded ranks as lists of factors: svd, tucker, tt (train), tr (ring).

With modes m_1..m_d and ranks r a tensor Z is held as

- "svd": [L (m_1, r), R (r, m_2)], Z = LR;
- "tucker": [core (r_1..r_d), U_1 (m_1, r_1), ..., U_d (m_d, r_d)];
- "tt": [G_1 (1, m_1, r_1), ..., G_d (r_{d-1}, m_d, 1)], ranks r_1..r_{d-1};
- "tr": [G_1 (r_0, m_1, r_1), ..., G_d (r_{d-1}, m_d, r_0)], ranks r_0..r_{d-1}, the
  trace over r_0.
"""

import math
from collections.abc import Sequence

import numpy as np

from ccsolve.errors import InvalidProblem

FORMATS = ("svd", "tucker", "tt", "tr")

Modes = tuple[int, ...]
Ranks = tuple[int, ...]
Factors = Sequence[np.ndarray]


def bonds(format: str, modes: Modes) -> int:
    """Give how many ranks the format has."""
    return {"svd": 1, "tt": len(modes) - 1}.get(format, len(modes))


def factor_shapes(format: str, modes: Modes, ranks: Ranks) -> list[tuple[int, ...]]:
    """Give the shapes of the factors."""
    if format == "svd":
        return [(modes[0], ranks[0]), (ranks[0], modes[1])]
    if format == "tucker":
        return [ranks, *zip(modes, ranks, strict=True)]
    around = (1, *ranks, 1) if format == "tt" else (*ranks, ranks[0])
    return list(zip(around[:-1], modes, around[1:], strict=True))


def entries(
    format: str, modes: Modes, ranks: Ranks, whole: Sequence[int] = ()
) -> tuple[int, ...]:
    """Give how many entries each factor has.

    Of "tucker" the matrices of the modes in ``whole`` have none: they are part of the
    core.
    """
    counts = [math.prod(shape) for shape in factor_shapes(format, modes, ranks)]
    if format == "tucker":
        for mode in whole:
            counts[mode + 1] = 0
    return tuple(counts)


def ranks_of(format: str, factors: Factors) -> Ranks:
    """Give the ranks of the factors."""
    if format == "svd":
        return (factors[0].shape[1],)
    if format == "tucker":
        return tuple(factors[0].shape)
    return tuple(core.shape[0] for core in factors)[1 if format == "tt" else 0 :]


def checked_factors(format: str, modes: Modes, factors: Factors) -> list[np.ndarray]:
    """Give the factors as arrays; InvalidProblem where they do not fit the modes."""
    arrays = [np.asarray(factor) for factor in factors]
    axes = {"svd": [2, 2], "tucker": [len(modes)] + [2] * len(modes)}
    expected = axes.get(format, [3] * len(modes))
    if [array.ndim for array in arrays] != expected:
        found = ", ".join(str(array.shape) for array in arrays)
        raise InvalidProblem(
            f"the point has factors of shapes {found or 'none'}; expected "
            f"{len(expected)} factors with {expected} axes for {format!r}"
        )
    shapes = factor_shapes(format, modes, ranks_of(format, arrays))
    if any(array.shape != shape for array, shape in zip(arrays, shapes, strict=True)):
        raise InvalidProblem(
            f"the point has factors of shapes {[array.shape for array in arrays]}; "
            f"expected {shapes} for {format!r} of modes {modes}"
        )
    return arrays


def full_ranks(format: str, modes: Modes) -> Ranks:
    """Give the ranks with which every tensor of these modes can be held.

    The smaller side of each bond's unfolding; of a ring the largest that any train
    made by cutting one bond needs.
    """
    whole, d = math.prod(modes), len(modes)
    if format == "svd":
        return (min(modes),)
    if format == "tucker":
        return tuple(min(mode, whole // mode) for mode in modes)
    if format == "tt":
        lefts = (math.prod(modes[:k]) for k in range(1, d))
        return tuple(min(left, whole // left) for left in lefts)
    return tuple(
        max(_arc(modes, start, bond) for start in range(d)) for bond in range(d)
    )


def _arc(modes: Modes, start: int, end: int) -> int:
    """Give the full rank between the modes from start on, up to end, and the rest."""
    count = (end - start) % len(modes)
    side = math.prod(modes[(start + k) % len(modes)] for k in range(count))
    return min(side, math.prod(modes) // side)


def fitting_ranks(
    format: str, modes: Modes, ranks: Ranks, whole: Sequence[int] = ()
) -> Ranks:
    """Lower ranks that their neighbours leave no room for; the same tensors remain.

    A core (r, m, s) needs no s above r·m, and no r above m·s; a mode of a Tucker core
    no rank above the product of the others, unless it is in ``whole``.
    """
    now, before = list(ranks), None
    while now != before:
        before = list(now)
        if format == "tucker":
            _fit_core(now, whole)
        elif format != "svd":
            _fit_chain(now, modes, closed=format == "tr")
    return tuple(now)


def _fit_core(ranks: list[int], whole: Sequence[int]) -> None:
    for mode, rank in enumerate(ranks):
        if mode not in whole:
            ranks[mode] = min(rank, math.prod(ranks) // rank)


def _fit_chain(ranks: list[int], modes: Modes, closed: bool) -> None:
    around = ranks if closed else [1, *ranks]
    for k, mode in enumerate(modes):
        after = (k + 1) % len(modes)
        around[after] = min(around[after], around[k] * mode)
    for k, mode in reversed(list(enumerate(modes))):
        after = (k + 1) % len(modes)
        around[k] = min(around[k], mode * around[after])
    ranks[:] = around if closed else around[1:]


def dense(format: str, factors: Factors, modes: Modes) -> np.ndarray:
    """Give the tensor Z, of shape ``modes`` and the factors' type."""
    left, right = halves(format, factors, modes)
    return (left @ right).reshape(modes)


def halves(
    format: str, factors: Factors, modes: Modes
) -> tuple[np.ndarray, np.ndarray]:
    """Give (M, r) and (r, N/M) whose product is Z, M a product of leading modes.

    Where Z is cut is chosen for the least work; Z itself is not formed.
    """
    if format == "svd":
        return factors[0], factors[1]
    if len(modes) == 1:
        left = _vector(format, factors)
        return left[:, None], np.ones((1, 1), dtype=left.dtype)
    if format == "tucker":
        return _tucker_halves(factors)
    return _chain_halves(factors, modes)


def _vector(format: str, factors: Factors) -> np.ndarray:
    """Give the one mode of a tensor that has no other."""
    if format == "tucker":
        return factors[1] @ factors[0]
    return np.trace(factors[0], axis1=0, axis2=2)


def _tucker_halves(factors: Factors) -> tuple[np.ndarray, np.ndarray]:
    """Cut off the first or the last mode, whichever leaves less to form."""
    core, first, last = factors[0], factors[1], factors[-1]
    if last.shape[1] * len(first) <= first.shape[1] * len(last):
        partial = _times(core, factors[1:-1])
        return partial.reshape(-1, partial.shape[-1]), last.T
    partial = np.moveaxis(_times(np.moveaxis(core, 0, -1), factors[2:]), -1, 0)
    return first, partial.reshape(len(partial), -1)


def _times(core: np.ndarray, matrices: Factors) -> np.ndarray:
    """Multiply the leading axes by one matrix (m, r) each."""
    for axis, matrix in enumerate(matrices):
        core = np.moveaxis(np.tensordot(matrix, core, (1, axis)), 0, axis)
    return core


def _chain_halves(factors: Factors, modes: Modes) -> tuple[np.ndarray, np.ndarray]:
    """Contract a train or ring from both ends to the bond of the least work."""
    cut = min(range(1, len(modes)), key=lambda k: _work(factors, modes, k))
    ring, middle = factors[0].shape[0], factors[cut].shape[0]
    left, right = factors[0], factors[-1]
    for core in factors[1:cut]:
        left = np.tensordot(left.reshape(ring, -1, len(core)), core, 1)
    for core in reversed(factors[cut:-1]):
        right = np.tensordot(core, right.reshape(core.shape[2], -1, ring), 1)
    left = left.reshape(ring, -1, middle).transpose(1, 0, 2)
    right = right.reshape(middle, -1, ring).transpose(2, 0, 1)
    return left.reshape(-1, ring * middle), right.reshape(ring * middle, -1)


def _work(factors: Factors, modes: Modes, cut: int) -> int:
    """Give the multiplications of contracting both sides of a bond, and the bond."""
    ring = factors[0].shape[0]
    sides = sum(
        math.prod(modes[: k + 1]) * ring * math.prod(factors[k].shape[::2])
        for k in range(1, cut)
    ) + sum(
        math.prod(modes[k:]) * ring * math.prod(factors[k].shape[::2])
        for k in range(cut, len(modes) - 1)
    )
    return sides + math.prod(modes) * ring * factors[cut].shape[0]
