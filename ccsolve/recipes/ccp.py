"""Collaborative channel pruning (Peng et al., ICML 2019).

For every group the program says which channels remain: the second-order Taylor loss
of removing them together, so that channels that stand in for each other are not
removed together. The paper approximates the curvature by first derivatives:

    least squares    H = JᵀJ        what `collect` gives with that loss
    cross-entropy    H = JᵀΣJ, Σ = diag(y / f²): for one-hot y the empirical Fisher,
                     ``curvature="fisher"``

with J the derivative of the outputs f in the gates of the channels. The default is the
Gauss-Newton matrix, JᵀΣJ with Σ the Hessian of the loss in the outputs: the mean of the
above over the labels that the network expects.

The statistics say which loss is meant. Where they were collected with auxiliary
classifiers (CCP-AC), it is the sum of all of them.
"""

import math
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsolve.plans import Plan
from ccsolve.problems.checks import real_number
from ccsolve.recipes.choosing import (
    Choice,
    Taylor,
    in_turn,
    interrupted,
    side_by_side,
)
from ccsolve.recipes.ladders import Allocation
from ccsolve.recipes.recollection import Recollect, checked_recollect
from ccsolve.recipes.shares import Widths, as_given, shares_of
from ccsolve.statistics import Statistics

ONE_SHOT = "over the choice of channels at these widths, group by group"
IN_TURN = f"{ONE_SHOT}, each given what the groups before it have lost"


def plan(
    stats: Statistics,
    limits: Mapping[str, float],
    *,
    widths: Widths = "auto",
    allocation: str = "exact",
    curvature: str = "ggn",
    damping: float = 0.0,
    first_order: float = 0.0,
    shrinkage: float | str = 0.0,
    target: str = "diagonal",
    recollect: Recollect | None = None,
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

    Ctrl-C ends the search: the groups that were still to come are chosen greedily, and
    the provenance says that it was interrupted.

    Parameters
    ----------
    stats, limits
        The statistics, and by resource the absolute amount that may remain.
    widths
        Given, as the paper has it: the share of every group that stays, a float in
        (0, 1], or a mapping from groups to shares or whole numbers of classes.
        "uniform": every group cut alike (`uniform_widths`). Otherwise allocated by what
        a group's width costs: "refit", "taylor", "selection", ..., see `losses_by`;
        "auto" is "refit" where its statistics are there, else "taylor".
    allocation
        How widths are allocated, see `allocated`.
    curvature, damping, first_order, shrinkage, target
        See `Statistics.channel_selection`; widths by "selection" and "taylor" take
        them, too. The paper's model has the gradient's full weight, 1; it is left out
        here, for the gradient of a trained network is mostly noise: with weight 1/2
        the choice on ResNet-56 was 13 points worse.
    recollect
        Gives statistics of the network that a plan leaves; the bridge's
        ``compress(..., sequential=True)`` has one. With it groups are solved one after
        the other, each on statistics taken again without what went before; widths stay
        those that were found first. Without it all groups are solved on `stats`. The
        provenance says in "recollected" which it was.
    multiple_of, min_keep, fixed
        See `admissible_steps`.
    time_limit
        Seconds for widths and groups together, at least half of it for the groups;
        what one group leaves, the others share. Losses of all widths, collecting and
        the loading of solvers are not counted. A group that is out of time has the
        better of what was found and of a greedy choice.
    n_jobs
        How many groups are solved side by side, see `ccsolve.batch.each`; without
        `recollect`.
    seed
        For the solver.
    """
    taylor = Taylor(curvature, damping, first_order, shrinkage, target)
    steps = {"multiple_of": multiple_of, "min_keep": min_keep, "fixed": fixed}
    time_limit, begun = real_number("time_limit", time_limit, 0.0), time.perf_counter()
    rules = {"allocation": allocation, "time_limit": 0.5 * time_limit, "seed": seed}
    shares = shares_of(
        stats, limits, widths, model=taylor._asdict(), **{**steps, **rules}
    )
    narrowed = {
        name: width
        for name, width in shares.widths.items()
        if width < stats.groups[name].size
    }
    # Losses of all widths take what they take: the choice has its half at least.
    left = time_limit - min(time.perf_counter() - begun, 0.5 * time_limit)
    solve = partial(side_by_side, n_jobs=n_jobs)
    if (again := checked_recollect(recollect)) is not None:
        solve = partial(in_turn, recollect=again, recipe="ccp")
    choices = dict(solve(stats, narrowed, taylor, time_limit=left, seed=seed))
    return _planned(
        stats,
        shares,
        choices,
        {
            "widths": as_given(widths),
            "allocation": {"rule": allocation, **_allocation(shares)},
            **taylor._asdict(),
            **steps,
            "time_limit": time_limit,
            "seed": seed,
            "bound": ONE_SHOT if recollect is None else IN_TURN,
            "recollected": recollect is not None,
        },
    )


def _planned(
    stats: Statistics,
    shares: Allocation,
    choices: Mapping[str, Choice],
    provenance: Mapping[str, Any],
) -> Plan:
    """Put the groups' solutions together."""
    solutions = [choice.solution for choice in choices.values()]
    objective = math.fsum(solution.objective for solution in solutions)
    bound = math.fsum(solution.bound for solution in solutions)
    return Plan(
        recipe="ccp",
        keep={
            name: _kept(choices.get(name), group.size)
            for name, group in stats.groups.items()
        },
        sizes={name: group.size for name, group in stats.groups.items()},
        objective=objective,
        # Where both are equal, the roundings of the two sums need not be.
        bound=min(bound, objective),
        resolution=sum(solution.resolution for solution in solutions),
        prices=shares.prices,
        provenance={
            **provenance,
            "auxiliary": stats.meta.get("auxiliary"),
            "interrupted": any(map(interrupted, solutions)),
            "groups": {name: _record(choice) for name, choice in choices.items()},
        },
    )


def _allocation(shares: Allocation) -> dict[str, object]:
    return {
        "loss": shares.loss,
        "predicted loss": shares.predicted,
        "bound": shares.bound,
        **shares.solver,
    }


def _kept(choice: Choice | None, size: int) -> NDArray[np.int64]:
    return np.arange(size) if choice is None else np.flatnonzero(choice.solution.x)


def _record(choice: Choice) -> dict[str, object]:
    solution = choice.solution
    return {
        "method": solution.method,
        "objective": solution.objective,
        "bound": solution.bound,
        "stop": solution.stop.value,
        "seconds": solution.seconds,
        "shrinkage": choice.intensity,
    }
