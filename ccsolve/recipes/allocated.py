"""The allocated recipe: widths from losses, channels from the same or a criterion."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from ccsolve.criteria import Removal, refit_removal, score, taylor_removal
from ccsolve.errors import Unsupported
from ccsolve.plans import Plan
from ccsolve.recipes.allocation import allocated_widths
from ccsolve.recipes.uniform import best
from ccsolve.statistics import Statistics

LOSSES: Mapping[str, Callable[[Statistics, str], Removal]] = MappingProxyType(
    {"refit": refit_removal, "taylor": taylor_removal}
)
"""How the loss of a group is predicted at every width."""


def plan(
    stats: Statistics,
    limits: Mapping[str, float],
    *,
    losses: str = "refit",
    criterion: str | None = None,
    multiple_of: int = 1,
    min_keep: int = 1,
    seed: int = 0,
) -> Plan:
    """Share the budgets over the groups by what their channels are worth.

    Every group's channels are removed one after the other, which gives its loss at
    every width; `allocated_widths` takes the widths from these curves. The objective
    is the sum of the predicted losses, without terms between groups; there is no
    bound. Where `criterion` chooses the channels, the objective is NaN.

    Parameters
    ----------
    stats, limits
        The statistics, and by resource the absolute amount that may remain.
    losses
        "refit" (`refit_removal`): what is left after the next layers are fitted
        again; it needs ``collect(..., layers="moments")``. "taylor"
        (`taylor_removal`): what is left without a repair.
    criterion
        Which channels remain: any name that `ccsolve.criteria.score` knows; by
        default those that the loss removes last.
    multiple_of, min_keep
        See `allocated_widths`.
    seed
        For the criterion "random".
    """
    removals = removals_by(stats, losses)
    widths = allocated_widths(
        stats,
        limits,
        {name: removal.loss for name, removal in removals.items()},
        multiple_of=multiple_of,
        min_keep=min_keep,
    )
    sizes = {name: group.size for name, group in stats.groups.items()}
    if criterion is None:
        keep = {name: removals[name].kept(width) for name, width in widths.items()}
        gone = {name: sizes[name] - width for name, width in widths.items()}
        objective = sum(
            float(removals[name].loss[count]) for name, count in gone.items()
        )
    else:
        keep = {
            name: best(score(stats, name, criterion, seed=seed), width)
            for name, width in widths.items()
        }
        objective = np.nan
    return Plan(
        recipe="allocated",
        keep=keep,
        sizes=sizes,
        objective=objective,
        provenance={
            "losses": losses,
            "criterion": criterion,
            "multiple_of": multiple_of,
            "min_keep": min_keep,
            "seed": seed,
        },
    )


def removals_by(
    stats: Statistics, losses: str, *, where: str = "losses", besides: tuple = ()
) -> dict[str, Removal]:
    """Give the removal of every group by a name of `LOSSES`.

    Unsupported for another name, which says `where` it stood and what may stand there
    `besides`.
    """
    if losses not in LOSSES:
        known = ", ".join([*besides, *LOSSES])
        raise Unsupported(f"{where} {losses!r}; expected one of {known}")
    return {name: LOSSES[losses](stats, name) for name in stats.groups}
