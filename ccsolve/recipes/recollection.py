"""Statistics taken again while a recipe goes through the groups.

What a group's channels are worth changes once other groups have lost theirs. A recipe
that goes layer by layer asks for the statistics of the network as it is by then;
whoever holds the network gives them.
"""

from collections.abc import Callable, Mapping
from typing import Any

from ccsolve.errors import InvalidProblem, InvalidStatistics
from ccsolve.plans import Plan
from ccsolve.statistics import Statistics

Recollect = Callable[[Plan], Statistics]
"""From a plan for the dense network to statistics of what it leaves.

Groups that the plan leaves whole have the names and the classes that they had.
"""


def checked_recollect(recollect: Recollect | None) -> Recollect | None:
    """Give it back if it can be called, or is none; else InvalidProblem."""
    if not (recollect is None or callable(recollect)):
        raise InvalidProblem(
            f"recollect = {recollect!r:.80}; expected a function from a plan to "
            "statistics, which the torch bridge has for compress(..., sequential=True)"
        )
    return recollect


def taken_again(
    recollect: Recollect,
    stats: Statistics,
    keep: Mapping[str, Any],
    group: str,
    recipe: str,
) -> Statistics:
    """Give the statistics of the network as it is before the group is cut.

    Parameters
    ----------
    recollect
        Called with a plan that keeps what `keep` says.
    stats
        Of the dense network.
    keep
        Classes that remain of every group, all of those that were not cut yet.
    group
        The next one.
    recipe
        Who asks.

    Raises
    ------
    InvalidStatistics
        What was collected does not hold the group, or not with all its classes.
    """
    plan = Plan(
        recipe=recipe,
        keep=keep,
        sizes={name: item.size for name, item in stats.groups.items()},
        original=stats.cost().known(),
        fingerprint=stats.fingerprint,
        provenance={"before": group},
    )
    found, size = recollect(plan), stats.groups[group].size
    if group not in found.groups or found.groups[group].size != size:
        there = found.groups[group].size if group in found.groups else "no"
        raise InvalidStatistics(
            f"recollect: gave the group {group!r} with {there} classes; expected {size}"
            " as before, for the plan leaves it whole"
        )
    return found
