"""Criteria as recipes: a score says which channels remain, a rule how many of each.

One function for all of them: `planning.RECIPES` names it once for every criterion.
"""

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ccsolve.criteria import CRITERIA, EXPORTED, score
from ccsolve.errors import Unsupported
from ccsolve.plans import Plan
from ccsolve.problems.checks import whole_number
from ccsolve.recipes.allocation import EXACT, allocated
from ccsolve.recipes.ladders import Allocation
from ccsolve.recipes.removals import AUTO, CURVES, LOSSES, losses_by
from ccsolve.recipes.threshold import threshold_widths
from ccsolve.recipes.uniform import best
from ccsolve.recipes.widths import uniform_widths
from ccsolve.statistics import Statistics

UNIFORM, GLOBAL, ALLOCATED = "uniform", "global", "allocated"
RATES = (UNIFORM, GLOBAL, ALLOCATED)

NORMALISE = ("none", "norm")

OWN = "own"
"""Losses of the allocation that are sums of the criterion's own scores."""


class Paper(NamedTuple):
    """How a criterion's authors share a budget: the rates, and scores as they are."""

    rates: str
    normalise: str


PAPERS: Mapping[str, Paper] = MappingProxyType(
    {name: Paper(UNIFORM, "norm") for name in (*CRITERIA, "random", *EXPORTED)}
    | {
        # Molchanov et al. rank all layers together, each over its norm.
        "taylor": Paper(GLOBAL, "norm"),
        "taylor_per_sample": Paper(GLOBAL, "norm"),
        "taylor_weight": Paper(GLOBAL, "none"),
        # One threshold for all scales, of all layers (Liu et al., network slimming).
        "bn_scale": Paper(GLOBAL, "none"),
        "lamp": Paper(GLOBAL, "none"),
        "class_wise": Paper(GLOBAL, "none"),
    }
)
"""All criteria that are recipes, with what their authors do; options change it."""


def plan(
    criterion: str,
    stats: Statistics,
    limits: Mapping[str, float],
    *,
    rates: str | None = None,
    normalise: str | None = None,
    losses: str = AUTO,
    allocation: str = "exact",
    multiple_of: int = 1,
    min_keep: int = 1,
    fixed: Mapping[str, int] | None = None,
    time_limit: float = 10.0,
    seed: int = 0,
) -> Plan:
    """Keep the classes of the best scores; budgets hold, and no further step fits.

    The plan's objective is NaN, for no program chose the channels; where a program
    allocated the rates, the provenance has its loss and bound.

    Parameters
    ----------
    criterion
        A name of `PAPERS`.
    stats, limits
        The statistics, and by resource the absolute amount that may remain.
    rates
        "uniform": every group cut alike (`uniform_widths`). "global": one threshold for
        the scores of all groups (`threshold_widths`). "allocated": a program shares the
        budgets by what widths cost (`allocated`). Default: what the criterion's authors
        do, see `PAPERS`.
    normalise
        Of "global": "none", or "norm" for scores over their group's Euclidean norm, so
        that layers compare. Default: the authors'.
    losses
        Of "allocated": see `losses_by`; "own" for the sums of the scores that go, as
        they are: for scores that are losses (obd, fisher, ablation, ...).
    allocation, time_limit
        Of "allocated", see `ccsolve.recipes.allocation.allocated`.
    multiple_of, min_keep, fixed
        See `admissible_steps`.
    seed
        For the criterion "random", and for programs.

    Raises
    ------
    Unsupported
        Rates, losses or a way to normalise that there are not.
    MissingStatistics
        What the criterion or the losses need was not collected.
    """
    paper = PAPERS[criterion]
    rates = _known("rates", paper.rates if rates is None else rates, RATES)
    _check_used(rates, normalise, losses, allocation)
    normalise = paper.normalise if normalise is None else normalise
    _known("normalise", normalise, NORMALISE)
    _known("losses", losses, (OWN, AUTO, *LOSSES, *CURVES))
    seed = whole_number("seed", seed, 0, 2**63)
    steps = {"multiple_of": multiple_of, "min_keep": min_keep, "fixed": fixed}
    rules = {"allocation": allocation, "time_limit": time_limit, "seed": seed}
    scores = {name: score(stats, name, criterion, seed=seed) for name in stats.groups}
    if rates == ALLOCATED:
        curves = _losses(stats, scores, losses, seed)
        found = allocated(stats, limits, curves, **steps, **rules)
    else:
        widths = _widths(stats, limits, scores, rates, normalise, steps)
        found = Allocation(widths, math.nan)
    return Plan(
        recipe=criterion,
        keep={name: best(scores[name], width) for name, width in found.widths.items()},
        sizes={name: group.size for name, group in stats.groups.items()},
        prices=found.prices,
        provenance={
            "criterion": criterion,
            "rates": rates,
            **({"normalise": normalise} if rates == GLOBAL else {}),
            **(_record(found, losses, allocation) if rates == ALLOCATED else {}),
            **steps,
            "seed": seed,
        },
    )


def _widths(
    stats: Statistics,
    limits: Mapping[str, float],
    scores: Mapping[str, NDArray[np.float64]],
    rates: str,
    normalise: str,
    steps: Mapping[str, Any],
) -> dict[str, int]:
    """Give widths without a program: uniform, or by one threshold."""
    if rates == UNIFORM:
        return uniform_widths(stats, limits, **steps)
    compared = {name: _compared(values, normalise) for name, values in scores.items()}
    return threshold_widths(stats, limits, compared, **steps)


def _compared(scores: NDArray[np.float64], normalise: str) -> NDArray[np.float64]:
    """Give scores that compare between groups."""
    length = float(np.linalg.norm(scores))
    return scores if normalise == "none" or length == 0 else scores / length


def _known(name: str, value: str, known: Sequence[str]) -> str:
    if value not in known:
        raise Unsupported(f"{name} {value!r}; expected one of {', '.join(known)}")
    return value


def _check_used(
    rates: str, normalise: str | None, losses: str, allocation: str
) -> None:
    """Refuse what the rates would not look at."""
    given = {"losses": losses != AUTO, "allocation": allocation != EXACT}
    unused = [name for name, said in given.items() if said and rates != ALLOCATED]
    if normalise is not None and rates != GLOBAL:
        unused.append("normalise")
    if unused:
        needed = GLOBAL if unused[0] == "normalise" else ALLOCATED
        raise Unsupported(
            f"{unused[0]} with rates {rates!r}, which do not look at it; leave it out, "
            f"or give rates={needed!r}"
        )


def _losses(
    stats: Statistics, scores: Mapping[str, np.ndarray], losses: str, seed: int
) -> Mapping[str, np.ndarray]:
    """Give by group what is lost when 0, 1, ..., size classes have gone."""
    if losses != OWN:
        return losses_by(stats, losses, seed=seed)
    return {
        name: np.concatenate([[0.0], np.cumsum(np.sort(values))])
        for name, values in scores.items()
    }


def _record(found: Allocation, losses: str, allocation: str) -> dict[str, object]:
    return {
        "losses": losses,
        "allocation": {
            "rule": allocation,
            "loss": found.loss,
            "predicted loss": found.predicted,
            "bound": found.bound,
            **found.solver,
        },
    }
