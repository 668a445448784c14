"""The allocated recipe: widths from losses, channels from the same or a criterion."""

import math
from collections.abc import Mapping
from typing import Any

from ccsolve.criteria import score
from ccsolve.errors import Unsupported
from ccsolve.plans import Plan
from ccsolve.recipes.allocation import allocated
from ccsolve.recipes.removals import TAYLOR, removals_by
from ccsolve.recipes.uniform import best
from ccsolve.statistics import Statistics


def plan(
    stats: Statistics,
    limits: Mapping[str, float],
    *,
    losses: str = "refit",
    criterion: str | None = None,
    curvature: str | None = None,
    damping: float = 0.0,
    first_order: float = 0.0,
    shrinkage: float | str = 0.0,
    target: str = "diagonal",
    allocation: str = "exact",
    multiple_of: int = 1,
    min_keep: int = 1,
    fixed: Mapping[str, int] | None = None,
    time_limit: float = 10.0,
    seed: int = 0,
) -> Plan:
    """Share the budgets over the groups by what their channels are worth.

    Every group's channels are removed one after the other, which gives its loss at
    every width; a program takes the widths from these curves. The objective is the sum
    of the predicted losses, made convex in each group (`Ladder`; the provenance has
    their sum as they were) and without terms between groups; the bound is over all
    admissible widths, and the prices are the fall of the loss per unit of each budget
    added. Where `criterion` chooses the channels, the objective is NaN.

    Parameters
    ----------
    stats, limits
        The statistics, and by resource the absolute amount that may remain.
    losses
        See `removals_by`.
    criterion
        Which channels remain: any name that `ccsolve.criteria.score` knows; by
        default those that the loss removes last.
    curvature, damping, first_order, shrinkage, target
        Of the losses "taylor": see `taylor_removal`.
    allocation, multiple_of, min_keep, fixed, time_limit
        See `allocated`.
    seed
        For the program, and the criterion "random".
    """
    asked = {
        "curvature": curvature,
        "damping": damping,
        "first_order": first_order,
        "shrinkage": shrinkage,
        "target": target,
    }
    rules = {"multiple_of": multiple_of, "min_keep": min_keep, "seed": seed}
    search: dict[str, Any] = {"allocation": allocation, **rules}
    removals = removals_by(stats, losses, _model(losses, asked))
    curves = {name: removal.loss for name, removal in removals.items()}
    limited = {"fixed": fixed, "time_limit": time_limit}
    found = allocated(stats, limits, curves, **limited, **search)
    return Plan(
        recipe="allocated",
        keep={
            name: removals[name].kept(width)
            if criterion is None
            else best(score(stats, name, criterion, seed=seed), width)
            for name, width in found.widths.items()
        },
        sizes={name: group.size for name, group in stats.groups.items()},
        prices=found.prices,
        # The losses are of the removals' own choices.
        objective=found.loss if criterion is None else math.nan,
        bound=found.bound if criterion is None else -math.inf,
        resolution=found.resolution,
        provenance={
            "losses": losses,
            "criterion": criterion,
            **(asked if losses == TAYLOR else {}),
            **search,
            "fixed": dict(fixed or {}),
            "predicted loss": found.predicted,
            "solver": dict(found.solver),
            "bound": "over all admissible widths, on these losses",
        },
    )


MODEL: Mapping[str, Any] = {
    "curvature": None,
    "damping": 0.0,
    "first_order": 0.0,
    "shrinkage": 0.0,
    "target": "diagonal",
}
"""Options of the quadratic model, which the losses "taylor" alone are of."""


def _model(losses: str, asked: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give the quadratic model; Unsupported where the losses have none."""
    changed = [name for name, value in asked.items() if value != MODEL[name]]
    if changed and losses != TAYLOR:
        raise Unsupported(
            f"{changed[0]} = {asked[changed[0]]!r} with losses {losses!r}; only those "
            "of losses='taylor' are of a quadratic model"
        )
    return asked
