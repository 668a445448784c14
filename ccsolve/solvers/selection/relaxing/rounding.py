"""Points for relaxations: the first one, and what rounding and swaps make."""

from collections.abc import Iterator

import numpy as np

from ccsolve.iterate import Step
from ccsolve.problems import ChannelSelection
from ccsolve.problems.sampling import complete, feasible_point
from ccsolve.solvers.selection.relaxing.convex_form import (
    ConvexForm,
    evaluate,
    hastily_convex,
    tangent,
)
from ccsolve.solvers.selection.searching.engine import Engine


def first_step(problem: ChannelSelection, form: ConvexForm) -> Step:
    """Give a feasible point and a finite bound at once; O(n²), O(mn) factored.

    The bound is a tangent at the point, of a form made convex by Gershgorin's discs.
    """
    z = feasible_point(problem)
    convex = hastily_convex(form)
    best = tangent(convex, evaluate(convex, z.astype(np.float64)))
    return Step(z, problem.objective(z), best.bound, prices(problem, best.price))


def prices(problem: ChannelSelection, price: float) -> dict[str, np.ndarray] | None:
    """Give the price of the budget as a solution's ``duals``; None without a budget."""
    return None if problem.cost is None else {"budget": np.array([price])}


def nearest_point(problem: ChannelSelection, z: np.ndarray) -> np.ndarray:
    """Give the feasible point that follows the largest entries of z, (n,) bool."""
    return complete(problem, np.argsort(-z, kind="stable"), 0.5 - z)


def random_rounding(
    problem: ChannelSelection, z: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Give a feasible point at random: entry i is taken with a chance near z_i."""
    return nearest_point(problem, z + rng.uniform(-0.5, 0.5, z.size))


def rounded_points(engine: Engine, z: np.ndarray, count: int) -> Iterator[Step]:
    """Round a relaxed point ``count`` times, nearest first, and descend from each."""
    for trial in range(count):
        if trial == 0:
            point = nearest_point(engine.problem, z)
        else:
            point = random_rounding(engine.problem, z, engine.rng)
        yield from engine.descend(point)
