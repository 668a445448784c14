"""Collaborative channel pruning (Peng et al., ICML 2019), one shot.

For every group the program says which channels remain: the second-order Taylor loss
of removing them together, so that channels that stand in for each other are not
removed together. The paper approximates the curvature by first derivatives; here it
is the Gauss-Newton matrix, or the empirical Fisher with ``curvature="fisher"``.
"""

import math
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import NDArray

from ccsolve.api import solve
from ccsolve.batch import each
from ccsolve.errors import Unsupported
from ccsolve.plans import Plan
from ccsolve.problems import ChannelSelection
from ccsolve.problems.checks import real_number
from ccsolve.recipes.allocation import EXACT, allocated
from ccsolve.recipes.ladders import Allocation
from ccsolve.recipes.removals import losses_by
from ccsolve.recipes.widths import uniform_widths
from ccsolve.solution import Solution, Stop
from ccsolve.statistics import Statistics

UNIFORM = "uniform"
"""Widths that follow from the budgets alone."""


class Taylor(NamedTuple):
    """How the loss is modelled; see `Statistics.channel_selection`."""

    curvature: str
    damping: float
    first_order: float
    shrinkage: float | str
    target: str


def plan(
    stats: Statistics,
    limits: Mapping[str, float],
    *,
    widths: str = "auto",
    allocation: str = "exact",
    curvature: str = "ggn",
    damping: float = 0.0,
    first_order: float = 0.0,
    shrinkage: float | str = 0.0,
    target: str = "diagonal",
    multiple_of: int = 1,
    min_keep: int = 1,
    fixed: Mapping[str, int] | None = None,
    time_limit: float = 10.0,
    n_jobs: int | None = None,
    seed: int = 0,
) -> Plan:
    """Solve the channel selection of every group, at widths that are found first.

    The objective is the sum of the groups' predicted rises of the loss, the bound the
    sum of their bounds: both at the plan's widths, without terms between groups.

    Ctrl-C ends the search: the groups that were still to come take the first point that
    their solver has, and the provenance says that it was interrupted.

    Parameters
    ----------
    stats, limits
        The statistics, and by resource the absolute amount that may remain.
    widths
        "uniform": every group cut alike (`uniform_widths`). Otherwise allocated by what
        a group's width costs: "refit", "taylor", "selection", ..., see `losses_by`;
        "auto" is "refit" where its statistics are there, else "taylor".
    allocation
        How widths are allocated, see `allocated`.
    curvature, damping, first_order, shrinkage, target
        See `Statistics.channel_selection`; widths by "selection" take them, too. The
        paper's model has the gradient's full weight, 1; it is left out here, for the
        gradient of a trained network is mostly noise: with weight 1/2 the choice on
        ResNet-56 was 13 points worse.
    multiple_of, min_keep, fixed
        See `admissible_steps`.
    time_limit
        Seconds for widths and groups together, half of it at most for the widths;
        what one group leaves, the others share.
    n_jobs
        How many groups are solved side by side, see `ccsolve.batch.each`.
    seed
        For the solver.
    """
    taylor = Taylor(curvature, damping, first_order, shrinkage, target)
    steps = {"multiple_of": multiple_of, "min_keep": min_keep, "fixed": fixed}
    time_limit, begun = real_number("time_limit", time_limit, 0.0), time.perf_counter()
    rules = {"allocation": allocation, "time_limit": 0.5 * time_limit, "seed": seed}
    shares = _allocation(stats, limits, widths, taylor, {**steps, **rules})
    left = max(0.0, time_limit - (time.perf_counter() - begun))
    narrowed = {
        name: width
        for name, width in shares.widths.items()
        if width < stats.groups[name].size
    }
    solutions = dict(_solutions(stats, narrowed, taylor, left, seed, n_jobs))
    objective = math.fsum(solution.objective for solution in solutions.values())
    bound = math.fsum(solution.bound for solution in solutions.values())
    return Plan(
        recipe="ccp",
        keep={
            name: _kept(solutions.get(name), group.size)
            for name, group in stats.groups.items()
        },
        sizes={name: group.size for name, group in stats.groups.items()},
        objective=objective,
        # Where both are equal, the roundings of the two sums need not be.
        bound=min(bound, objective),
        resolution=sum(solution.resolution for solution in solutions.values()),
        prices=shares.prices,
        provenance={
            "widths": widths,
            "allocation": {
                "rule": allocation,
                "loss": shares.loss,
                "predicted loss": shares.predicted,
                "bound": shares.bound,
                **shares.solver,
            },
            **taylor._asdict(),
            **steps,
            "time_limit": time_limit,
            "seed": seed,
            "bound": "over the choice of channels at these widths, group by group",
            "recollected": False,
            "interrupted": any(map(_interrupted, solutions.values())),
            "groups": {
                name: _record(item) | {"shrinkage": _intensity(stats, name, taylor)}
                for name, item in solutions.items()
            },
        },
    )


