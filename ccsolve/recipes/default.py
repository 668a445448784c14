"""The recipe that "auto" stands for: the best of those that take what is asked."""

import inspect
from collections.abc import Callable, Collection, Iterable
from typing import Any

from ccsolve.criteria.refitting import refittable
from ccsolve.recipes import allocated, joint
from ccsolve.statistics import Statistics
from ccsolve.statistics.cost import COUNTED

AUTO, JOINT, ALLOCATED, CCP = "auto", joint.RECIPE, "allocated", "ccp"

_OF_TAYLOR = frozenset(allocated.MODEL)
"""Options of "allocated" that are of losses before a refit, which "ccp" has better."""


def takes_joint(kinds: Iterable[str], options: Collection[str]) -> bool:
    """Say whether "joint" takes budgets on these resources, and options so named."""
    return set(kinds) <= set(COUNTED) and _options_of(joint.plan) >= set(options)


def takes_allocated(options: Collection[str]) -> bool:
    """Say whether "allocated" takes options so named, for losses after a refit."""
    return _options_of(allocated.plan) - _OF_TAYLOR >= set(options)


def default_recipe(
    stats: Statistics, kinds: Iterable[str], options: Collection[str]
) -> str:
    """Give "joint" where budgets and options are its own, else "allocated", or "ccp".

    The first two need the moments of all layers that read a group.
    """
    if not refittable(stats):
        return CCP
    if takes_joint(kinds, options):
        return JOINT
    return ALLOCATED if takes_allocated(options) else CCP


def _options_of(recipe: Callable[..., Any]) -> set[str]:
    parameters = inspect.signature(recipe).parameters.values()
    return {item.name for item in parameters if item.kind is item.KEYWORD_ONLY}
