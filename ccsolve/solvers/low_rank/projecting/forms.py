"""One form for all formats: a train, a Tucker tensor or a ring, and the way back."""

import math
from dataclasses import dataclass

import numpy as np

from ccsolve.linalg.gram import Leading, leading_subspace
from ccsolve.problems.tensor_formats import Modes, Ranks
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
    swept,
    train_tensor,
    warm_train,
)
from ccsolve.solvers.low_rank.projecting.tucker import (
    Tucker,
    cold_tucker,
    swept_tucker,
    tucker_tensor,
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
    T: np.ndarray, format: str, ranks: Ranks, out: np.ndarray | None = None
) -> tuple[Form, np.ndarray]:
    """Project T from nothing; give the form and Z."""
    form = cold_form(T, format, ranks)
    return form, tensor_of(form, T.shape, out)


def cold_form(
    T: np.ndarray, format: str, ranks: Ranks, leading: Leading = leading_subspace
) -> Form:
    """Project T from nothing: by TT-SVD, HOSVD or TR-SVD."""
    if format == "tr":
        return Form(format, cold_ring(T, ranks, leading), math.nan, 0.0)
    if format == "tucker" and not is_two_sided(T.shape, ranks):
        work = cold_tucker(T, ranks, leading)
    else:
        modes, bonds = _train_shape(format, T.shape, ranks)
        work = cold_train(T.reshape(modes), bonds, leading)
    return Form(format, work, work.energy, work.floor)


def warmed(
    T: np.ndarray, whole: float, old: Form, out: np.ndarray | None
) -> tuple[Form, np.ndarray]:
    """Project T, ‖T‖² = whole, by a step from the old form; give the new one and Z."""
    if isinstance(old.work, Train):
        work = warm_train(T.reshape(train_modes(old.work)), whole, old.work)
        form = Form(old.format, work, work.energy, 0.0)
    else:
        form = swept_form(T, old)
    return form, tensor_of(form, T.shape, out)


def swept_form(T: np.ndarray, old: Form) -> Form:
    """Give the form after one sweep of alternating least squares, half of a train."""
    if isinstance(old.work, Ring):
        return Form("tr", warm_ring(T, old.work), math.nan, 0.0)
    if isinstance(old.work, Tucker):
        work = swept_tucker(T, old.work)
    else:
        work = swept(T.reshape(train_modes(old.work)), old.work)
    return Form(old.format, work, work.energy, 0.0)


def tensor_of(form: Form, modes: Modes, out: np.ndarray | None = None) -> np.ndarray:
    """Give Z, written to ``out`` where given; without the form's scale."""
    if isinstance(form.work, Tucker):
        return tucker_tensor(form.work, out)
    if isinstance(form.work, Train):
        at = None if out is None else out.reshape(train_modes(form.work))
        return train_tensor(form.work, at).reshape(modes)
    Z = ring_tensor(form.work.cores).reshape(modes)
    if out is None:
        return Z
    out[...] = Z
    return out


def factors_of(form: Form, modes: Modes, ranks: Ranks) -> list[np.ndarray]:
    """Give the factors of the form's format."""
    factors = _unit_factors(form, modes, ranks)
    if form.scale != 1.0:
        factors[0] = factors[0] * factors[0].dtype.type(form.scale)
    return factors


def _unit_factors(form: Form, modes: Modes, ranks: Ranks) -> list[np.ndarray]:
    work = form.work
    if isinstance(work, Ring):
        return list(work.cores)
    if isinstance(work, Tucker):
        pairs = zip(work.bases, modes, strict=True)
        return [work.core, *(_whole(basis, m, work.core.dtype) for basis, m in pairs)]
    if form.format == "tucker":
        return _as_tucker(work, modes, ranks)
    cores = split(list(work.cores), merged(modes, ranks).merges)
    return [cores[0][0], cores[1][:, :, 0]] if form.format == "svd" else cores


def train_modes(train: Train) -> Modes:
    """Give the modes of a train's tensor."""
    return tuple(core.shape[1] for core in train.cores)


def is_two_sided(modes: Modes, ranks: Ranks) -> bool:
    """Say whether only the first and the last mode are compressed."""
    return all(m == r for m, r in zip(modes[1:-1], ranks[1:-1], strict=True))


def _train_shape(format: str, modes: Modes, ranks: Ranks) -> tuple[Modes, Ranks]:
    """Give the modes and ranks of the train that is worked on."""
    if format == "tucker":
        modes, ranks = as_three(modes), (ranks[0], ranks[-1])
        ranks = ranks[: len(modes) - 1]
    joined = merged(modes, ranks)
    return joined.modes, joined.ranks


def as_three(modes: Modes) -> Modes:
    """Give (first, all between, last): a train of them is the Tucker-2 tensor."""
    if len(modes) == 1:
        return modes
    return (modes[0], math.prod(modes[1:-1]), modes[-1])


def _as_tucker(train: Train, modes: Modes, ranks: Ranks) -> list[np.ndarray]:
    if len(modes) == 1:
        column = train.cores[0].reshape(-1, 1)
        return [np.ones(1, column.dtype), column]
    three = as_three(modes)
    first, middle, last = split(
        list(train.cores), merged(three, (ranks[0], ranks[-1])).merges
    )
    dtype = middle.dtype
    between = [np.eye(mode, dtype=dtype) for mode in modes[1:-1]]
    return [middle.reshape(ranks), first[0], *between, last[:, :, 0].T]


def _whole(basis: np.ndarray | None, mode: int, dtype: np.dtype) -> np.ndarray:
    return np.eye(mode, dtype=dtype) if basis is None else basis
