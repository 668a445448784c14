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
    sweeps: int = 300,
    runs: int = 20,
    start: Any = None,
) -> Solution:
    """Cool from random points and descend from the best of each run; no bound.

    Heat-bath sweeps (Creutz 1980): an update takes a random channel and exchanges it
    for any of the other side, or keeps it, each with the chance that Boltzmann gives;
    without ``keep`` it flips the channel or not, under a budget alone either. What the
    budget does not allow is not chosen. The temperature falls geometrically between
    what a short trial found: half of the updates move at first, one in 200 at last. An
    update is one pass over n numbers in single precision, O(1) where it is cold; the
    point is scored in double precision. Memory: n²·4 bytes. Factors of over 4,096
    channels are cooled by Metropolis proposals (Kirkpatrick, Gelatt and Vecchi 1983)
    of O(m) each.

    Parameters
    ----------
    sweeps : sweeps of n updates in each run.
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
