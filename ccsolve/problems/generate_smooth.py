"""Seeded families of smooth allocations, for tests, documentation and benchmarks.

Each function gives the same program for the same arguments. The names in `FAMILIES`
cover what a method must survive: both weightings, wide data, steep and flat curves,
layers that cannot move, and demands that are free, or all that there is.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ccsolve.problems.smooth_allocation import SmoothRateAllocation


def fitted(
    n: int, seed: int = 0, share: float = 0.5, **options: Any
) -> SmoothRateAllocation:
    """Give n layers with curves and MACs as networks have them.

    Losses that rise e- to e⁸-fold over the rates, from 1e-4 to 0.1 at rate 0; MACs
    lognormal around 1e7. A ``share`` of all MACs must go. ``options`` are those of the
    program.
    """
    rng = np.random.default_rng(seed)
    scale, rate = 10.0 ** rng.uniform(-4, -1, n), rng.uniform(1, 8, n)
    size = np.rint(1e7 * rng.lognormal(0.0, 1.0, n))
    return SmoothRateAllocation(scale, rate, size, share * size.sum(), **options)


def wide(n: int, seed: int = 0) -> SmoothRateAllocation:
    """Give scales over twelve decades, sizes over eight, rates from 0.01 to 100."""
    rng = np.random.default_rng(seed)
    size = 10.0 ** rng.uniform(-4, 4, n)
    return SmoothRateAllocation(
        10.0 ** rng.uniform(-6, 6, n),
        10.0 ** rng.uniform(-2, 2, n),
        size,
        rng.uniform(0.1, 0.9) * size.sum(),
        weighted=bool(seed % 2),
    )


def bounded(n: int, seed: int = 0) -> SmoothRateAllocation:
    """Give layers with floors and caps of their own, every third of which is fixed."""
    rng = np.random.default_rng(seed)
    floor, cap = np.sort(rng.random((2, n)), axis=0)
    floor[::3] = cap[::3]
    size = rng.random(n) + 0.1
    remove = float(0.5 * size @ (floor + cap))
    scale, rate = rng.random(n) + 0.01, rng.uniform(0.5, 9, n)
    return SmoothRateAllocation(scale, rate, size, remove, floor, cap)


def alike(n: int) -> SmoothRateAllocation:
    """Give n equal layers: all take the same rate."""
    ones = np.ones(n)
    return SmoothRateAllocation(ones, 3.0 * ones, ones, 0.4 * n)


FAMILIES: dict[str, Callable[[int, int], SmoothRateAllocation]] = {
    "fitted": fitted,
    "unweighted": lambda n, seed: fitted(n, seed, weighted=False),
    "wide": wide,
    "bounded": bounded,
    "alike": lambda n, seed: alike(n),
    "free": lambda n, seed: fitted(n, seed, share=0.0),
    "everything": lambda n, seed: fitted(n, seed, share=0.95),
}
"""Programs of n layers by family and seed."""
