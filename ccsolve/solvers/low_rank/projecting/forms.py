"""One form for all formats: a train, a Tucker tensor or a ring, and the way back."""

import math
from dataclasses import dataclass

import numpy as np

from ccsolve.solvers.low_rank.projecting.merging import merged, split
from ccsolve.solvers.low_rank.projecting.ring import (
    Ring,
    cold_ring,
    ring_tensor,
    warm_ring,
)
from ccsolve.solvers.low_rank.projecting.train import (
    Train,
    cold_train,
    train_tensor,
    warm_train,
)
from ccsolve.solvers.low_rank.projecting.tucker import (
    Tucker,
    cold_tucker,
    expanded,
    warm_tucker,
)


@dataclass(frozen=True, eq=False)
class Form:
    """A projection as it is worked on.

    Attributes
    ----------
    format : that of the user's factors
    work : a train of merged modes for "svd", "tt" and a "tucker" that compresses only
        the first and last modes; a Tucker tensor for another; a ring for "tr"
    energy : what ‖Z‖² is; of a ring NaN, for it is no projection
    floor : a lower bound of the energy that any tensor of these ranks leaves
    scale : what the factors are still to be multiplied by
    """

    format: str
    work: Train | Tucker | Ring
    energy: float
    floor: float
    scale: float = 1.0


def cold(
    T: np.ndarray, format: str, ranks: tuple[int, ...], out: np.ndarray | None
) -> tuple[Form, np.ndarray]:
    """Project T from nothing; give the form and Z."""
    if format == "tr":
        ring = cold_ring(T, ranks)
        return _of_ring(ring, T.shape, out)
    if format == "tucker" and not _is_two_sided(T.shape, ranks):
        tucker = cold_tucker(T, ranks)
        Z = expanded(tucker.core, tucker.bases, range(T.ndim - 1, -1, -1))
        return Form(format, tucker, tucker.energy, tucker.floor), _into(Z, out)
    modes, bonds = _train_shape(format, T.shape, ranks)
    train = cold_train(T.reshape(modes), bonds)
    Z = train_tensor(train, None if out is None else out.reshape(modes))
    return Form(format, train, train.energy, train.floor), Z.reshape(T.shape)


def warmed(
    T: np.ndarray, energy: float, old: Form, out: np.ndarray | None
) -> tuple[Form, np.ndarray]:
    """Project T, ‖T‖² = energy, by a step from the old form; give the new one and Z."""
    if isinstance(old.work, Ring):
        return _of_ring(warm_ring(T, old.work), T.shape, out)
    if isinstance(old.work, Tucker):
        work, Z = warm_tucker(T, old.work, out)
    else:
        modes = tuple(core.shape[1] for core in old.work.cores)
        work = warm_train(T.reshape(modes), energy, old.work)
        Z = train_tensor(work, None if out is None else out.reshape(modes))
    return Form(old.format, work, work.energy, work.floor), Z.reshape(T.shape)


def factors_of(
    form: Form, modes: tuple[int, ...], ranks: tuple[int, ...]
) -> list[np.ndarray]:
    """Give the factors of the form's format."""
    factors = _unit_factors(form, modes, ranks)
    if form.scale != 1.0:
        factors[0] = factors[0] * factors[0].dtype.type(form.scale)
    return factors


def _unit_factors(
    form: Form, modes: tuple[int, ...], ranks: tuple[int, ...]
) -> list[np.ndarray]:
    if isinstance(form.work, Ring):
        return list(form.work.cores)
    if isinstance(form.work, Tucker):
        work = form.work
        pairs = zip(work.bases, modes, strict=True)
        return [work.core, *(_whole(basis, m, work.core.dtype) for basis, m in pairs)]
    if form.format == "tucker":
        return _as_tucker(form.work, modes, ranks)
    cores = split(list(form.work.cores), merged(modes, ranks).merges)
    if form.format == "svd":
        return [cores[0][0], cores[1][:, :, 0]]
    return cores


def _of_ring(
    ring: Ring, modes: tuple[int, ...], out: np.ndarray | None
) -> tuple[Form, np.ndarray]:
    Z = ring_tensor(ring.cores).reshape(modes)
    return Form("tr", ring, math.nan, 0.0), _into(Z, out)


def _is_two_sided(modes: tuple[int, ...], ranks: tuple[int, ...]) -> bool:
    """Say whether only the first and the last mode are compressed."""
    return all(m == r for m, r in zip(modes[1:-1], ranks[1:-1], strict=True))


def _train_shape(
    format: str, modes: tuple[int, ...], ranks: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Give the modes and ranks of the train that is worked on."""
    if format == "tucker":
        modes, ranks = _as_three(modes), (ranks[0], ranks[-1])
        ranks = ranks[: len(modes) - 1]
    joined = merged(modes, ranks)
    return joined.modes, joined.ranks


def _as_three(modes: tuple[int, ...]) -> tuple[int, ...]:
    """Give (first, all between, last): a train of them is the Tucker-2 tensor."""
    if len(modes) == 1:
        return modes
    return (modes[0], math.prod(modes[1:-1]), modes[-1])


def _as_tucker(
    train: Train, modes: tuple[int, ...], ranks: tuple[int, ...]
) -> list[np.ndarray]:
    if len(modes) == 1:
        core = train.cores[0]
        return [core.reshape(-1), np.eye(len(core.reshape(-1)), dtype=core.dtype)]
    three = _as_three(modes)
    first, middle, last = split(
        list(train.cores), merged(three, (ranks[0], ranks[-1])).merges
    )
    dtype = middle.dtype
    between = [np.eye(mode, dtype=dtype) for mode in modes[1:-1]]
    return [middle.reshape(ranks), first[0], *between, last[:, :, 0].T]


def _whole(basis: np.ndarray | None, mode: int, dtype: np.dtype) -> np.ndarray:
    return np.eye(mode, dtype=dtype) if basis is None else basis


def _into(Z: np.ndarray, out: np.ndarray | None) -> np.ndarray:
    if out is None:
        return Z
    out[...] = Z
    return out
