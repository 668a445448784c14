"""Uniform widths: the largest common keep ratio within the budgets, then filled up."""

import heapq
from collections.abc import Mapping
from itertools import pairwise

from ccsolve.errors import Infeasible
from ccsolve.problems.checks import whole_number
from ccsolve.statistics import Group, Statistics

_LARGEST = 10**9


def uniform_widths(
    stats: Statistics,
    limits: Mapping[str, float],
    *,
    multiple_of: int = 1,
    min_keep: int = 1,
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
    multiple_of
        Widths are multiples of this, or the group's dense width.
    min_keep
        Fewest classes of every group, besides each group's own `min_keep`.

    Raises
    ------
    Infeasible
        A budget is below the cost of the narrowest network allowed.
    """
    steps = {
        name: _admissible(group, multiple_of, min_keep)
        for name, group in stats.groups.items()
    }
    _require_attainable(stats, limits, {name: step[0] for name, step in steps.items()})
    widths = _at_largest_ratio(stats, limits, steps)
    return _filled_up(stats, limits, steps, widths)


def _admissible(group: Group, multiple_of: int, min_keep: int) -> list[int]:
    """Give the widths a group may have, in rising order; the dense one is the last."""
    multiple_of = whole_number("multiple_of", multiple_of, 1, _LARGEST)
    min_keep = whole_number("min_keep", min_keep, 0, _LARGEST)
    least = min(max(group.min_keep, min_keep), group.size)
    first = -(-least // multiple_of) * multiple_of
    return [*range(first, group.size, multiple_of), group.size]


def _fits(
    stats: Statistics, limits: Mapping[str, float], widths: Mapping[str, int]
) -> bool:
    cost = stats.cost(widths)
    return all(getattr(cost, name) <= limit for name, limit in limits.items())


def _require_attainable(
    stats: Statistics, limits: Mapping[str, float], narrowest: Mapping[str, int]
) -> None:
    cost = stats.cost(narrowest)
    for name, limit in limits.items():
        cheapest = getattr(cost, name)
        if cheapest > limit:
            raise Infeasible(
                f"budget {name} = {limit:.0f}, but the narrowest network allowed takes "
                f"{cheapest:.0f}; raise the budget to that, or lower min_keep or "
                "multiple_of"
            )


def _at_ratio(steps: Mapping[str, list[int]], ratio: float) -> dict[str, int]:
    """Give the largest admissible widths of at most ratio * dense."""
    return {
        name: max([w for w in widths if w <= ratio * widths[-1]], default=widths[0])
        for name, widths in steps.items()
    }


def _at_largest_ratio(
    stats: Statistics, limits: Mapping[str, float], steps: Mapping[str, list[int]]
) -> dict[str, int]:
    low, high = 0.0, 1.0
    if _fits(stats, limits, _at_ratio(steps, high)):
        return _at_ratio(steps, high)
    # Widths are integers: below 1e-9 no group of a network changes any more.
    while high - low > 1e-9:
        middle = 0.5 * (low + high)
        if _fits(stats, limits, _at_ratio(steps, middle)):
            low = middle
        else:
            high = middle
    return _at_ratio(steps, low)


def _filled_up(
    stats: Statistics,
    limits: Mapping[str, float],
    steps: Mapping[str, list[int]],
    widths: dict[str, int],
) -> dict[str, int]:
    """Widen the group of the smallest keep ratio while any step fits."""
    following = {name: dict(pairwise(step)) for name, step in steps.items()}
    places = {name: place for place, name in enumerate(steps)}
    queue = [(widths[name] / steps[name][-1], places[name], name) for name in steps]
    heapq.heapify(queue)
    while queue:
        _, place, name = heapq.heappop(queue)
        wider = following[name].get(widths[name])
        if wider is not None and _fits(stats, limits, widths | {name: wider}):
            widths = widths | {name: wider}
            heapq.heappush(queue, (wider / steps[name][-1], place, name))
    return widths
