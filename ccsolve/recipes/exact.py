"""Widths allocated over the groups by a program: exact, with a bound and prices."""

import functools
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ccsolve.api import solve
from ccsolve.problems.checks import real_number
from ccsolve.problems.option_tables import MOST_BUDGETS
from ccsolve.recipes.ladders import (
    Allocation,
    Ladder,
    ladders,
    loss_at,
    predicted_at,
)
from ccsolve.recipes.marginal import filled_up, marginal_widths
from ccsolve.recipes.steps import admissible_steps, fits, require_attainable
from ccsolve.recipes.width_program import (
    MEMORY,
    allocation_program,
    peak_step,
    thinned,
)
from ccsolve.solution import Solution, Stop
from ccsolve.statistics import Statistics

Array = NDArray[np.float64]


def exact_widths(
    stats: Statistics,
    limits: Mapping[str, float],
    losses: Mapping[str, Array],
    *,
    multiple_of: int = 1,
    min_keep: int = 1,
    fixed: Mapping[str, int] | None = None,
    between: Mapping[str, tuple[int, int]] | None = None,
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
        By resource ("macs", "params", "latency", "memory"): the absolute amount that
        may remain.
    losses
        By group: (size + 1,) the loss when 0, 1, ..., size classes have gone.
    multiple_of, min_keep, fixed, between
        See `admissible_steps`.
    time_limit, gap, seed
        Of the solver. Where it ends at a limit, marginal analysis gives a point, too.

    Raises
    ------
    Infeasible
        A budget is below the cost of the narrowest network allowed.
    """
    steps = admissible_steps(stats, multiple_of, min_keep, fixed, between)
    require_attainable(stats, limits, {name: step[0] for name, step in steps.items()})
    rungs = ladders(steps, losses)
    # Walked only where it is asked for: it takes longer than most programs.
    start = functools.cache(
        functools.partial(
            marginal_widths,
            stats,
            limits,
            losses,
            multiple_of=multiple_of,
            min_keep=min_keep,
            fixed=fixed,
            between=between,
        )
    )
    grids = thinned(stats, limits, rungs, start)
    solved = _solved(stats, limits, grids, time_limit, gap, seed)
    chosen = _better(stats, limits, grids, solved.solution, start)
    widths = filled_up(stats, limits, rungs, chosen)
    whole = all(grids[name] is rungs[name] for name in rungs)
    found = _allocation(limits, rungs, widths, solved, whole)
    return replace(found, predicted=predicted_at(losses, widths))


class _Solved(NamedTuple):
    """A solution, and the steps of the forward pass whose memory it was held to."""

    solution: Solution
    peaks: tuple[int, ...]


def _solved(
    stats: Statistics,
    limits: Mapping[str, float],
    grids: Mapping[str, Ladder],
    time_limit: float,
    gap: float,
    seed: int,
) -> _Solved:
    """Solve; a budget on memory is added step by step, wherever the peak comes to be.

    With too many steps at the limit the last program is a relaxation: its bound holds,
    its point does not.
    """
    most = MOST_BUDGETS - sum(name != MEMORY for name in limits)
    widths = {name: int(ladder.widths[-1]) for name, ladder in grids.items()}
    peaks = (peak_step(stats, widths),) if MEMORY in limits else ()
    end = time.perf_counter() + real_number("time_limit", time_limit, 0.0)
    while True:
        program = allocation_program(stats, limits, grids, peaks)
        left = max(0.0, end - time.perf_counter())
        solution = solve(program, time_limit=left, gap=gap, seed=seed)
        if solution.x is None or MEMORY not in limits:
            return _Solved(solution, peaks)
        peak = peak_step(stats, _widths(grids, solution))
        if peak in peaks or len(peaks) == most:
            return _Solved(solution, peaks)
        if fits(stats, limits, _widths(grids, solution)):
            return _Solved(solution, peaks)
        peaks += (peak,)


def _widths(grids: Mapping[str, Ladder], solution: Solution) -> dict[str, int]:
    return {
        name: int(grids[name].widths[option])
        for name, option in zip(grids, solution.x, strict=True)
    }


def _better(
    stats: Statistics,
    limits: Mapping[str, float],
    grids: Mapping[str, Ladder],
    solution: Solution,
    start: Callable[[], dict[str, int]],
) -> dict[str, int]:
    """Give the widths of less loss: the solver's or those of marginal analysis."""
    if solution.x is None:
        return start()
    found = _widths(grids, solution)
    within = fits(stats, limits, found)
    if within and solution.stop in (Stop.GAP, Stop.FINISHED):
        return found
    return (
        found if within and solution.objective <= loss_at(grids, start()) else start()
    )


def _allocation(
    limits: Mapping[str, float],
    rungs: Mapping[str, Ladder],
    widths: dict[str, int],
    solved: _Solved,
    whole: bool,
) -> Allocation:
    loss, solution = loss_at(rungs, widths), solved.solution
    return Allocation(
        widths=widths,
        loss=loss,
        # A bound over fewer widths says nothing of the others.
        bound=min(solution.bound, loss) if whole else -math.inf,
        prices=_prices(limits, solution),
        resolution=solution.resolution,
        solver={
            "method": solution.method,
            "stop": solution.stop.value,
            "seconds": solution.seconds,
            "all widths": whole,
            "steps at the memory limit": len(solved.peaks),
        },
    )


def _prices(limits: Mapping[str, float], solution: Solution) -> dict[str, float]:
    """Give a price to each limit; that of memory is the sum over its steps."""
    additive = [name for name in limits if name != MEMORY]
    found = solution.duals.get("budgets", np.zeros(len(additive)))
    prices = dict(zip(additive, found.tolist(), strict=False))
    return {
        name: prices.get(name, float(found[len(additive) :].sum())) for name in limits
    }
