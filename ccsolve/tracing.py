"""From statistics to a front: the least loss at every budget of one resource."""

from collections.abc import Mapping, Sequence
from typing import Any

from ccsolve.errors import InvalidProblem, Unsupported
from ccsolve.fronts import Front, front_of
from ccsolve.joint_fronts import front_of_joint
from ccsolve.problems.checks import whole_number
from ccsolve.rank_fronts import front_of_ranks
from ccsolve.recipes.budgets import absolute_amounts
from ccsolve.recipes.removals import AUTO, CURVES, LOSSES, losses_by
from ccsolve.statistics import Statistics
from ccsolve.statistics.cost import RESOURCES

ON_LOSSES = ("ccp", "allocated")
"""Recipes that take widths from the groups' losses."""

ON_RANKS: Mapping[str, Sequence[str]] = {
    "svd": ("split", "times"),
    "tt": ("modes", "times"),
    "tucker": ("times",),
}
"""Recipes that take ranks from the layers' losses, and what options fronts of them have
beside those of all."""

ON_BOTH: Mapping[str, Sequence[str]] = {
    "joint": ("levels", "leave_out", "rank_multiple"),
}
"""The same of recipes that decide widths and ranks together."""

OF_CHAINS: Mapping[str, Sequence[str]] = {**ON_RANKS, **ON_BOTH}
"""All recipes whose fronts have chains: plans lie on them by their own objective."""


def pareto(
    stats: Statistics,
    over: str = "macs",
    *,
    recipe: str = "ccp",
    losses: str = "auto",
    budgets: Sequence[float] | None = None,
    points: int = 50,
    nested: bool = False,
    multiple_of: int = 1,
    min_keep: int = 1,
    fixed: Mapping[str, int] | None = None,
    time_limit: float = 10.0,
    n_jobs: int | None = None,
    seed: int = 0,
    **options: Any,
) -> Front:
    """Give the least predicted loss at every budget: the loss-budget curve.

    Parameters
    ----------
    stats
        The exported statistics of the network.
    over
        The resource: "macs", "params", "latency" or "memory".
    recipe
        "ccp" or "allocated": those whose widths come from losses. `plan` with the
        same losses gives the front's widths ("ccp" as ``widths=``); "ccp" then
        chooses the channels by programs of their own, whose objective is another.
        "allocated" takes losses that come with an order, see `removals_by`.
        "svd", "tucker" and "tt": a front over ranks, with the points' factors those
        that `plan` gives at their budget. "joint": over both, at evenly spaced budgets.
    losses
        How a group's loss is predicted at every width, see `losses_by`; of recipes of
        ranks the metric.
    budgets
        What may remain, as `plan` takes it: where exact points are wanted. Without
        them, all breakpoints of the linear relaxation where the groups' costs add up,
        else evenly spaced budgets.
    points
        Their number, if they are evenly spaced.
    nested
        Whether no group is wider at a smaller budget, so that every network of the
        front is a part of the next; ``plan(..., recipe="allocated", fixed=widths)``
        gives its channels, nested as well. Each point's `nesting` is what that costs.
    multiple_of, min_keep, fixed
        See `admissible_steps`.
    time_limit
        Seconds for each budget.
    n_jobs
        How many budgets are solved side by side, see `ccsolve.batch.each`.
    seed
        For losses that are searched for.
    **options
        Of recipes of ranks: ``times``, of "svd" ``split`` and of "tt" ``modes``; of
        "joint" ``levels``, ``leave_out`` and ``rank_multiple``.

    Returns
    -------
    Front
        Points with widths, loss, bound and price; `Front.what_if` solves again under
        other budgets and rules.

    Raises
    ------
    InvalidProblem
        A budget or an option is malformed.
    Unsupported
        The recipe has no losses, or there are no such losses.
    MissingStatistics
        The losses or the resource need a part that was not collected.
    """
    _check_front(recipe, over, losses, options)
    _check_nested(nested, recipe, losses)
    original = stats.cost().of(over)
    wanted = None if budgets is None else absolute_amounts(over, budgets, original)
    points = whole_number("points", points, 2, 10**6)
    rules = {"multiple_of": multiple_of, "min_keep": min_keep, "fixed": fixed}
    solving: dict[str, Any] = {
        "budgets": wanted,
        "time_limit": time_limit,
        "n_jobs": n_jobs,
        **rules,
        **options,
    }
    if recipe in ON_RANKS:
        solving |= {"recipe": recipe, "metric": losses}
        return front_of_ranks(stats, over, seed=seed, **solving)
    solving["points"] = points
    if recipe in ON_BOTH:
        return front_of_joint(stats, over, seed=seed, **solving)
    found = losses_by(stats, losses, seed=seed)
    return front_of(stats, found, over, recipe=recipe, nested=nested, **solving)


def _check_nested(nested: bool, recipe: str, losses: str) -> None:
    if nested and (recipe in OF_CHAINS or losses in CURVES):
        raise Unsupported(
            f"nested=True with recipe {recipe!r} and losses {losses!r}: there is no "
            f"order in which all go; take losses {', '.join(LOSSES)}"
        )


def _check_front(
    recipe: str, over: str, losses: str, options: Mapping[str, Any]
) -> None:
    further = {**dict.fromkeys(ON_LOSSES, ()), **OF_CHAINS}
    if recipe not in further:
        raise Unsupported(
            f"recipe {recipe!r} has no losses at every width; expected one of "
            f"{', '.join(further)}"
        )
    known = further[recipe]
    for name in options:
        if name not in known:
            raise Unsupported(
                f"pareto with recipe {recipe!r} has no option {name!r}; its further "
                f"options: {', '.join(known) or 'none'}"
            )
    if over not in RESOURCES:
        raise InvalidProblem(
            f"resource {over!r}; expected one of {', '.join(RESOURCES)}"
        )
    if recipe in ON_BOTH and losses != AUTO:
        raise Unsupported(
            f"losses {losses!r} with recipe {recipe!r}, whose losses are those after a "
            f"refit; leave {AUTO!r}"
        )
    if recipe == "allocated" and losses in CURVES:
        raise Unsupported(
            f"losses {losses!r} have no order of removal; recipe 'allocated' takes "
            f"{', '.join([AUTO, *LOSSES])}"
        )
