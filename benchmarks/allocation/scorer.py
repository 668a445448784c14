"""What points are worth, from raw tables: nothing is shared with the solvers."""

from typing import NamedTuple

import numpy as np

from benchmarks.allocation.instances import Instance
from ccsolve.problems import SmoothRateAllocation


class Score(NamedTuple):
    """The mean loss over the points given, and the largest relative excess."""

    loss: float
    excess: float


def score(instance: Instance, x: np.ndarray | None) -> Score | None:
    """Score a point, or a front's points against their budgets; None without one."""
    if x is None:
        return None
    problem = instance.problem
    if isinstance(problem, SmoothRateAllocation):
        weights = problem.size if problem.weighted else np.ones(len(problem.size))
        loss = np.sum(weights * problem.scale * np.exp(problem.rate * x))
        lacking = 1.0 - float(np.sum(problem.size * x)) / problem.remove
        return Score(float(loss), max(0.0, lacking))
    points = np.atleast_2d(x)
    budgets = np.broadcast_to(
        instance.budgets[:, None] if len(points) > 1 else instance.budgets[None],
        (len(points), problem.flat_costs.shape[1]),
    )
    if (points < 0).any():
        return None
    losses, excess = [], 0.0
    for point, limit in zip(points, budgets, strict=True):
        pairs = list(zip(problem.losses, problem.costs, point, strict=True))
        losses.append(sum(float(own[j]) for own, _, j in pairs))
        spent = np.sum([paid[j] for _, paid, j in pairs], axis=0)
        excess = max(excess, float((spent / limit).max()) - 1.0)
    return Score(float(np.mean(losses)), max(0.0, excess))
