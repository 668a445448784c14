"""Marginal analysis: the least loss for what it saves, then what fits back in."""

from collections.abc import Iterator

import numpy as np

from ccsolve.iterate import Limits, Step, run
from ccsolve.kernels.marginal_moves import mend_and_fill
from ccsolve.kernels.pair_moves import Tables
from ccsolve.problems import RateAllocation
from ccsolve.problems.allocation_points import feasible_point
from ccsolve.solution import Solution
from ccsolve.solvers.allocation.cutting.program import Program, prepared
from ccsolve.solvers.allocation.cutting.selected import Selected, selected
from ccsolve.solvers.allocation.cutting.starts import grown
from ccsolve.solvers.allocation.pairing.program import PairProgram, from_problem


def solve(problem: RateAllocation, limits: Limits) -> Solution:
    """Change one layer at a time, whichever is cheapest; a heuristic, no bound.

    From the options of least loss, as long as a budget is broken, the change of one
    layer that loses least for the excess it saves, summed over the broken budgets in
    units of their dearest options (marginal analysis: Fox, 1966). Then, as long as one
    fits, the change that gains most. A second point grows from cheap options in the
    same way. Changes count the pairs of the layer with the others as they are. O(N·B)
    for each change, and O(Σ (K_a + K_b)·B) over the pairs (a, b).

    Raises
    ------
    Infeasible
        Every option of some layer breaks a budget.
    """
    return run(_steps(problem), limits)


def _steps(problem: RateAllocation) -> Iterator[Step]:
    starts = (_least_losses(problem), feasible_point(problem))
    grown = _grown_in_pairs if problem.edges else _grown_alone
    yield from grown(problem, [x for x in starts if x is not None])


def _least_losses(problem: RateAllocation) -> np.ndarray:
    return np.array([int(losses.argmin()) for losses in problem.losses])


def _grown_alone(problem: RateAllocation, starts: list[np.ndarray]) -> Iterator[Step]:
    """Mend points without pairs, then fill what they leave; empty steps meanwhile."""
    program = prepared(problem)
    core = selected(program.table, np.arange(len(program.options)))
    free = np.zeros(len(program.units))
    for x in starts:
        choice = _choice(program, core, x)
        for _ in grown(core, choice, free):
            yield Step()
        yield _step(problem, program.point(core.chosen(choice)))


def _choice(program: Program, core: Selected, x: np.ndarray) -> np.ndarray:
    """Give a point in the core; the option of least loss for one that is left out."""
    table = program.table
    options = program.problem.offsets[:-1] + x
    at = np.searchsorted(program.options, options)
    at = np.minimum(at, len(program.options) - 1)
    parts = np.split(table.losses, table.offsets[1:-1])
    for layer in np.flatnonzero(program.options[at] != options):
        at[layer] = table.offsets[layer] + parts[layer].argmin()
    return core.choice(at)


def _grown_in_pairs(
    problem: RateAllocation, starts: list[np.ndarray]
) -> Iterator[Step]:
    program = from_problem(problem)
    layer_of = np.repeat(np.arange(program.layers), program.sizes)
    unit = np.maximum(program.largest[1], 1e-300)
    for x in starts:
        x = x.astype(np.int64)
        mend_and_fill(_tables(program), x, unit, layer_of)
        yield _step(problem, program.original(x))


def _tables(program: PairProgram) -> Tables:
    return Tables(
        losses=program.losses,
        costs=program.costs,
        offsets=program.offsets,
        edges=program.edges,
        pair_losses=program.pair_losses,
        pair_costs=program.pair_costs,
        pair_offsets=program.pair_offsets,
        limits=program.limits,
    )


def _step(problem: RateAllocation, x: np.ndarray) -> Step:
    if problem.violation(x) > 0:
        return Step()
    return Step(x, problem.objective(x))
