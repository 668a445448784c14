"""Greedy: the channel whose loss per cost saved is least goes next."""

from collections.abc import Iterator

from ccsolve.iterate import Limits, Step, run
from ccsolve.problems import NetworkSelection
from ccsolve.problems.network_points import feasible_point
from ccsolve.solution import Solution
from ccsolve.solvers.network.searching.engine import engine_of


def solve(problem: NetworkSelection, limits: Limits) -> Solution:
    """Remove channels from the whole network until it fits, then fill up; no bound.

    As long as a budget is broken, the step of one group's width (one channel, or as
    many as ``multiple_of`` says) goes that raises the objective least for what it takes
    off the excess, summed over the broken budgets, each in units of its excess. Costs
    are the true ones at the present widths. Then the step that lowers the objective
    most goes back in, as long as one fits and raises nothing. 2Qz is kept up to date:
    O(n) a channel where Q is dense, O(n_g) where it is separable, O(mn) for a factor
    too wide to be formed.
    """
    return run(_steps(problem), limits)


def _steps(problem: NetworkSelection) -> Iterator[Step]:
    z = feasible_point(problem)
    yield Step(z, problem.objective(z))
    yield from engine_of(problem, seed=0).shrunk()
