"""Seeded families of channel selections, for tests, documentation and benchmarks.

Each function gives the same program for the same arguments on every machine. The names
in `FAMILIES` cover what a method must survive: definite and indefinite curvature, both
forms, every combination of constraints, and degenerate data.
"""

from collections.abc import Callable

import numpy as np

from ccsolve.problems.selection import ChannelSelection


def k_cluster(n: int, density: float, keep: int, seed: int = 0) -> ChannelSelection:
    """Densest subgraph on ``keep`` vertices of a random graph G(n, density).

    The objective is minus the number of edges inside (Billionnet's family); integer.
    """
    rng = np.random.default_rng(seed)
    edges = np.triu(rng.random((n, n)) < density, 1).astype(np.float64)
    return ChannelSelection(-0.5 * (edges + edges.T), keep=keep)


def diversity(n: int, keep: int, seed: int = 0, largest: int = 10) -> ChannelSelection:
    """Maximum diversity with whole distances 0..largest (MDG-a and SOM-b laws).

    The objective is minus the sum of the distances inside; integer.
    """
    rng = np.random.default_rng(seed)
    distances = np.triu(rng.integers(0, largest + 1, (n, n)), 1).astype(np.float64)
    return ChannelSelection(-0.5 * (distances + distances.T), keep=keep)


def euclidean_diversity(
    n: int, keep: int, seed: int = 0, dimension: int = 8
) -> ChannelSelection:
    """Maximum diversity of points uniform in [0, 10]^dimension (GKD law).

    -D is convex on 1ᵀx = 0 for Euclidean distances D, so relaxations are tight.
    """
    points = np.random.default_rng(seed).uniform(0, 10, (n, dimension))
    squared = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    return ChannelSelection(-0.5 * np.sqrt(squared), keep=keep)


def cancelling(
    n: int, keep: int | None = None, rank: int | None = None, seed: int = 0
) -> ChannelSelection:
    """‖Jz‖² with Gaussian J (rank, n): positive semidefinite, the optimum near zero.

    The hard family of CCP: rank = n and keep = n/2 unless given. A random choice costs
    about keep, the optimum a small part of that, by cancellation between channels.
    """
    rank = n if rank is None else rank
    J = np.random.default_rng(seed).standard_normal((rank, n)) / np.sqrt(rank)
    return ChannelSelection(J.T @ J, keep=n // 2 if keep is None else keep)


def loss_model(
    n: int, keep: int, samples: int = 256, seed: int = 0, *, factored: bool = False
) -> ChannelSelection:
    """A Taylor model as networks give it: correlated, skewed gate gradients.

    Per-sample gradients are a few shared directions plus noise, channels differ in
    scale by a lognormal factor, and the mean gradient is small against the curvature.
    """
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal((samples, 4)) @ rng.standard_normal((4, n))
    scale = rng.lognormal(0.0, 1.0, n)
    rows = scale * (shared + rng.standard_normal((samples, n))) / np.sqrt(samples)
    gradient = 0.1 * scale * rng.standard_normal(n)
    if factored:
        return ChannelSelection.from_removal(
            factor=rows, gradient=gradient, keep=keep, damping=0.01
        )
    return ChannelSelection.from_removal(
        rows.T @ rows, gradient, keep=keep, damping=0.01
    )


def _indefinite(n: int, rng: np.random.Generator) -> np.ndarray:
    A = rng.standard_normal((n, n))
    return A + A.T


def _any_sign(n: int, seed: int, **constraints: object) -> ChannelSelection:
    rng = np.random.default_rng(seed)
    Q, q = _indefinite(n, rng), rng.standard_normal(n)
    return ChannelSelection(Q, q, constant=1.5, **constraints)  # pyright: ignore


def _costs(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed + 1).integers(1, 10, n).astype(np.float64)


def _budgeted(n: int, seed: int) -> ChannelSelection:
    cost = _costs(n, seed)
    keep = max(1, n // 2)
    budget = 0.5 * (np.sort(cost)[:keep].sum() + np.sort(cost)[-keep:].sum())
    return _any_sign(n, seed, keep=keep, cost=cost, budget=budget)


def _budget_only(n: int, seed: int) -> ChannelSelection:
    cost = _costs(n, seed)
    return _any_sign(n, seed, cost=cost, budget=0.4 * cost.sum())


def _partly_fixed(n: int, seed: int) -> ChannelSelection:
    fixed = np.full(n, -1)
    fixed[0], fixed[n // 2] = 1, 0
    return _any_sign(n, seed, keep=max(1, n // 2), fixed=fixed)


def _factored_budget(n: int, seed: int) -> ChannelSelection:
    rng = np.random.default_rng(seed)
    cost = _costs(n, seed)
    return ChannelSelection(
        factor=rng.standard_normal((3, n)),
        diagonal=rng.standard_normal(n),
        q=rng.standard_normal(n),
        cost=cost,
        budget=0.5 * cost.sum(),
    )


def _rank_one(n: int, seed: int) -> ChannelSelection:
    v = np.random.default_rng(seed).standard_normal(n)
    return ChannelSelection(np.outer(v, v), keep=n // 2)


def _duplicated(n: int, seed: int) -> ChannelSelection:
    rng = np.random.default_rng(seed)
    J = rng.standard_normal((n, n // 2 + 1))[:, np.arange(n) // 2]
    return ChannelSelection(J.T @ J, keep=n // 2)


def _scaled(n: int, seed: int, scale: float) -> ChannelSelection:
    base = loss_model(n, n // 2, 32, seed)
    assert base.Q is not None
    return ChannelSelection(scale * base.Q, scale * base.q, keep=n // 2)


FAMILIES: dict[str, Callable[[int, int], ChannelSelection]] = {
    "k_cluster": lambda n, seed: k_cluster(n, 0.5, max(1, n // 4), seed),
    "diversity": lambda n, seed: diversity(n, max(1, n // 3), seed),
    "euclidean": lambda n, seed: euclidean_diversity(n, max(1, n // 3), seed),
    "cancelling": lambda n, seed: cancelling(n, seed=seed),
    "loss_model": lambda n, seed: loss_model(n, n // 2, 64, seed),
    "factored": lambda n, seed: loss_model(n, n // 2, 4, seed, factored=True),
    "indefinite": lambda n, seed: _any_sign(n, seed, keep=n // 2),
    "budgeted": _budgeted,
    "budget_only": _budget_only,
    "factored_budget": _factored_budget,
    "unconstrained": _any_sign,
    "partly_fixed": _partly_fixed,
    "constant": lambda n, seed: ChannelSelection(np.ones((n, n)), keep=n // 2),
    "zero": lambda n, seed: ChannelSelection(np.zeros((n, n)), keep=n // 2),
    "rank_one": _rank_one,
    "duplicated": _duplicated,
    "concave": lambda n, seed: ChannelSelection(-100.0 * np.eye(n), keep=n // 2),
    "tiny": lambda n, seed: _scaled(n, seed, 1e-12),
    "huge": lambda n, seed: _scaled(n, seed, 1e12),
    "keep_one": lambda n, seed: _any_sign(n, seed, keep=1),
    "keep_all_but_one": lambda n, seed: _any_sign(n, seed, keep=n - 1),
    "keep_none": lambda n, seed: _any_sign(n, seed, keep=0),
    "keep_all": lambda n, seed: _any_sign(n, seed, keep=n),
}
"""Family name -> function of (n, seed), n >= 4."""
