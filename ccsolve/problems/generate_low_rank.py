"""Seeded families of low-rank fits, for tests, documentation and benchmarks.

Each function gives the same program for the same arguments. The names in `FAMILIES`
cover what a method must survive: every format, ranks, tolerances and budgets, both
precisions, covariances that are plain, singular, of single modes and of several at
once, slow and fast spectra, tensors of exactly low rank, and modes of one element.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ccsolve.problems.low_rank import LowRankFit
from ccsolve.problems.tensor_formats import dense, factor_shapes, fitting_ranks


def weights(
    modes: tuple[int, ...], seed: int = 0, decay: float = 0.5, dtype: type = np.float64
) -> np.ndarray:
    """Give a tensor as trained weights are: power-law spectra of every mode.

    Noise whose j-th direction of each mode is j^-decay as strong, randomly reflected.
    """
    rng = np.random.default_rng(seed)
    tensor = rng.standard_normal(modes)
    for axis, mode in enumerate(modes):
        scale = np.arange(1, mode + 1) ** -decay
        mirror = rng.standard_normal(mode)
        mirror /= np.linalg.norm(mirror)
        moved = np.moveaxis(tensor, axis, -1) * scale
        moved -= 2.0 * (moved @ mirror)[..., None] * mirror
        tensor = np.ascontiguousarray(np.moveaxis(moved, -1, axis))
    return tensor.astype(dtype)


def moments(p: int, seed: int = 0, rank: int | None = None) -> np.ndarray:
    """Give E[xxᵀ] of p inputs that are related, (p, p); of that rank if given."""
    rng = np.random.default_rng(seed)
    samples = rng.standard_normal((4 * p if rank is None else rank, p))
    mixed = samples @ weights((p, p), seed + 1, 1.0)
    return mixed.T @ mixed / len(mixed)


def exact(
    format: str, modes: tuple[int, ...], ranks: tuple[int, ...], seed: int = 0
) -> np.ndarray:
    """Give a tensor of exactly these ranks, up to rounding."""
    rng = np.random.default_rng(seed)
    shapes = factor_shapes(format, modes, fitting_ranks(format, modes, ranks))
    return dense(format, [rng.standard_normal(shape) for shape in shapes], modes)


def _fit(
    format: str, modes: tuple[int, ...], norm: str = "", decay: float = 0.5, **ask: Any
) -> Callable[[int], LowRankFit]:
    """Give a family of one kind; ``norm`` names the covariance."""

    def make(seed: int) -> LowRankFit:
        last = modes[-1]
        covariance: Any = {
            "": lambda: None,
            "last": lambda: moments(last, seed),
            "singular": lambda: moments(last, seed, rank=last - 2),
            "modes": lambda: [moments(mode, seed + k) for k, mode in enumerate(modes)],
            "joint": lambda: moments(modes[-2] * last, seed),
        }[norm]()
        tensor = weights(modes, seed, decay, ask.get("dtype", np.float64))
        asked = {key: value for key, value in ask.items() if key != "dtype"}
        return LowRankFit(tensor, format, modes, covariance=covariance, **asked)

    return make


FAMILIES: dict[str, Callable[[int], LowRankFit]] = {
    "svd": _fit("svd", (6, 9), ranks=2),
    "svd, float32": _fit("svd", (9, 6), ranks=3, dtype=np.float32),
    "svd, tolerance": _fit("svd", (6, 9), tolerance=0.3),
    "svd, budget": _fit("svd", (7, 8), budget=0.6),
    "svd, covariance": _fit("svd", (6, 9), "last", ranks=2),
    "svd, singular": _fit("svd", (6, 9), "singular", budget=0.6),
    "svd, both sides": _fit("svd", (6, 9), "modes", tolerance=0.4),
    "svd, fast": _fit("svd", (8, 8), decay=4.0, ranks=3),
    "tucker": _fit("tucker", (5, 4, 6), ranks=(2, 3, 3)),
    "tucker-2": _fit("tucker", (6, 4, 5), ranks=(3, 2)),
    "tucker-2, tolerance": _fit("tucker", (6, 4, 5), tolerance=0.4),
    "tucker-2, budget": _fit("tucker", (6, 3, 6), budget=0.7),
    "tucker, budget, covariance": _fit("tucker", (5, 3, 6), "last", budget=60),
    "tucker, joint": _fit("tucker", (5, 3, 4), "joint", ranks=(2, 2, 2)),
    "tt": _fit("tt", (4, 3, 5), ranks=(2, 3)),
    "tt, float32": _fit("tt", (3, 2, 3, 2), ranks=2, dtype=np.float32),
    "tt, tolerance": _fit("tt", (4, 3, 3, 4), tolerance=0.35),
    "tt, budget": _fit("tt", (4, 3, 3, 4), budget=0.7),
    "tt, covariance": _fit("tt", (4, 3, 5), "last", budget=45),
    "tt, singular": _fit("tt", (4, 3, 5), "singular", tolerance=0.3),
    "tt, modes": _fit("tt", (4, 3, 5), "modes", ranks=2),
    "tt, joint": _fit("tt", (4, 3, 5), "joint", ranks=2),
    "tt, joint, budget": _fit("tt", (4, 3, 5), "joint", budget=45),
    "tt, joint, tolerance": _fit("tt", (4, 3, 5), "joint", tolerance=0.4),
    "tt, modes of one": _fit("tt", (1, 4, 1, 5, 1), ranks=2),
    "tr": _fit("tr", (4, 3, 5), ranks=2),
    "tr, plain": _fit("tr", (4, 3, 5), ranks=(2, 2, 3)),
    "tr, budget": _fit("tr", (4, 3, 5), budget=0.8),
    "tr, tolerance": _fit("tr", (4, 3, 5), tolerance=0.4),
    "tr, covariance": _fit("tr", (4, 3, 5), "last", ranks=(1, 2, 2)),
    "exact tt": lambda seed: LowRankFit(
        exact("tt", (4, 3, 3, 4), (2, 3, 2), seed), tolerance=0.0
    ),
    "zero": lambda seed: LowRankFit(np.zeros((3, 4, 2)), ranks=1),
}
"""Small programs by family and seed."""
