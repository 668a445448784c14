"""CPLI and its ancestors: channels by the reconstruction of the next layers' outputs.

Guo, Ouyang, Xu, Channel pruning guided by classification loss and feature importance,
AAAI 2020. Its equations could not be read; what stands here is derived from what is
said of it: the target of the reconstruction moves one step down the classification
loss, and outputs count by their importance, so that those which are pruned next need
not be met. He et al. (Channel pruning, ICCV 2017), ThiNet (Luo et al., ICCV 2017) and
OSSCAR (Meng et al., ICML 2024) are the same program without either.
"""

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ccsolve.plans import Plan
from ccsolve.problems.checks import real_number
from ccsolve.recipes.allocation import allocated
from ccsolve.recipes.ladders import Allocation
from ccsolve.recipes.recollection import Recollect, checked_recollect
from ccsolve.recipes.reconstructing.choosing import (
    NONE,
    PLANNED,
    SCORED,
    Search,
    chosen,
    chosen_in_turn,
    interrupted,
)
from ccsolve.recipes.reconstructing.own_losses import own_losses
from ccsolve.recipes.reconstructing.programs import Model
from ccsolve.recipes.shares import Widths, as_given, shares_of
from ccsolve.solution import Solution
from ccsolve.statistics import Statistics

OWN = "own"
"""Widths allocated by the values of the recipe's own programs."""

ANCESTORS: Mapping[str, str] = MappingProxyType(
    {"he": "lasso", "osscar": "swap_search", "thinet": "thinet"}
)
"""Recipes that reconstruct all outputs alike, and the method that each solves by."""


UNITS: Mapping[str, str] = MappingProxyType(
    {
        "taylor": "half the squared error of the next outputs, by importance",
        "curvature": "half the squared error of the next outputs, by curvature",
        "full": "half the squared error of the next outputs, by curvature",
        "none": "half the squared error of the next outputs",
    }
)
"""What the objective is, by importance."""


def plan(
    stats: Statistics,
    limits: Mapping[str, float],
    *,
    widths: Widths = OWN,
    allocation: str = "exact",
    importance: str = "taylor",
    suppression: str | None = None,
    guide: float = 0.0,
    ridge: float = 1e-3,
    method: str = "swap_search",
    recollect: Recollect | None = None,
    multiple_of: int = 1,
    min_keep: int = 1,
    fixed: Mapping[str, int] | None = None,
    time_limit: float = 10.0,
    seed: int = 0,
) -> Plan:
    """Choose the channels of every group that the layers behind it can do without.

    By group, over the classes kept and the weights W, bias b of the layers that read
    them, with outputs y, the loss's gradient g in them, importance D and step s:

        min Σ over readers of ½ E‖(y - s·g - Wᵀx - b) D^½‖²

    The plan's objective is the sum of the programs' values over keeping all, its bound
    the sum of their bounds: at the plan's widths, one shot, without terms between
    groups. `apply` fits the weights again on the smaller network; the programs' own are
    not needed for it.

    Parameters
    ----------
    stats, limits
        With ``collect(..., layers="moments")``; and by resource the absolute amount
        that may remain.
    widths
        "own": allocated by what these programs lose at every width (`own_losses`);
        else see `shares_of`: given widths, "uniform", or another loss.
    allocation
        How widths are allocated, see `ccsolve.recipes.allocation.allocated`.
    importance
        D of the readers' outputs: "taylor", "curvature", "full" or "none", see
        `output_weights`.
    suppression
        Outputs that will be pruned themselves and count nothing: "planned" (the default
        without `recollect`), "scored" (with it) or "none", see `chosen`.
    guide
        The step s down the classification loss: by which share of themselves it shifts
        the cross moments. 0 by default: see the measurements in docs/recipes/cpli.md.
    ridge
        In units of the mean variance of a layer's columns.
    method
        Of `ReconstructionSelection`: "swap_search", "greedy_removal", "lasso" (the
        paper's), "branch_and_bound", "auto", ...
    recollect
        Gives statistics of the network that a plan leaves, moments too; the bridge's
        ``compress(..., sequential=True)`` has one. With it groups are solved in their
        order, each on what the ones before it have left, as the paper has it; widths
        stay those that were found first.
    multiple_of, min_keep, fixed
        See `admissible_steps`.
    time_limit
        Seconds for searching: at most half of it for the widths, at least half for the
        groups. The losses of all widths and collecting are not counted.
    seed
        For the solvers.

    Raises
    ------
    MissingStatistics
        Moments, curvature, gradients or per-sample rows were not collected.
    """
    return _plan(
        "cpli",
        stats,
        limits,
        _Way(
            widths,
            allocation,
            Model(importance, guide, real_number("ridge", ridge, 0.0)),
            _suppressing(suppression, recollect),
            Search(method, real_number("time_limit", time_limit, 0.0), seed),
            {"multiple_of": multiple_of, "min_keep": min_keep, "fixed": fixed},
            checked_recollect(recollect),
        ),
    )


