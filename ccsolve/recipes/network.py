"""The whole network as one program: widths and channels of all groups at once.

Other recipes give every group a width first and choose its channels then. Here both are
one decision, joined by budgets that are products of neighbouring widths, and with
``cross`` by the loss, too: `NetworkSelection`, with a bound over all networks.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsolve.api import solve
from ccsolve.plans import Plan
from ccsolve.problems import NetworkSelection
from ccsolve.problems.checks import whole_number
from ccsolve.problems.network_points import filled
from ccsolve.recipes.steps import admissible_steps
from ccsolve.solution import Solution
from ccsolve.statistics import Statistics
from ccsolve.statistics.network_programs import network_program
from ccsolve.statistics.whole_curvature import pull_of

RECIPE = "network"

_MANY = 2**31
_OVER = "over all networks within the budgets, on this model"


def plan(
    stats: Statistics,
    limits: Mapping[str, float],
    *,
    method: str = "auto",
    curvature: str = "ggn",
    cross: bool = False,
    damping: float = 0.0,
    first_order: float = 0.0,
    shrinkage: float | str = 0.0,
    target: str = "diagonal",
    multiple_of: int = 1,
    min_keep: int | Mapping[str, int] = 1,
    fixed: Mapping[str, int] | None = None,
    time_limit: float = 20.0,
    seed: int = 0,
) -> Plan:
    """Choose the channels of all groups in one program.

    The objective is the predicted rise of the loss, before any repair; the bound is
    over all networks within the budgets, and the prices are what the bound falls by per
    unit of each budget added. Where the best network known leaves room for a step of
    some group, the cheapest comes back until none fits: the objective is then of this
    network.

    Parameters
    ----------
    stats, limits
        The statistics, and by resource the absolute amount that may remain.
    method
        Of the solver, see `ccsolve.solve`.
    curvature, cross, damping, first_order, shrinkage, target
        The model of the loss, see `Statistics.network_program`; the gradient is left
        out by default, as in "ccp". ``cross`` takes rows of all groups.
    multiple_of, fixed
        See `admissible_steps`.
    min_keep
        Fewest classes of every group, besides its own `min_keep`; by name it replaces
        it: 0 where a residual connection lets all of a block go.
    time_limit
        Seconds of the solver.
    seed
        For the solver.

    Notes
    -----
    Methods that search alone give no bound, -inf, and no prices; `enumerate_all`, which
    "auto" is up to 18 channels, gives the optimum without prices.
    """
    widths = _widths(stats, multiple_of, min_keep, fixed or {})
    model: dict[str, Any] = {
        "curvature": curvature,
        "cross": cross,
        "damping": damping,
        "first_order": first_order,
        "shrinkage": shrinkage,
        "target": target,
    }
    problem = network_program(stats, limits, **model, **widths)
    solution = solve(problem, method, time_limit=time_limit, seed=seed)
    z = filled(problem, np.asarray(solution.x, dtype=bool))
    provenance = {
        "method": method,
        **model,
        "intensity": _intensity(stats, cross, curvature, shrinkage, target),
        "multiple_of": multiple_of,
        "min_keep": dict(min_keep) if isinstance(min_keep, Mapping) else int(min_keep),
        "fixed": dict(fixed or {}),
        "time_limit": time_limit,
        "seed": seed,
    }
    return planned(stats, problem, solution, z, provenance)


def planned(
    stats: Statistics,
    problem: NetworkSelection,
    solution: Solution,
    z: NDArray[np.bool_],
    provenance: Mapping[str, Any],
) -> Plan:
    """Give the plan that keeps what a point z (n,) of the network's program keeps."""
    objective = problem.objective(z)
    return Plan(
        recipe=RECIPE,
        keep={
            name: np.flatnonzero(z[own])
            for name, own in zip(problem.names, problem.members, strict=True)
        },
        sizes={name: group.size for name, group in stats.groups.items()},
        objective=objective,
        bound=min(solution.bound, objective),
        resolution=solution.resolution,
        prices=_prices(problem, solution),
        provenance={
            **provenance,
            "solver": {
                "method": solution.method,
                "stop": solution.stop.value,
                "seconds": solution.seconds,
            },
            "bound": _OVER if solution.bound > -math.inf else "none",
        },
    )


def _widths(
    stats: Statistics,
    multiple_of: int,
    min_keep: int | Mapping[str, int],
    fixed: Mapping[str, int],
) -> dict[str, Any]:
    """Give the program's rules of widths; a fixed one is the least and the most."""
    named = min_keep if isinstance(min_keep, Mapping) else {}
    by_name = {
        n: whole_number(f"min_keep[{n!r}]", w, 0, _MANY) for n, w in named.items()
    }
    for_all = 0 if isinstance(min_keep, Mapping) else min_keep
    admissible_steps(stats, multiple_of, for_all, fixed)
    sizes = {name: group.size for name, group in stats.groups.items()}
    own = {
        name: min(max(group.min_keep, for_all), group.size)
        for name, group in stats.groups.items()
    }
    return {
        "multiple_of": {n: 1 if n in fixed else multiple_of for n in sizes},
        "min_keep": {**own, **by_name, **fixed},
        "max_keep": fixed,
    }


def _intensity(
    stats: Statistics, cross: bool, curvature: str, shrinkage: float | str, target: str
) -> float | dict[str, float]:
    """Give how far the curvature is pulled to the target: as a whole, or by group."""
    model = (curvature, shrinkage, target)
    if cross:
        return pull_of(list(stats.groups.values()), *model, stats.samples)
    return {name: group.intensity(*model) for name, group in stats.groups.items()}


def _prices(problem: NetworkSelection, solution: Solution) -> dict[str, float]:
    """Give the price by resource: of memory, what one more byte at every step gives."""
    found: dict[str, float] = {}
    duals = solution.duals.get("budgets", np.zeros(0))
    for budget, price in zip(problem.budgets, duals, strict=False):
        resource = budget.name.partition(",")[0]
        found[resource] = found.get(resource, 0.0) + float(price)
    return found
