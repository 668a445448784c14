"""Programs of statistics whose samples are drawn again, with replacement."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsolve.errors import MissingStatistics
from ccsolve.problems.checks import whole_number
from ccsolve.statistics import Group, Statistics
from ccsolve.statistics.shrinkage import block_noise
from ccsolve.statistics.whole_curvature import rows_per_sample
from ccsolve.validation.models import LossModel
from ccsolve.validation.paths import program_of
from ccsolve.validation.worst_case import WorstOf

MOST_DRAWS = 1000


def resampled(stats: Statistics, seed: int = 0) -> Statistics:
    """Give the statistics of N samples drawn from the N with replacement (bootstrap).

    Curvature rows, their noise, and gradients where the rows of the empirical Fisher
    are held, whose mean they are; the same samples in every group. All else stays.
    Efron, Bootstrap methods: another look at the jackknife, Annals of Statistics 7,
    1979.

    MissingStatistics where a curvature is held as blocks alone, which cannot be drawn.
    """
    rng = np.random.default_rng(whole_number("seed", seed, 0, 2**62))
    drawn = rng.integers(0, max(stats.samples, 1), stats.samples)
    groups = {name: _drawn(g, drawn, stats.samples) for name, g in stats.groups.items()}
    return replace(stats, groups=groups)


def worst_of_resampled(
    stats: Statistics,
    limits: Mapping[str, float],
    model: LossModel | None = None,
    *,
    draws: int = 8,
    seed: int = 0,
    **rules: Any,
) -> WorstOf:
    """Give the program of the worst of several resampled statistics.

    Parameters
    ----------
    stats, limits
        The statistics, and by resource the absolute amount that may remain.
    model
        How the loss is modelled; default `LossModel` without the gradient.
    draws
        How many; the statistics as they are come first, besides.
    seed
        Of the draws.
    **rules
        multiple_of, min_keep and fixed, see `Statistics.network_program`.
    """
    made = LossModel(first_order=0.0) if model is None else model
    count = whole_number("draws", draws, 1, MOST_DRAWS)
    every = [stats, *(resampled(stats, seed + place) for place in range(count))]
    return WorstOf(tuple(program_of(each, limits, made, rules) for each in every))


def _drawn(group: Group, drawn: NDArray[np.int64], samples: int) -> Group:
    changed: dict[str, Any] = {}
    for curvature in ("ggn", "fisher"):
        rows = group.rows(curvature)
        if rows is None and getattr(group, curvature) is not None:
            raise MissingStatistics(
                f"groups/{group.name}: {curvature} is held as a block, whose samples "
                "cannot be drawn again; collect with rows (max_rows)"
            )
        if rows is not None:
            each = rows_per_sample([np.asarray(rows)], samples)
            parts = rows.reshape(samples, each, group.size)[drawn]
            changed[f"{curvature}_rows"] = parts.reshape(rows.shape)
            changed[f"{curvature}_noise"] = block_noise(parts.reshape(rows.shape), each)
    if group.gradient is not None and "fisher_rows" in changed:
        gradients = changed["fisher_rows"].astype(np.float64)
        changed["gradient"] = gradients.sum(axis=0) / math.sqrt(samples)
    return replace(group, **changed)
