"""Fronts over widths and ranks together: the joint recipe at every budget."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from ccsolve.batch import each
from ccsolve.fronts import Front, FrontPoint, falling
from ccsolve.recipes.joint import check_kinds, factors_of
from ccsolve.recipes.joint_search import RECIPE, Search
from ccsolve.statistics import Statistics


def front_of_joint(
    stats: Statistics,
    over: str,
    *,
    budgets: Sequence[float] | None = None,
    points: int = 50,
    time_limit: float = 10.0,
    n_jobs: int | None = None,
    seed: int = 0,
    **rules: Any,
) -> Front:
    """Give the front over MACs or parameters, of the recipe "joint".

    Losses, options and their costs are found once, which takes the time; the programs
    are solved at every budget as `plan` solves them. A point that a smaller budget's
    decision outdoes takes that decision. Bounds are over what the programs offer
    (`levels`), -inf where finer ranks lose less.

    Parameters
    ----------
    stats, over
        The statistics, with moments of the layers, and the resource.
    budgets
        Absolute amounts, where exact points are wanted.
    points
        How many budgets, evenly from the narrowest network to the dense one, where
        they are not given.
    time_limit, n_jobs, seed
        Of each budget, see `ccsolve.pareto`.
    **rules
        The further options of `ccsolve.recipes.joint.plan`.

    Raises
    ------
    Infeasible
        A budget is below the cost of the narrowest network allowed. Others as of the
        recipe.
    """
    check_kinds([over])
    search, dense = Search.of(stats, (over,), **rules), float(stats.cost().of(over))
    wanted = budgets
    if wanted is None:
        least = search.network.cost(search.narrowest)[over]
        wanted = np.linspace(least, dense, points).tolist()
    work = partial(_point, search, over, time_limit, seed)
    solved = _best(each(work, sorted(wanted), n_jobs=n_jobs))
    found = solved if budgets is not None else falling(solved)
    losses = {name: item.loss for name, item in search.network.removals.items()}
    return Front(over, RECIPE, tuple(found), dense, losses, stats)


def _point(
    search: Search, over: str, time_limit: float, seed: int, limit: float
) -> FrontPoint:
    found = search.within({over: limit}, time_limit=time_limit, seed=seed)
    return FrontPoint(
        limit=limit,
        cost=found.cost[over],
        loss=found.loss,
        bound=found.bound,
        price=found.prices.get(over, 0.0),
        widths=found.decision.widths,
        factors=factors_of(found.decision),
    )


def _best(points: Iterator[FrontPoint]) -> Iterator[FrontPoint]:
    """Give points by rising budget, none of which loses more than one before it."""
    best = None
    for point in points:
        if best is None or point.loss <= best.loss:
            best = point
        kept = {"cost": best.cost, "loss": best.loss}
        decided = {"widths": best.widths, "factors": best.factors}
        bound = min(point.bound, best.loss)
        yield point._replace(bound=bound, **kept, **decided)
