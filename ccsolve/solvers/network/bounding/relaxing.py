"""The convex relaxation at fixed slopes of the costs: where its tangent is high."""

import numpy as np

from ccsolve.solvers.network.bounding.separable import Split

ROUNDS, HALVINGS = 80, 10
"""Gradients at one price, and halvings of the interval that the price lies in."""


def relaxed(split: Split, slopes: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Minimise own(y) + yᵀMy + price·Σ slopes_g·y_i over the box, (n,).

    The price is the least, up to a few per cent, at which the widths Σ_{i∈g} y_i keep
    all budgets: with slopes (G,) of the costs at the right widths the minimiser is that
    of the Lagrangian relaxation, where the bound of the tangent is highest. Accelerated
    projected gradients (Nesterov 1983), each price from the point of the one before;
    O(n²) a round, O(mn) with a factor. Heuristic: any point gives a bound.
    """
    cost = slopes[split.problem.groups]
    step = 0.5 / _rise(split)
    low, high, y = 0.0, 1.0, start
    while high < 2.0**20:
        y = _descended(split, split.linear + high * cost, step, y)
        if _fits(split, y):
            break
        low, high = high, 2.0 * high
    best = y
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        y = _descended(split, split.linear + middle * cost, step, y)
        if _fits(split, y):
            high, best = middle, y
        else:
            low = middle
        if high - low < 0.01 * high:
            break
    return best


def _fits(split: Split, y: np.ndarray) -> bool:
    problem = split.problem
    return problem.fits(np.bincount(problem.groups, weights=y, minlength=problem.count))


def _slope(split: Split, y: np.ndarray) -> np.ndarray:
    """Give half of the gradient of the quadratic part, (n,)."""
    found = split.rest.slope(split.rest.image(y))
    for own, block in zip(split.problem.members, split.blocks, strict=True):
        if block is not None:
            found[own] += block @ y[own]
    return found


def _rise(split: Split) -> float:
    """Give about the largest eigenvalue of the quadratic part, from above."""
    v = np.ones(split.problem.n)
    size = 1.0
    for _ in range(20):
        v = _slope(split, v / np.linalg.norm(v))
        size = max(float(np.linalg.norm(v)), 1e-300)
    return 1.1 * size


def _descended(
    split: Split, linear: np.ndarray, step: float, y: np.ndarray
) -> np.ndarray:
    fixed, ahead, t = split.problem.fixed, y, 1.0
    for _ in range(ROUNDS):
        after = np.clip(ahead - step * (2.0 * _slope(split, ahead) + linear), 0.0, 1.0)
        if fixed is not None:
            after = np.where(fixed >= 0, fixed == 1, after)
        following = 0.5 * (1.0 + np.sqrt(1.0 + 4.0 * t * t))
        turned = float((ahead - after) @ (after - y)) > 0
        weight = 0.0 if turned else (t - 1.0) / following
        ahead, y = after + weight * (after - y), after
        t = 1.0 if turned else following
    return y
