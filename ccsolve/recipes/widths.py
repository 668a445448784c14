"""Uniform widths: the largest common keep ratio within the budgets, then filled up."""

import heapq
from collections.abc import Mapping
from itertools import pairwise

from ccsolve.recipes.steps import Steps, admissible_steps, fits, require_attainable
from ccsolve.statistics import Statistics


def uniform_widths(
    stats: Statistics,
    limits: Mapping[str, float],
    *,
    multiple_of: int = 1,
    min_keep: int = 1,
    fixed: Mapping[str, int] | None = None,
) -> dict[str, int]:
    """Give a width for every group: one keep ratio for all, as large as it can be.

    The ratio is found by bisection. Then the group that is furthest below its dense
    width gets its next step back, again and again, until no step of any group fits.
    Costs grow with every width, and a step costs the more the wider the rest is, so a
    step that does not fit once never fits later.

    Parameters
    ----------
    stats
        The groups and the cost model.
    limits
        By resource ("macs", "params"): the absolute amount that may remain.
    multiple_of, min_keep, fixed
        See `admissible_steps`.

    Raises
    ------
    Infeasible
        A budget is below the cost of the narrowest network allowed.
    """
    steps = admissible_steps(stats, multiple_of, min_keep, fixed)
    require_attainable(stats, limits, {name: step[0] for name, step in steps.items()})
    widths = _at_largest_ratio(stats, limits, steps)
    return _filled_up(stats, limits, steps, widths)


def _at_ratio(steps: Steps, ratio: float) -> dict[str, int]:
    """Give the largest admissible widths of at most ratio * dense."""
    return {
        name: max([w for w in widths if w <= ratio * widths[-1]], default=widths[0])
        for name, widths in steps.items()
    }


def _at_largest_ratio(
    stats: Statistics, limits: Mapping[str, float], steps: Steps
) -> dict[str, int]:
    low, high = 0.0, 1.0
    if fits(stats, limits, _at_ratio(steps, high)):
        return _at_ratio(steps, high)
    # Widths are integers: below 1e-9 no group of a network changes any more.
    while high - low > 1e-9:
        middle = 0.5 * (low + high)
        if fits(stats, limits, _at_ratio(steps, middle)):
            low = middle
        else:
            high = middle
    return _at_ratio(steps, low)


def _filled_up(
    stats: Statistics,
    limits: Mapping[str, float],
    steps: Steps,
    widths: dict[str, int],
) -> dict[str, int]:
    """Widen the group of the smallest keep ratio while any step fits."""
    following = {name: dict(pairwise(step)) for name, step in steps.items()}
    places = {name: place for place, name in enumerate(steps)}
    queue = [(_ratio(widths[name], steps[name]), places[name], name) for name in steps]
    heapq.heapify(queue)
    while queue:
        _, place, name = heapq.heappop(queue)
        wider = following[name].get(widths[name])
        if wider is not None and fits(stats, limits, widths | {name: wider}):
            widths = widths | {name: wider}
            heapq.heappush(queue, (_ratio(wider, steps[name]), place, name))
    return widths


def _ratio(width: int, steps: list[int]) -> float:
    """Give the keep ratio; a group that is held at no class has 1."""
    return width / steps[-1] if steps[-1] else 1.0
