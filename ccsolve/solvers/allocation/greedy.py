"""Marginal analysis: the least loss for what it saves, then what fits back in."""

from collections.abc import Iterator

import numpy as np

from ccsolve.iterate import Limits, Step, run
from ccsolve.kernels.knapsack_moves import mend, refill
from ccsolve.problems import RateAllocation
from ccsolve.problems.allocation_points import feasible_point
from ccsolve.solution import Solution
from ccsolve.solvers.allocation.cutting.program import Program, prepared
from ccsolve.solvers.allocation.cutting.selected import Selected, selected

_WORK = 2_000_000
"""Options times budgets looked at in one step, about 2 ms."""


def solve(problem: RateAllocation, limits: Limits) -> Solution:
    """Change one layer at a time, whichever is cheapest; a heuristic, no bound.

    From the options of least loss, as long as a budget is broken, the change of one
    layer that loses least for the excess it saves, summed over the broken budgets in
    units of their dearest options (marginal analysis: Fox, 1966). Then, as long as one
    fits, the change that gains most. A second point grows from cheap options in the
    same way. O(N·B) for each change; without pairs.

    Raises
    ------
    Infeasible
        Every option of some layer breaks a budget.
    """
    return run(_steps(problem, limits), limits)


def _steps(problem: RateAllocation, limits: Limits) -> Iterator[Step]:
    program = prepared(problem)
    core = selected(program.table, np.arange(len(program.options)))
    changes = max(1, _WORK // program.table.costs.size)
    for choice in (_least_losses(core), _cheap(program, core)):
        if choice is not None:
            yield from _grown(program, core, choice, changes)


def _grown(
    program: Program, core: Selected, choice: np.ndarray, changes: int
) -> Iterator[Step]:
    """Mend a choice, then fill what it leaves; empty steps meanwhile."""
    free = np.zeros(len(program.units))
    while (state := mend(core.core, choice, free, changes)) == 0:
        yield Step()
    if state < 0:
        return
    while not refill(core.core, choice, changes):
        yield Step()
    x, problem = program.point(core.chosen(choice)), program.problem
    if problem.violation(x) == 0:
        yield Step(x, problem.objective(x))


def _least_losses(core: Selected) -> np.ndarray:
    first, losses = core.core.first, core.core.losses
    parts = np.split(losses, first[1:-1]) if core.layers else []
    return np.array(
        [start + part.argmin() for start, part in zip(first, parts, strict=False)],
        dtype=np.int64,
    )


def _cheap(program: Program, core: Selected) -> np.ndarray | None:
    """Give a choice that keeps all budgets, None where none is known."""
    x = feasible_point(program.problem)
    if x is None:
        return None
    options = program.problem.offsets[:-1] + x
    return core.choice(np.searchsorted(program.options, options))
