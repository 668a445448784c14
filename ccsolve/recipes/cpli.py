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
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ccsolve.plans import Plan
from ccsolve.problems.checks import real_number
from ccsolve.recipes.allocation import allocated
from ccsolve.recipes.ladders import Allocation
from ccsolve.recipes.reconstructing.choosing import NONE, Search, chosen
from ccsolve.recipes.reconstructing.own_losses import own_losses
from ccsolve.recipes.reconstructing.programs import Model
from ccsolve.recipes.shares import Widths, as_given, shares_of
from ccsolve.solution import Solution, Stop
from ccsolve.statistics import Statistics

OWN = "own"
"""Widths allocated by the values of the recipe's own programs."""

ANCESTORS: Mapping[str, str] = MappingProxyType(
    {"he": "lasso", "osscar": "swap_search", "thinet": "thinet"}
)
"""Recipes that reconstruct all outputs alike, and the method that each solves by."""


def plan(
    stats: Statistics,
    limits: Mapping[str, float],
    *,
    widths: Widths = OWN,
    allocation: str = "exact",
    importance: str = "taylor",
    suppression: str = "planned",
    guide: float = 0.0,
    ridge: float = 1e-3,
    method: str = "swap_search",
    multiple_of: int = 1,
    min_keep: int = 1,
    fixed: Mapping[str, int] | None = None,
    time_limit: float = 10.0,
    seed: int = 0,
) -> Plan:
    """Choose the channels of every group that the layers behind it can do without.

    By group, over the classes kept and the weights W of the layers that read them, with
    outputs y, the loss's gradient g in them, importance D and step s:

        min Σ over readers of ½ E‖(y - s·g - Wᵀx) D^½‖²

    and with a bias where s = 0.

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
        Outputs that will be pruned themselves and count nothing: "planned", "scored" or
        "none", see `chosen`.
    guide
        The step s down the classification loss: by which share of themselves it shifts
        the cross moments. 0 by default: see the measurements in docs/recipes/cpli.md.
    ridge
        In units of the mean variance of a layer's columns.
    method
        Of `ReconstructionSelection`: "swap_search", "greedy_removal", "lasso" (the
        paper's), "branch_and_bound", "auto", ...
    multiple_of, min_keep, fixed
        See `admissible_steps`.
    time_limit
        Seconds for widths and groups together, half of it at most for the widths.
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
            Model(importance, guide, ridge),
            suppression,
            Search(method, real_number("time_limit", time_limit, 0.0), seed),
            {"multiple_of": multiple_of, "min_keep": min_keep, "fixed": fixed},
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
    multiple_of: int = 1,
    min_keep: int = 1,
    fixed: Mapping[str, int] | None = None,
    time_limit: float = 10.0,
    seed: int = 0,
) -> Plan:
    """Choose as a paper did before CPLI: min ½ E‖y - Wᵀx - b‖² by the paper's method.

    Parameters
    ----------
    name
        "he": LASSO on one gate per channel; "thinet": greedy on the dense weights;
        "osscar": greedy removal and swaps, refitted throughout.
    stats, limits, widths, allocation, ridge, multiple_of, min_keep, fixed
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
            Model("none", 0.0, ridge),
            NONE,
            Search(ANCESTORS[name], real_number("time_limit", time_limit, 0.0), seed),
            {"multiple_of": multiple_of, "min_keep": min_keep, "fixed": fixed},
        ),
    )


class _Way(NamedTuple):
    """How a plan is made: its options, put in order."""

    widths: Widths
    allocation: str
    model: Model
    suppression: str
    search: Search
    steps: Mapping[str, Any]


def _plan(name: str, stats: Statistics, limits: Mapping[str, float], way: _Way) -> Plan:
    begun = time.perf_counter()
    shares = _shares(stats, limits, way)
    left = max(0.0, way.search.time_limit - (time.perf_counter() - begun))
    solutions = chosen(
        stats,
        shares.widths,
        way.model,
        way.suppression,
        way.search._replace(time_limit=left),
    )
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
        **way.search._asdict(),
        **way.steps,
        "bound": "over the choice of channels at these widths, group by group",
        "recollected": False,
        "interrupted": any(
            solution.stop is Stop.INTERRUPTED for solution in solutions.values()
        ),
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
