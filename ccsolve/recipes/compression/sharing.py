"""The two ways to share a budget over sites: rates by curves, or one knapsack."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from ccsolve.batch import each
from ccsolve.criteria import refit_removal
from ccsolve.errors import Infeasible, InvalidProblem
from ccsolve.problems.checks import whole_number
from ccsolve.recipes.compression.curves import (
    PATHS,
    channel_order,
    curve_of,
    unit_path,
)
from ccsolve.recipes.compression.decisions import Decision, Network
from ccsolve.recipes.compression.grid import grid_decision
from ccsolve.recipes.compression.paths import Path, Walk, compressed
from ccsolve.recipes.compression.prices import Price, Refitted
from ccsolve.recipes.compression.putting_back import put_back
from ccsolve.recipes.compression.rates import Rule, global_rates, narrowest
from ccsolve.recipes.compression.sites import Site
from ccsolve.recipes.steps import Steps, admissible_steps
from ccsolve.statistics import Statistics


@dataclass(frozen=True, eq=False)
class Job:
    """What both allocations work from."""

    stats: Statistics
    limits: Mapping[str, float]
    sites: list[Site]
    steps: Steps
    walk: Walk
    multiple: int
    price: Price

    def network(self, orders: Mapping[str, Any]) -> Network:
        """Give the network, its groups' classes going in these orders."""
        return Network(self.stats, self.sites, orders, self.price)


@dataclass(frozen=True, eq=False)
class Found:
    """A decision, and what is known of it."""

    network: Network
    decision: Decision
    bound: float
    prices: Mapping[str, float]
    resolution: float
    record: Mapping[str, Any]


def by_rates(
    job: Job,
    *,
    n_jobs: int | None,
    curves: str,
    normalised: bool,
    weighted: bool,
    cap: float,
) -> Found:
    """Share the budget by curves, and follow each site's scores to its rate."""
    floors = {name: step[0] for name, step in job.steps.items()}
    walked = partial(compressed, floors=floors, walk=job.walk)
    paths = list(each(walked, job.sites, n_jobs=n_jobs))
    network = job.network(_orders(paths))
    measured = paths if curves == PATHS else [unit_path(site) for site in job.sites]
    rule = Rule(
        paths=paths,
        curves=[curve_of(path, normalised=normalised) for path in measured],
        steps=job.steps,
        cap=cap,
        weighted=weighted,
        multiple=job.multiple,
    )
    _require_attainable(
        network, job.limits, narrowest(network, job.steps, job.multiple)
    )
    shared = global_rates(network, job.limits, rule)
    decision = put_back(network, job.limits, job.steps, shared.decision, job.multiple)
    record = {"rates": dict(shared.rates)}
    return Found(network, decision, -math.inf, {}, 0.0, record)


def _orders(paths: list[Path]) -> dict[str, Any]:
    return {name: path.order(name) for path in paths for name in path.site.sizes}


def by_grid(job: Job, *, levels: int | None, time_limit: float, seed: int) -> Found:
    """Choose by the knapsack."""
    network = job.network(_single_orders(job))
    _require_attainable(
        network, job.limits, narrowest(network, job.steps, job.multiple)
    )
    solved = grid_decision(
        network,
        job.limits,
        job.steps,
        levels=levels,
        multiple=job.multiple,
        time_limit=time_limit,
        seed=seed,
    )
    start, solution = solved.decision, solved.solution
    if solution.x is None or not network.fits(job.limits, start):
        start = narrowest(network, job.steps, job.multiple)
    decision = put_back(network, job.limits, job.steps, start, job.multiple)
    paid = solution.duals.get("budgets")
    prices = {} if paid is None else dict(zip(job.limits, paid.tolist(), strict=True))
    record = {
        "method": solution.method,
        "stop": solution.stop.value,
        "seconds": solution.seconds,
        "loss on the grid": solution.objective,
        "bound on the grid": solution.bound,
    }
    return Found(network, decision, solved.bound, prices, solution.resolution, record)


def _single_orders(job: Job) -> dict[str, Any]:
    """Give the orders in which classes go by what they lose without any chain."""
    places = [(site, name) for site in job.sites for name in site.sizes]
    if isinstance(job.price, Refitted):
        return {name: refit_removal(job.stats, name).order for _, name in places}
    return {name: channel_order(site, name) for site, name in places}


def free_steps(
    stats: Statistics,
    sites: list[Site],
    multiple_of: int,
    min_keep: int,
    fixed: Mapping[str, int] | None,
) -> Steps:
    """Give the widths that groups may have; those of no site stay whole."""
    free = {name for site in sites for name in site.sizes}
    for name, width in (fixed or {}).items():
        size = stats.groups[name].size if name in stats.groups else width
        if name not in free and width != size:
            raise InvalidProblem(
                f"fixed[{name!r}] = {width}: no layer that cc compresses reads the "
                f"group alone; leave it at {size}, or take another recipe"
            )
    whole = {
        name: group.size for name, group in stats.groups.items() if name not in free
    }
    # At no channel a layer has nothing to give, and no rank.
    least = max(1, whole_number("min_keep", min_keep, 0, 10**9))
    return admissible_steps(stats, multiple_of, least, {**whole, **(fixed or {})})


def _require_attainable(
    network: Network, limits: Mapping[str, float], least: Decision
) -> None:
    cost = network.cost(least)
    for name, limit in limits.items():
        if cost.of(name) > limit:
            raise Infeasible(
                f"budget {name} = {limit:.0f}, but the narrowest network that cc makes "
                f"takes {cost.of(name):.0f}; raise the budget to that, lower min_keep, "
                "multiple_of or rank_multiple, or leave fewer layers out"
            )
