"""Ways to share budgets over the groups, given each group's loss at every width."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsolve.errors import Unsupported
from ccsolve.recipes.exact import exact_widths
from ccsolve.recipes.ladders import Allocation, ladders, loss_at, predicted_at
from ccsolve.recipes.marginal import marginal_widths
from ccsolve.recipes.smooth import smooth_widths
from ccsolve.recipes.steps import admissible_steps
from ccsolve.recipes.widths import uniform_widths
from ccsolve.statistics import Statistics

Losses = Mapping[str, NDArray[np.float64]]


def allocated(
    stats: Statistics,
    limits: Mapping[str, float],
    losses: Losses,
    *,
    allocation: str = "exact",
    multiple_of: int = 1,
    min_keep: int = 1,
    fixed: Mapping[str, int] | None = None,
    time_limit: float = 10.0,
    seed: int = 0,
) -> Allocation:
    """Give widths within the limits by a program or by one of `RULES`.

    Parameters
    ----------
    stats, limits
        The statistics, and by resource the absolute amount that may remain.
    losses
        By group: (size + 1,) the loss when 0, 1, ..., size classes have gone.
    allocation
        "exact" (`exact_widths`): a program, with a bound and prices. "marginal"
        (`marginal_widths`), "smooth" (`smooth_widths`, the program of Collaborative
        Compression) and "uniform" (`uniform_widths`) have neither.
    multiple_of, min_keep, fixed
        See `admissible_steps`.
    time_limit, seed
        Of the program.

    Raises
    ------
    Unsupported
        There is no such allocation, or it does not take these budgets.
    Infeasible
        A budget is below the cost of the narrowest network allowed.
    """
    steps = {"multiple_of": multiple_of, "min_keep": min_keep, "fixed": fixed}
    if allocation == EXACT:
        return exact_widths(
            stats, limits, losses, **steps, time_limit=time_limit, seed=seed
        )
    if allocation not in RULES:
        known = ", ".join([EXACT, *RULES])
        raise Unsupported(f"allocation {allocation!r}; expected one of {known}")
    widths = RULES[allocation](stats, limits, losses, **steps)
    rungs = ladders(admissible_steps(stats, **steps), losses)
    return Allocation(widths, loss_at(rungs, widths), predicted_at(losses, widths))


def _uniform(
    stats: Statistics, limits: Mapping[str, float], losses: Losses, **steps: Any
) -> dict[str, int]:
    return uniform_widths(stats, limits, **steps)


EXACT = "exact"

RULES: Mapping[str, Callable[..., dict[str, int]]] = MappingProxyType(
    {"marginal": marginal_widths, "smooth": smooth_widths, "uniform": _uniform}
)
"""By name: rules that give widths for statistics, limits and losses, no more."""
