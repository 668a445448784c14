"""Seeded families of reconstructions, for tests, documentation and benchmarks."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ccsolve.problems.reconstruction import ReconstructionSelection


def layer(
    channels: int,
    group: int,
    outputs: int,
    keep: int,
    seed: int = 0,
    *,
    decay: float = 0.5,
    ridge: float = 1e-3,
    weights: Any = None,
) -> ReconstructionSelection:
    """Give a convolution's moments as networks have them.

    The inputs are mixtures of d sources of standard deviations i^-decay, so that the
    spectrum of their moments falls as a power law; a channel's columns share half of
    their variance, channels differ in scale by a lognormal factor, and the dense
    weights are Gaussian. O(d³): 10 s at d = 4,608.
    """
    rng = np.random.default_rng(seed)
    d = channels * group
    sources = rng.standard_normal((d, d)) * np.arange(1.0, d + 1.0)[:, None] ** -decay
    parts = sources.reshape(d, channels, group)
    parts += parts.mean(axis=2, keepdims=True) * np.sqrt(group)
    parts *= rng.lognormal(0.0, 0.5, channels)[None, :, None]
    dense = rng.standard_normal((d, outputs)) / np.sqrt(d)
    return ReconstructionSelection.from_layer(
        sources.T @ sources, dense, keep, group=group, weights=weights, ridge=ridge
    )


def regression(
    channels: int,
    group: int,
    outputs: int,
    keep: int,
    seed: int = 0,
    *,
    samples: int = 200,
    **rest: Any,
) -> ReconstructionSelection:
    """Give drawn inputs and outputs: unlike a layer's, no weights give them exactly."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((samples, channels * group))
    x[:, 1:] += 0.8 * x[:, :-1]
    y = x @ rng.standard_normal((channels * group, outputs))
    y += rng.standard_normal(y.shape)
    moments, cross = x.T @ x / samples, x.T @ y / samples
    return ReconstructionSelection(moments, cross, keep, group, **rest)


def _weighted(n: int, seed: int, full: bool) -> ReconstructionSelection:
    rng = np.random.default_rng(seed + 1)
    rows = rng.standard_normal((3, 5))
    weights = rows.T @ rows if full else rng.random(5)
    return layer(n, 2, 5, n // 2, seed, weights=weights)


def _duplicated(n: int, seed: int) -> ReconstructionSelection:
    """Every channel twice, without a ridge: singular, half of them cost nothing."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((100, (n + 1) // 2))[:, np.arange(n) // 2]
    dense = rng.standard_normal((n, 3))
    return ReconstructionSelection.from_layer(x.T @ x / 100, dense, n // 2)


def _dead(n: int, seed: int) -> ReconstructionSelection:
    """The first channel never varies; a ReLU leaves such ones."""
    base = regression(n, 2, 3, n // 2, seed)
    moments, cross = base.moments.copy(), base.cross.copy()
    moments[:2], moments[:, :2], cross[:2] = 0, 0, 0
    return ReconstructionSelection(moments, cross, n // 2, 2)


def _scaled(n: int, seed: int, scale: float) -> ReconstructionSelection:
    base = regression(n, 2, 3, n // 2, seed)
    return ReconstructionSelection(
        scale * base.moments, scale * base.cross, n // 2, 2, None, scale * 40.0
    )


FAMILIES: dict[str, Callable[[int, int], ReconstructionSelection]] = {
    "layer": lambda n, seed: layer(n, 1, 4, n // 2, seed),
    "layer_grouped": lambda n, seed: layer(n, 3, 4, n // 2, seed),
    "layer_steep": lambda n, seed: layer(n, 2, 4, n // 3, seed, decay=2.0),
    "regression": lambda n, seed: regression(n, 2, 3, n // 2, seed),
    "weighted_diagonal": lambda n, seed: _weighted(n, seed, full=False),
    "weighted_full": lambda n, seed: _weighted(n, seed, full=True),
    "few_samples": lambda n, seed: regression(n, 2, 3, n // 2, seed, samples=n),
    "duplicated": _duplicated,
    "dead": _dead,
    "many_outputs": lambda n, seed: layer(n, 1, 3 * n, n // 2, seed),
    "one_output": lambda n, seed: layer(n, 2, 1, n // 2, seed),
    "independent": lambda n, seed: ReconstructionSelection(
        np.eye(n), np.ones((n, 2)), n // 2
    ),
    "nothing_to_fit": lambda n, seed: ReconstructionSelection(
        np.eye(n), np.zeros((n, 2)), n // 2
    ),
    "tiny": lambda n, seed: _scaled(n, seed, 1e-12),
    "huge": lambda n, seed: _scaled(n, seed, 1e12),
    "keep_one": lambda n, seed: regression(n, 2, 3, 1, seed),
    "keep_all_but_one": lambda n, seed: regression(n, 2, 3, n - 1, seed),
    "keep_none": lambda n, seed: regression(n, 2, 3, 0, seed),
    "keep_all": lambda n, seed: regression(n, 2, 3, n, seed),
}
"""Family name -> function of (n, seed), n >= 4."""
