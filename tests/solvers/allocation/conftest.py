"""Small allocations of many kinds, for brute force."""

from collections.abc import Callable

import numpy as np
import pytest

from ccsolve.problems import RateAllocation

SmallAllocation = Callable[[str, int, int], RateAllocation]


@pytest.fixture
def small_allocation() -> SmallAllocation:
    """Give a function of (kind, budgets, seed); Infeasible for some budgets."""
    return _small


@pytest.fixture
def paired_allocation() -> Callable[[int], RateAllocation]:
    """Give a function of the seed: layers and pairs of all kinds; some Infeasible."""
    return _paired


@pytest.fixture
def just_missed() -> Callable[[int, float], RateAllocation]:
    """Give a function of (seed, share): budgets that a point exceeds by that share.

    Its cost at some prices is least of all, so that little can be saved on it.
    """
    return _just_missed


def _just_missed(seed: int, share: float) -> RateAllocation:
    rng = np.random.default_rng(seed)
    costs, losses = rng.random((18, 5, 3)), rng.random((18, 5))
    cheapest = (costs @ rng.random(3)).argmin(axis=1)
    spent = costs[np.arange(18), cheapest].sum(axis=0)
    return RateAllocation(list(losses), list(costs), spent * (1.0 - share))


def _small(kind: str, budgets: int, seed: int) -> RateAllocation:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 6, int(rng.integers(1, 6)))
    losses, costs = zip(
        *(_layer(kind, int(size), budgets, rng) for size in sizes), strict=True
    )
    least = np.sum([table.min(axis=0) for table in costs], axis=0)
    most = np.sum([table.max(axis=0) for table in costs], axis=0)
    allowed = least + rng.choice([0.0, 0.1, 0.3, 0.6, 1.0]) * (most - least)
    if kind in ("whole", "correlated", "degenerate"):
        allowed = np.floor(allowed)
    return RateAllocation(losses, costs, allowed)


def _layer(
    kind: str, size: int, budgets: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    if kind == "real":
        return rng.standard_normal(size), rng.random((size, budgets))
    if kind == "scaled":
        losses = 1e-9 * rng.random(size) + 1e-5
        return losses, rng.random((size, budgets)) * 10.0 ** np.arange(budgets) * 1e6
    if kind == "spread":
        losses = rng.random(size) * 10.0 ** rng.integers(-150, 150, size)
        costs = rng.random((size, budgets)) * 10.0 ** rng.integers(-150, 150, budgets)
        return losses, costs * (rng.random((size, budgets)) < 0.8)
    if kind == "whole":
        losses = rng.integers(-9, 10, size)
        return losses, rng.integers(0, 9, (size, budgets))
    if kind == "correlated":
        costs = rng.integers(1, 20, (size, budgets))
        return -costs.sum(axis=1) - 3, costs
    # Few values, so that options are duplicated; often nothing to lose or to pay.
    return rng.integers(0, 2, size), rng.integers(0, 2, (size, budgets))


def _paired(seed: int) -> RateAllocation:
    rng = np.random.default_rng(seed)
    layers, budgets = int(rng.integers(1, 5)), 1 + seed % 4
    sizes, tables = rng.integers(1, 5, layers), [{}, {}]
    for first in range(layers):
        for second in range(first + 1, layers):
            shape = sizes[first], sizes[second]
            if rng.random() < 0.5:
                tables[0][first, second] = rng.random((*shape, budgets))
            if rng.random() < 0.4:
                tables[1][first, second] = rng.standard_normal(shape)
    losses = [rng.standard_normal(size) for size in sizes]
    costs = [rng.random((size, budgets)) for size in sizes]
    allowed = 0.6 * (layers + len(tables[0])) * rng.uniform(0.5, 1.5, budgets)
    return RateAllocation(losses, costs, allowed, tables[0], pair_losses=tables[1])