def _allocation(
    stats: Statistics,
    limits: Mapping[str, float],
    widths: str,
    taylor: Taylor,
    rules: Mapping[str, Any],
) -> Allocation:
    """Give the groups' widths; `rules` are the keyword options of `allocated`."""
    if widths != UNIFORM:
        seed, model = rules["seed"], taylor._asdict()
        losses = losses_by(stats, widths, where="widths", seed=seed, model=model)
        return allocated(stats, limits, losses, **rules)
    if rules["allocation"] != EXACT:
        raise Unsupported(
            f"allocation {rules['allocation']!r} of widths {UNIFORM!r}, which follow "
            "from the budgets alone; leave it out, or give widths by a loss"
        )
    steps = {name: rules[name] for name in ("multiple_of", "min_keep", "fixed")}
    return Allocation(uniform_widths(stats, limits, **steps), math.nan)


class _Task(NamedTuple):
    """A group's program, and the seconds that it has."""

    problem: ChannelSelection
    seconds: float
    seed: int


def _solved(task: _Task) -> Solution:
    return solve(task.problem, time_limit=task.seconds, seed=task.seed)


def _solutions(
    stats: Statistics,
    widths: Mapping[str, int],
    taylor: Taylor,
    time_limit: float,
    seed: int,
    n_jobs: int | None,
) -> Iterator[tuple[str, Solution]]:
    """Solve the groups; each has its share of the time left when it is begun."""
    end = time.perf_counter() + time_limit
    # None is what joblib is configured to; its types do not say so.
    workers = effective_n_jobs(n_jobs)  # pyright: ignore[reportArgumentType]

    def tasks() -> Iterator[_Task]:
        for done, (name, width) in enumerate(widths.items()):
            problem = stats.channel_selection(name, width, **taylor._asdict())
            share = min(workers, len(widths) - done) / (len(widths) - done)
            yield _Task(problem, max(0.0, end - time.perf_counter()) * share, seed)

    found = each(_solved, tasks(), n_jobs=n_jobs)
    for name, solution in zip(widths, found, strict=True):
        if _interrupted(solution):
            end = time.perf_counter()
        yield name, solution


def _intensity(stats: Statistics, name: str, taylor: Taylor) -> float:
    """Give how far the group's curvature was pulled to the target."""
    group = stats.groups[name]
    return group.intensity(taylor.curvature, taylor.shrinkage, taylor.target)


def _interrupted(solution: Solution) -> bool:
    return solution.stop is Stop.INTERRUPTED


def _kept(solution: Solution | None, size: int) -> NDArray[np.int64]:
    return np.arange(size) if solution is None else np.flatnonzero(solution.x)


def _record(solution: Solution) -> dict[str, object]:
    return {
        "method": solution.method,
        "objective": solution.objective,
        "bound": solution.bound,
        "stop": solution.stop.value,
        "seconds": solution.seconds,
    }
