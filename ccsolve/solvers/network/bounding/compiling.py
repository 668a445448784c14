"""Kernels that a tiny network does not reach, compiled before any clock runs."""

import functools

import numpy as np

from ccsolve.iterate import Limits
from ccsolve.problems import ChannelSelection, RateAllocation
from ccsolve.solvers.allocation import one_budget, pairs, several_budgets
from ccsolve.solvers.network.bounding.spheres import spheres_of
from ccsolve.solvers.selection import branch_and_bound


@functools.cache
def compile_kernels() -> None:
    """Run the bounds of a large group, a proof and each allocation once a process."""
    limits = Limits(step_limit=5)
    Q = np.eye(4)
    spheres_of(Q).bounds(np.ones(4), np.array([2]))
    for keep in (None, 2):
        branch_and_bound.solve(ChannelSelection(Q, keep=keep), limits)
    losses = [np.array([3.0, 1.3, 0.0])] * 3
    for budgets in (1, 2):
        costs = [np.tile(np.array([[0.0], [1.0], [3.0]]), (1, budgets))] * 3
        room = np.full(budgets, 6.0)
        tables = {(0, 1): np.ones((3, 3, budgets))}
        method = one_budget if budgets == 1 else several_budgets
        method.solve(RateAllocation(losses, costs, room), limits)
        pairs.solve(RateAllocation(losses, costs, room, tables), limits)