def plan_ancestor(
    name: str,
    stats: Statistics,
    limits: Mapping[str, float],
    *,
    widths: Widths = "uniform",
    allocation: str = "exact",
    ridge: float = 1e-3,
    recollect: Recollect | None = None,
    multiple_of: int = 1,
    min_keep: int = 1,
    fixed: Mapping[str, int] | None = None,
    time_limit: float = 10.0,
    seed: int = 0,
) -> Plan:
    """Choose without the loss: min ½ E‖y - Wᵀx - b‖², by a paper's method.

    The plan's objective is the sum of these values, in squares of outputs.

    Parameters
    ----------
    name
        "he": LASSO on one gate per channel; "thinet": greedy on the dense weights;
        "osscar": greedy removal and swaps, refitted throughout.
    stats, limits, widths, allocation, ridge, recollect, multiple_of, min_keep, fixed
        As for `plan`; widths are alike for all groups by default.
    time_limit, seed
        As for `plan`.
    """
    return _plan(
        name,
        stats,
        limits,
        _Way(
            widths,
            allocation,
            Model("none", 0.0, real_number("ridge", ridge, 0.0)),
            NONE,
            Search(ANCESTORS[name], real_number("time_limit", time_limit, 0.0), seed),
            {"multiple_of": multiple_of, "min_keep": min_keep, "fixed": fixed},
            checked_recollect(recollect),
        ),
    )


def _suppressing(suppression: str | None, recollect: Recollect | None) -> str:
    if suppression is not None:
        return suppression
    return PLANNED if recollect is None else SCORED


class _Way(NamedTuple):
    """How a plan is made: its options, put in order."""

    widths: Widths
    allocation: str
    model: Model
    suppression: str
    search: Search
    steps: Mapping[str, Any]
    recollect: Recollect | None


def _plan(name: str, stats: Statistics, limits: Mapping[str, float], way: _Way) -> Plan:
    begun = time.perf_counter()
    shares = _shares(stats, limits, way)
    # Losses of all widths take what they take: the choice has its half at least.
    spent = min(time.perf_counter() - begun, 0.5 * way.search.time_limit)
    choose = chosen
    if way.recollect is not None:
        choose = partial(chosen_in_turn, recollect=way.recollect, recipe=name)
    search = replace(way.search, time_limit=way.search.time_limit - spent)
    solutions = choose(stats, shares.widths, way.model, way.suppression, search)
    objective = math.fsum(solution.objective for solution in solutions.values())
    bound = math.fsum(solution.bound for solution in solutions.values())
    return Plan(
        recipe=name,
        keep={
            group: _kept(solutions.get(group), item.size)
            for group, item in stats.groups.items()
        },
        sizes={group: item.size for group, item in stats.groups.items()},
        objective=objective,
        # Where both are equal, the roundings of the two sums need not be.
        bound=min(bound, objective),
        resolution=sum(solution.resolution for solution in solutions.values()),
        prices=shares.prices,
        provenance=_provenance(way, shares, solutions),
    )


def _shares(stats: Statistics, limits: Mapping[str, float], way: _Way) -> Allocation:
    rules = {
        "allocation": way.allocation,
        "time_limit": 0.5 * way.search.time_limit,
        "seed": way.search.seed,
        **way.steps,
    }
    if way.widths == OWN:
        return allocated(stats, limits, own_losses(stats, way.model), **rules)
    return shares_of(stats, limits, way.widths, **rules)


def _provenance(
    way: _Way, shares: Allocation, solutions: Mapping[str, Solution]
) -> dict[str, Any]:
    return {
        "widths": as_given(way.widths),
        "allocation": {
            "rule": way.allocation,
            "loss": shares.loss,
            "predicted loss": shares.predicted,
            "bound": shares.bound,
            **shares.solver,
        },
        **way.model._asdict(),
        "suppression": way.suppression,
        "objective": UNITS[way.model.importance],
        **asdict(way.search),
        **way.steps,
        "bound": "over the choice of channels at these widths, group by group",
        "recollected": way.recollect is not None,
        "interrupted": any(map(interrupted, solutions.values())),
        "groups": {name: _record(item) for name, item in solutions.items()},
    }


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
