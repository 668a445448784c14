"""Simulated annealing by swaps and flips that never leave the constraints."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ccsolve.iterate import Limits, Step, run
from ccsolve.problems import ChannelSelection
from ccsolve.solution import Solution
from ccsolve.solvers.selection.options import at_least, start_point
from ccsolve.solvers.selection.searching.engine import engine_for


def solve(
    problem: ChannelSelection,
    limits: Limits,
    *,
    seed: int = 0,
    sweeps: int = 2000,
    runs: int = 20,
    start: Any = None,
) -> Solution:
    """Cool from random points and descend from the best of each run; no bound.

    Metropolis sweeps (Kirkpatrick, Gelatt and Vecchi 1983) of random swaps, flips where
    ``keep`` is not given, and both under a budget alone; what the budget does not allow
    is not proposed. The temperature falls geometrically from 0.5 to 0.005 times the
    mean change of a random move at the run's first point, so it needs no setting. A
    proposal costs O(1), O(n) when accepted; O(m) on factors of over 4,096 channels.

    Parameters
    ----------
    sweeps : sweeps of n proposals in each run.
    runs : number of runs.
    start : (n,) feasible point of the first run; random by default.

    Raises
    ------
    InvalidProblem
        For a malformed option or an infeasible start.
    """
    at_least("sweeps", sweeps, 1)
    at_least("runs", runs, 1)
    point = start_point(problem, start)
    return run(_steps(problem, seed, sweeps, runs, point), limits)


def _steps(
    problem: ChannelSelection,
    seed: int,
    sweeps: int,
    runs: int,
    start: np.ndarray | None,
) -> Iterator[Step]:
    engine = engine_for(problem, seed)
    z = engine.random_point() if start is None else start
    yield engine.incumbent.offer(z, problem.objective(z) - problem.constant)
    for _ in range(runs):
        z, _ = yield from engine.anneal(z, sweeps)
        yield from engine.descend(z)
        z = engine.random_point()
