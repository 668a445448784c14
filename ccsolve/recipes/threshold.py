"""Widths by one threshold for the scores of all groups, then filled up."""

import heapq
from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ccsolve.recipes.steps import Steps, admissible_steps, fits, require_attainable
from ccsolve.statistics import Statistics

Scores = Mapping[str, NDArray[np.float64]]


def threshold_widths(
    stats: Statistics,
    limits: Mapping[str, float],
    scores: Scores,
    *,
    multiple_of: int = 1,
    min_keep: int = 1,
    fixed: Mapping[str, int] | None = None,
) -> dict[str, int]:
    """Give each group the classes whose scores reach one threshold, the least to fit.

    A group gets the largest admissible width of at most that many, or its narrowest.
    Then the step whose classes score most on average is put back, again and again,
    until no step of any group fits. Only the order of all scores together counts. The
    threshold is bisected: O(log C) costs for C classes, then one for each step.

    Parameters
    ----------
    stats, limits
        The statistics, and by resource the absolute amount that may remain.
    scores
        By group: (size,), the larger, the more worth keeping; groups have to compare.
    multiple_of, min_keep, fixed
        See `admissible_steps`.

    Raises
    ------
    Infeasible
        A budget is below the cost of the narrowest network allowed.
    """
    steps = admissible_steps(stats, multiple_of, min_keep, fixed)
    require_attainable(stats, limits, {name: step[0] for name, step in steps.items()})
    ranked = {name: np.sort(values)[::-1] for name, values in scores.items()}
    widths = _at_least_threshold(stats, limits, steps, ranked)
    return _filled_up(stats, limits, steps, ranked, widths)


def _at_least_threshold(
    stats: Statistics, limits: Mapping[str, float], steps: Steps, ranked: Scores
) -> dict[str, int]:
    every = np.unique(np.concatenate(list(ranked.values())))
    thresholds = np.append(every, np.inf)
    # The last threshold fits: it leaves every group its narrowest width.
    low, high = -1, len(thresholds) - 1
    while high - low > 1:
        middle = (low + high) // 2
        if fits(stats, limits, _at(steps, ranked, thresholds[middle])):
            high = middle
        else:
            low = middle
    return _at(steps, ranked, thresholds[high])


def _at(steps: Steps, ranked: Scores, threshold: float) -> dict[str, int]:
    widths = {}
    for name, admissible in steps.items():
        count = int((ranked[name] >= threshold).sum())
        widths[name] = max([w for w in admissible if w <= count], default=admissible[0])
    return widths


def _filled_up(
    stats: Statistics,
    limits: Mapping[str, float],
    steps: Steps,
    ranked: Scores,
    widths: dict[str, int],
) -> dict[str, int]:
    """Put back the step of the largest mean score while any fits."""
    following = {name: dict(pairwise(step)) for name, step in steps.items()}
    places = {name: place for place, name in enumerate(steps)}

    def step_of(name: str) -> tuple[float, int, str, int] | None:
        width = widths[name]
        wider = following[name].get(width)
        if wider is None:
            return None
        return -float(ranked[name][width:wider].mean()), places[name], name, wider

    queue = [step for step in map(step_of, steps) if step is not None]
    heapq.heapify(queue)
    while queue:
        _, _, name, wider = heapq.heappop(queue)
        # Costs only grow with what is put back: what does not fit never fits later.
        if fits(stats, limits, widths | {name: wider}):
            widths[name] = wider
            if (step := step_of(name)) is not None:
                heapq.heappush(queue, step)
    return widths
