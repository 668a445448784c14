"""Widths allocated over the groups by a program: exact, with a bound and prices."""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ccsolve.api import solve
from ccsolve.problems import RateAllocation
from ccsolve.recipes.ladders import Allocation, Ladder, ladders, loss_at
from ccsolve.recipes.marginal import filled_up, marginal_widths
from ccsolve.recipes.steps import admissible_steps, require_attainable
from ccsolve.solution import Solution
from ccsolve.statistics import Statistics
from ccsolve.statistics.tables import cost_tables

Array = NDArray[np.float64]

MOST_ENTRIES = 8_000_000
"""Entries of all pair tables; beyond them the grids of widths are thinned."""


def exact_widths(
    stats: Statistics,
    limits: Mapping[str, float],
    losses: Mapping[str, Array],
    *,
    multiple_of: int = 1,
    min_keep: int = 1,
    fixed: Mapping[str, int] | None = None,
    time_limit: float = 10.0,
    gap: float = 1e-6,
    seed: int = 0,
) -> Allocation:
    """Give widths k that minimise Σ_g loss_g(k_g) within the budgets.

    A `RateAllocation` with one layer for every group and one option for every
    admissible width; costs are products of widths, so that groups which meet in an
    operation have a pair table. What it chooses is filled up: a step that still fits
    is put back, where it lowers the loss or costs none.

    Parameters
    ----------
    stats
        The groups and the cost model.
    limits
        By resource ("macs", "params"): the absolute amount that may remain.
    losses
        By group: (size + 1,) the loss when 0, 1, ..., size classes have gone.
    multiple_of, min_keep, fixed
        See `admissible_steps`.
    time_limit, gap, seed
        Of the solver. Marginal analysis gives the first point, whatever the time.

    Raises
    ------
    Infeasible
        A budget is below the cost of the narrowest network allowed.
    """
    steps = admissible_steps(stats, multiple_of, min_keep, fixed)
    require_attainable(stats, limits, {name: step[0] for name, step in steps.items()})
    rungs = ladders(steps, losses)
    start = marginal_widths(
        stats,
        limits,
        losses,
        multiple_of=multiple_of,
        min_keep=min_keep,
        fixed=fixed,
    )
    grids = thinned(stats, rungs, start)
    program = allocation_program(stats, limits, grids)
    solution = solve(program, time_limit=time_limit, gap=gap, seed=seed)
    chosen = _better(grids, solution, start)
    widths = filled_up(stats, limits, rungs, chosen)
    whole = all(grids[name] is rungs[name] for name in rungs)
    return _allocation(limits, rungs, widths, solution, whole)


def allocation_program(
    stats: Statistics, limits: Mapping[str, float], rungs: Mapping[str, Ladder]
) -> RateAllocation:
    """Give the program that chooses a rung of every group's ladder.

    Layers are the groups in their order. The fixed part of the cost is taken off the
    budgets.
    """
    names = list(rungs)
    grids = {name: rungs[name].widths.tolist() for name in names}
    tables = cost_tables(stats, list(limits), grids)
    place = {name: index for index, name in enumerate(names)}
    # What is left after the fixed part may be a rounding below nothing.
    budgets = np.maximum(np.array(list(limits.values())) - tables.fixed, 0.0)
    return RateAllocation(
        [rungs[name].losses for name in names],
        [tables.own[name] for name in names],
        budgets,
        {(place[a], place[b]): table for (a, b), table in tables.pairs.items()},
    )


def thinned(
    stats: Statistics, rungs: Mapping[str, Ladder], start: Mapping[str, int]
) -> dict[str, Ladder]:
    """Give ladders whose pair tables are affordable; the same ones if they are.

    The longest ladder loses every second rung, again and again; the narrowest, the
    dense and the starting width always stay.
    """
    pairs = {
        tuple(term.groups)
        for operation in stats.operations
        for term in operation.terms
        if len(set(term.groups)) == 2
    }
    kept = dict(rungs)
    while _entries(kept, pairs) > MOST_ENTRIES:
        longest = max(kept, key=lambda name: len(kept[name].widths))
        kept[longest] = _every_second(kept[longest], start[longest])
    return kept


def _entries(rungs: Mapping[str, Ladder], pairs: set[tuple[str, ...]]) -> int:
    return sum(len(rungs[a].widths) * len(rungs[b].widths) for a, b in pairs)


def _every_second(ladder: Ladder, start: int) -> Ladder:
    stays = np.zeros(len(ladder.widths), dtype=bool)
    stays[::2] = stays[-1] = True
    stays |= ladder.widths == start
    return Ladder(ladder.widths[stays], ladder.losses[stays])


def _better(
    grids: Mapping[str, Ladder], solution: Solution, start: dict[str, int]
) -> dict[str, int]:
    """Give the widths of less loss: the solver's or those it might have begun with."""
    if solution.x is None or solution.objective > loss_at(grids, start):
        return start
    return {
        name: int(grids[name].widths[option])
        for name, option in zip(grids, solution.x, strict=True)
    }


def _allocation(
    limits: Mapping[str, float],
    rungs: Mapping[str, Ladder],
    widths: dict[str, int],
    solution: Solution,
    whole: bool,
) -> Allocation:
    loss = loss_at(rungs, widths)
    prices = solution.duals.get("budgets", np.zeros(len(limits)))
    return Allocation(
        widths=widths,
        loss=loss,
        # A bound over fewer widths says nothing of the others.
        bound=min(solution.bound, loss) if whole else -math.inf,
        prices=dict(zip(limits, prices.tolist(), strict=True)),
        resolution=solution.resolution,
        solver={
            "method": solution.method,
            "stop": solution.stop.value,
            "seconds": solution.seconds,
            "all widths": whole,
        },
    )
