"""Who projects: each makes, for a case, a function from tensors to tensors."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.linalg

from benchmarks.low_rank.cases import Case, Tensors

Project = Callable[[Tensors], Tensors]
One = Callable[[np.ndarray, tuple[int, ...]], np.ndarray]


def _each(case: Case, one: One) -> Project:
    ranks = [ranks for _, ranks in case.layers]
    return lambda T: [one(t, r) for t, r in zip(T, ranks, strict=True)]


def cold(case: Case) -> Project:
    """Project anew at every step."""
    from ccsolve.solvers.low_rank.projection import project

    return _each(case, lambda t, r: project(t, case.kind, r).tensor)


def warm(case: Case) -> Project:
    """Project from the projection before; its buffer holds the tensor."""
    from ccsolve.solvers.low_rank.projection import project

    last: list[Any] = [None] * len(case.layers)
    buffers: list[Any] = [None] * len(case.layers)

    def run(T: Tensors) -> Tensors:
        for k, (t, (_, ranks)) in enumerate(zip(T, case.layers, strict=True)):
            if buffers[k] is None:
                buffers[k] = np.empty_like(t)
            out = buffers[k]
            last[k] = project(t, case.kind, ranks, warm=last[k], out=out)
        return [p.tensor for p in last]

    return run


def refined(case: Case) -> Project:
    """Project anew, then four warm steps on the same tensor."""
    from ccsolve.solvers.low_rank.projection import project

    def one(t: np.ndarray, ranks: tuple[int, ...]) -> np.ndarray:
        p = project(t, case.kind, ranks)
        for _ in range(4):
            p = project(t, case.kind, ranks, warm=p)
        return p.tensor

    return _each(case, one)


def tensorly(case: Case) -> Project:
    """Its tensor_train or partial_tucker with five iterations, and the tensor."""
    import tensorly as tl
    from tensorly.decomposition import partial_tucker, tensor_train
    from tensorly.tenalg.core_tenalg import multi_mode_dot

    def train(t: np.ndarray, ranks: tuple[int, ...]) -> np.ndarray:
        return np.asarray(tl.tt_to_tensor(tensor_train(t, [1, *ranks, 1])))

    def two(t: np.ndarray, ranks: tuple[int, ...]) -> np.ndarray:
        (core, factors), _ = partial_tucker(
            t, [ranks[0], ranks[-1]], modes=[0, 2], n_iter_max=5, tol=0.0
        )
        return np.asarray(multi_mode_dot(core, factors, modes=[0, 2]))

    return _each(case, two if case.kind == "tucker" else train)


def published(case: Case) -> Project:
    """The loop of Yin et al. in plain numpy: an SVD at each bond, S·Vᵀ by diag(s)."""

    def one(t: np.ndarray, ranks: tuple[int, ...]) -> np.ndarray:
        cores, rest, before = [], t, 1
        for mode, rank in zip(t.shape, ranks, strict=False):
            matrix = rest.reshape(before * mode, -1)
            P, s, Q = np.linalg.svd(matrix, full_matrices=False)
            rank = min(rank, len(s))
            cores.append(P[:, :rank].reshape(before, mode, rank))
            rest, before = np.diag(s[:rank]) @ Q[:rank], rank
        Z = rest.reshape(before, -1)
        for core in reversed(cores):
            Z = (core.reshape(-1, core.shape[2]) @ Z).reshape(core.shape[0], -1)
        return Z.reshape(t.shape)

    return _each(case, one)


def tntorch(case: Case) -> Project:
    """Its TT rounding by eigendecompositions, the quicker of its two ways."""
    import tntorch as tn
    import torch

    def one(t: np.ndarray, ranks: tuple[int, ...]) -> np.ndarray:
        tensor = tn.Tensor(torch.from_numpy(t), ranks_tt=list(ranks), algorithm="eig")
        return tensor.torch().numpy()

    return _each(case, one)


def numpy_svd(case: Case) -> Project:
    """Numpy's SVD, truncated."""

    def one(t: np.ndarray, ranks: tuple[int, ...]) -> np.ndarray:
        u, s, v = np.linalg.svd(t, full_matrices=False)
        return (u[:, : ranks[0]] * s[: ranks[0]]) @ v[: ranks[0]]

    return _each(case, one)


