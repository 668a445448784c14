"""ADMM-TT as a recipe: ranks by the program of ranks, weights by ADMM as it is built.

A plan is data without weights. It says which ranks every layer has; the bridge, which
sees the layers' inputs, gives every chain the weight that ADMM ends at (`admm_tt`).
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from ccsolve.plans import Plan
from ccsolve.recipes import low_rank
from ccsolve.recipes.chain_options import check_format
from ccsolve.recipes.ranks import Times
from ccsolve.statistics import Statistics

RECIPE = "admm_tt"

FORMATS: Mapping[str, Any] = MappingProxyType(
    {"svd": low_rank.svd, "tt": low_rank.tt, "tucker": low_rank.tucker}
)


def plan(
    stats: Statistics,
    limits: Mapping[str, float],
    *,
    format: str = "tt",
    metric: str = "auto",
    times: Mapping[str, Times] | None = None,
    multiple_of: int = 1,
    min_keep: int = 1,
    fixed: Mapping[str, Any] | None = None,
    time_limit: float = 10.0,
    gap: float = 1e-6,
    seed: int = 0,
) -> Plan:
    """Give every layer ranks within the budgets, for weights that ADMM will find.

    Objective and bound are of the program of ranks, on the losses of plain truncation;
    ADMM on the inputs' moments loses no more than that in its own measure.

    Parameters
    ----------
    stats, limits
        The statistics, and by resource the absolute amount that may remain.
    format
        "tt", as in the paper, "tucker" or "svd".
    metric, times, multiple_of, min_keep, fixed, time_limit, gap, seed
        As of the recipe "svd".

    Raises
    ------
    InvalidProblem
        Another format, or as the recipe "svd" does; so for other errors.
    """
    check_format(format)
    made: Plan = FORMATS[format](
        stats,
        limits,
        metric=metric,
        times=times,
        multiple_of=multiple_of,
        min_keep=min_keep,
        fixed=fixed,
        time_limit=time_limit,
        gap=gap,
        seed=seed,
    )
    return replace(made, recipe=RECIPE)
