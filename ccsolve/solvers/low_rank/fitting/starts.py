"""From factors to the form that sweeps work on."""

from collections.abc import Sequence

import numpy as np

from ccsolve.linalg.energy import energy
from ccsolve.linalg.orthonormal import orthonormal
from ccsolve.problems.tensor_formats import Ranks, ranks_of
from ccsolve.solvers.low_rank.projecting.chains import as_columns, as_rows, centred
from ccsolve.solvers.low_rank.projecting.forms import Form, is_two_sided
from ccsolve.solvers.low_rank.projecting.merging import merged
from ccsolve.solvers.low_rank.projecting.ring import Ring
from ccsolve.solvers.low_rank.projecting.train import Train
from ccsolve.solvers.low_rank.projecting.tucker import Tucker, along


def form_of(format: str, factors: Sequence[np.ndarray]) -> tuple[Form, Ranks]:
    """Give the form of the tensor with these factors, and its ranks.

    Bonds of full rank are merged; a Tucker rank above its mode is lowered to it.
    """
    ranks = ranks_of(format, factors)
    if format == "tr":
        return Form(format, Ring(tuple(factors), True), np.nan, 0.0), ranks
    if format == "svd":
        left, right = factors
        return _train(format, [left[None], right[:, :, None]], ranks), ranks
    if format == "tt":
        return _train(format, list(factors), ranks), ranks
    core, bases = _narrow(factors)
    modes = tuple(len(basis) for basis in bases)
    if is_two_sided(modes, core.shape):
        return _two_sided(core, bases), core.shape
    return _tucker(core, bases), core.shape


def _narrow(factors: Sequence[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Give a core and bases with no more columns than rows."""
    core, *bases = factors
    for k, basis in enumerate(bases):
        if basis.shape[0] < basis.shape[1]:
            core = along(core, basis, k)
            bases[k] = np.eye(len(basis), dtype=basis.dtype)
    return core, bases


def _two_sided(core: np.ndarray, bases: Sequence[np.ndarray]) -> Form:
    if len(bases) == 1:
        return _train("tucker", [(bases[0] @ core)[None, :, None]], ())
    first, last = core.shape[0], core.shape[-1]
    for k, basis in enumerate(bases[1:-1], start=1):
        core = along(core, basis, k)
    ends = bases[0][None], np.ascontiguousarray(bases[-1].T)[:, :, None]
    cores = [ends[0], core.reshape(first, -1, last), ends[1]]
    return _train("tucker", cores, (first, last))


def _train(format: str, cores: list[np.ndarray], ranks: Ranks) -> Form:
    modes = tuple(core.shape[1] for core in cores)
    for k, _, _, _ in merged(modes, ranks).merges:
        wide = as_rows(cores[k]) @ as_columns(cores[k + 1])
        shape = (cores[k].shape[0], -1, cores[k + 1].shape[2])
        cores[k : k + 2] = [wide.reshape(shape)]
    cores = centred(cores, 0, len(cores) - 1)
    size = energy(cores[-1])
    return Form(format, Train(tuple(cores), len(cores) - 1, True, size, 0.0), size, 0.0)


def _tucker(core: np.ndarray, bases: Sequence[np.ndarray]) -> Form:
    found: list[np.ndarray | None] = []
    for k, basis in enumerate(bases):
        square = basis.shape[0] == basis.shape[1]
        Q = None if square else orthonormal(basis)
        core = along(core, basis if Q is None else Q.T @ basis, k)
        found.append(Q)
    held = next(k for k, basis in enumerate(found) if basis is not None)
    size = energy(core)
    return Form("tucker", Tucker(core, tuple(found), held, size, 0.0), size, 0.0)
