"""Chains of cores: products, contractions with a tensor, orthogonality."""

from collections.abc import Sequence

import numpy as np

from ccsolve.linalg.orthonormal import orthonormal

Core = np.ndarray
"""(r_before, mode, r_behind)"""


def as_rows(core: Core) -> np.ndarray:
    """Give the core as (r_before·mode, r_behind)."""
    return core.reshape(-1, core.shape[2])


def as_columns(core: Core) -> np.ndarray:
    """Give the core as (r_before, mode·r_behind)."""
    return core.reshape(core.shape[0], -1)


def product(cores: Sequence[Core]) -> np.ndarray:
    """Give the product of neighbouring cores, (r_first, all modes, r_last)."""
    result = cores[0]
    for core in cores[1:]:
        wide = result.reshape(-1, core.shape[0]) @ as_columns(core)
        result = wide.reshape(result.shape[0], -1, core.shape[2])
    return result


def centred(cores: Sequence[Core], centre: int, target: int) -> list[Core]:
    """Give the same train with its centre moved to the right, to ``target`` at least.

    Cores before the centre have orthonormal columns, those behind it orthonormal rows.
    """
    cores = list(cores)
    for k in range(centre, target):
        rows = as_rows(cores[k])
        Q = orthonormal(rows)
        wide = (Q.T @ rows) @ as_columns(cores[k + 1])
        cores[k] = Q.reshape(cores[k].shape)
        cores[k + 1] = wide.reshape(cores[k + 1].shape)
    return cores


def centred_left(cores: Sequence[Core], centre: int, target: int) -> list[Core]:
    """Give the same train with its centre moved to the left, to ``target`` at most."""
    cores = list(cores)
    for k in range(centre, target, -1):
        columns = as_columns(cores[k])
        Q = orthonormal(columns.T)
        wide = as_rows(cores[k - 1]) @ (columns @ Q)
        cores[k] = Q.T.reshape(cores[k].shape)
        cores[k - 1] = wide.reshape(cores[k - 1].shape)
    return cores
