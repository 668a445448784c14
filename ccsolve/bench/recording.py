"""Solve and note every improvement, so that both curves can be scored and drawn."""

import math
from dataclasses import dataclass

import numpy as np

from ccsolve.api import solve
from ccsolve.iterate import Progress
from ccsolve.problems import ChannelSelection
from ccsolve.solution import Solution


@dataclass(frozen=True)
class Record:
    """A solution, with every improvement on the way and its seconds.

    ``points`` hold (n,) bool arrays, ``bounds`` values; the last of each is the
    solution's own.
    """

    solution: Solution
    points: list[tuple[float, np.ndarray]]
    bounds: list[tuple[float, float]]


def recorded(
    problem: ChannelSelection,
    method: str,
    time_limit: float,
    seed: int = 0,
    target: float | None = None,
) -> Record:
    """Solve and note; a point of value ``target`` ends the run."""
    points: list[tuple[float, np.ndarray]] = []
    bounds: list[tuple[float, float]] = []
    best = math.inf

    def see(now: Progress) -> bool:
        nonlocal best
        if now.x is not None and now.objective < best:
            best = now.objective
            # A copy: what a method shows it may go on changing.
            points.append((now.seconds, np.array(now.x, dtype=bool)))
        if now.bound > (bounds[-1][1] if bounds else -math.inf):
            bounds.append((now.seconds, now.bound))
        return target is not None and now.objective <= target

    solution = solve(problem, method, time_limit, seed=seed, callback=see)
    points.append((solution.seconds, solution.x))
    if solution.bound > (bounds[-1][1] if bounds else -math.inf):
        bounds.append((solution.seconds, solution.bound))
    return Record(solution, points, bounds)
