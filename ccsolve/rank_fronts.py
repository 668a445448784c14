"""Fronts over ranks: the least loss of chains at every budget of one resource."""

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from ccsolve.batch import each
from ccsolve.fronts import Front, FrontPoint
from ccsolve.problems import RateAllocation
from ccsolve.recipes.low_rank import rules_for
from ccsolve.recipes.rank_allocation import loss_of, shared, spent
from ccsolve.recipes.rank_grids import Fixed
from ccsolve.recipes.rank_plans import Offers, factors_of, offers_of
from ccsolve.recipes.ranks import Times
from ccsolve.solvers.allocation.corridor.breakpoints import breakpoints
from ccsolve.statistics import Statistics


def front_of_ranks(
    stats: Statistics,
    over: str,
    *,
    recipe: str,
    budgets: Sequence[float] | None = None,
    times: Mapping[str, Times] | None = None,
    fixed: Mapping[str, Fixed] | None = None,
    time_limit: float = 10.0,
    n_jobs: int | None = None,
    seed: int = 0,
    **form: Any,
) -> Front:
    """Give the front over one resource, of the recipes "svd", "tucker" and "tt".

    Layers' costs add up: without `budgets` it has every breakpoint of the linear
    relaxation, from one sort, and each is the best there is at its own cost. Otherwise
    the program is solved at every budget.

    Parameters
    ----------
    stats, over
        The statistics, and the resource.
    recipe, times, fixed, **form
        The recipe and its options, see `rules_for`.
    budgets
        Absolute amounts, where exact points are wanted.
    time_limit, n_jobs, seed
        Of each budget, see `ccsolve.pareto`.

    Raises
    ------
    Infeasible
        A budget is below what the smallest ranks allowed cost. Others as of the recipe.
    """
    rules = rules_for(recipe, stats, (over,), **form)
    offers = offers_of(stats, (over,), rules, times, fixed)
    if budgets is None:
        points = list(_breakpoints(stats, over, offers))
    else:
        work = partial(_solved, stats, over, offers, time_limit, seed)
        points = list(each(work, sorted(budgets), n_jobs=n_jobs))
    losses = {name: item.losses for name, item in offers.options.items()}
    dense = float(offers.total.of(over))
    return Front(over, recipe, tuple(points), dense, losses, stats)


def _breakpoints(stats: Statistics, over: str, offers: Offers) -> Iterator[FrontPoint]:
    items = offers.options.values()
    # The budget plays no part: any that the cheapest options keep.
    cheapest = math.fsum(float(item.costs.min()) for item in items)
    program = RateAllocation(
        [item.losses for item in items], [item.costs for item in items], [cheapest]
    )
    hull = breakpoints(program)
    chosen = dict(zip(offers.options, map(int, hull.start), strict=True))
    names = list(offers.options)
    for place, layer in enumerate(hull.layers):
        if place:
            chosen[names[layer]] = int(hull.options[place])
        cost, loss = _cost(over, offers, chosen), loss_of(offers.options, chosen)
        yield FrontPoint(
            limit=cost,
            cost=cost,
            loss=loss,
            # Nothing undercuts a breakpoint at its own cost, up to rounding.
            bound=loss - program.resolution,
            price=float(hull.prices[place]),
            widths=_widths(stats),
            factors=factors_of(offers.options, chosen),
        )


def _solved(
    stats: Statistics,
    over: str,
    offers: Offers,
    time_limit: float,
    seed: int,
    limit: float,
) -> FrontPoint:
    found = shared(
        offers.options,
        offers.rest,
        {over: limit},
        time_limit=time_limit,
        gap=1e-6,
        seed=seed,
    )
    return FrontPoint(
        limit=limit,
        cost=_cost(over, offers, found.chosen),
        loss=found.objective,
        bound=min(found.solution.bound, found.objective),
        price=found.prices[0],
        widths=_widths(stats),
        factors=factors_of(offers.options, found.chosen),
    )


def _cost(over: str, offers: Offers, chosen: dict[str, int]) -> float:
    return offers.rest[over] + spent(offers.options, chosen)[0]


def _widths(stats: Statistics) -> dict[str, int]:
    return {name: group.size for name, group in stats.groups.items()}
