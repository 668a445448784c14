"""The uniform recipe: every group cut alike, a criterion says which channels remain."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ccsolve.criteria import score
from ccsolve.plans import Plan
from ccsolve.recipes.widths import uniform_widths
from ccsolve.statistics import Statistics


def plan(
    stats: Statistics,
    limits: Mapping[str, float],
    *,
    criterion: str = "l1",
    multiple_of: int = 1,
    min_keep: int = 1,
    fixed: Mapping[str, int] | None = None,
    seed: int = 0,
) -> Plan:
    """Keep the classes of the best scores at uniform widths.

    No program is solved: the plan's objective is NaN and it has no bound.

    Parameters
    ----------
    stats, limits
        The statistics, and by resource the absolute amount that may remain.
    criterion
        Any name that `ccsolve.criteria.score` knows.
    multiple_of, min_keep, fixed
        See `uniform_widths`.
    seed
        For the criterion "random".
    """
    widths = uniform_widths(
        stats, limits, multiple_of=multiple_of, min_keep=min_keep, fixed=fixed
    )
    keep = {
        name: best(score(stats, name, criterion, seed=seed), width)
        for name, width in widths.items()
    }
    return Plan(
        recipe="uniform",
        keep=keep,
        sizes={name: group.size for name, group in stats.groups.items()},
        provenance={
            "criterion": criterion,
            "multiple_of": multiple_of,
            "min_keep": min_keep,
            "fixed": dict(fixed or {}),
            "seed": seed,
        },
    )


def best(scores: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Give the `count` classes of the largest scores, sorted; ties to lower classes."""
    return np.sort(np.argsort(-scores, kind="stable")[:count])