def scipy_svd(case: Case) -> Project:
    """Scipy's gesdd, truncated."""

    def one(t: np.ndarray, ranks: tuple[int, ...]) -> np.ndarray:
        u, s, v = scipy.linalg.svd(t, full_matrices=False, check_finite=False)
        return (u[:, : ranks[0]] * s[: ranks[0]]) @ v[: ranks[0]]

    return _each(case, one)


def _sklearn(steps: Any) -> Callable[[Case], Project]:
    def make(case: Case) -> Project:
        from sklearn.utils.extmath import randomized_svd

        def one(t: np.ndarray, ranks: tuple[int, ...]) -> np.ndarray:
            u, s, v = randomized_svd(t, ranks[0], n_iter=steps, random_state=0)
            return (u * s) @ v

        return _each(case, one)

    return make


def covariance(n: int) -> np.ndarray:
    """Give the moments that whitened cases share, of 2n samples of falling size."""
    rng = np.random.default_rng(7)
    X = rng.standard_normal((2 * n, n), dtype=np.float32)
    X *= np.arange(1, n + 1, dtype=np.float32) ** -0.5
    return X.T @ X / np.float32(2 * n)


def whitened_cold(case: Case) -> Project:
    """Eigenvectors of W·C·Wᵀ."""
    from ccsolve.linalg.whitened import whitened_pair

    C = covariance(case.layers[0][0][1])
    return _each(case, lambda t, r: np.matmul(*whitened_pair(t, C, r[0])))


def whitened_warm(case: Case) -> Project:
    """One step from the columns before."""
    from ccsolve.linalg.whitened import whitened_pair, whitened_step

    C, last = covariance(case.layers[0][0][1]), []

    def one(t: np.ndarray, ranks: tuple[int, ...]) -> np.ndarray:
        old = last.pop() if last else None
        pair = whitened_step(t, C, old) if old is not None else None
        pair = pair or whitened_pair(t, C, ranks[0])
        last.append(pair.left)
        return np.matmul(*pair)

    return _each(case, one)


def cholesky(case: Case) -> Project:
    """The recipe of SVD-LLM: a Cholesky factor, an SVD, and a triangular solve."""
    C = covariance(case.layers[0][0][1])

    def one(t: np.ndarray, ranks: tuple[int, ...]) -> np.ndarray:
        L = scipy.linalg.cholesky(C, lower=True, check_finite=False)
        u, s, v = scipy.linalg.svd(t @ L, full_matrices=False, check_finite=False)
        r = ranks[0]
        rows = (s[:r, None] * v[:r]).T
        right = scipy.linalg.solve_triangular(L, rows, lower=True, trans=1).T
        return u[:, :r] @ right

    return _each(case, one)


Contenders = dict[str, Callable[[Case], Project]]

_OURS: Contenders = {"ccsolve cold": cold, "ccsolve warm": warm}

BY_KIND: dict[str, Contenders] = {
    "tt": {
        **_OURS,
        "tensorly": tensorly,
        "published loop": published,
        "tntorch": tntorch,
    },
    "tucker": {"ccsolve cold": cold, "ccsolve refined": refined, "tensorly": tensorly},
    "svd": {
        **_OURS,
        "numpy SVD": numpy_svd,
        "scipy SVD": scipy_svd,
        "sklearn q = 2": _sklearn(2),
        "sklearn q = 4": _sklearn(4),
    },
    "whitened": {
        "ccsolve cold": whitened_cold,
        "ccsolve warm": whitened_warm,
        "Cholesky, SVD, solve": cholesky,
    },
}


def names(kinds: Sequence[str]) -> list[str]:
    """Give all contenders of these kinds, in order."""
    return list(dict.fromkeys(name for kind in kinds for name in BY_KIND[kind]))
