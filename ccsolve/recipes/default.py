"""The recipe that "auto" stands for: "joint" where it may run, else "ccp"."""

import inspect
from collections.abc import Iterable

from ccsolve.criteria.refitting import refittable
from ccsolve.recipes import joint
from ccsolve.statistics import Statistics
from ccsolve.statistics.cost import COUNTED

AUTO, CCP, JOINT = "auto", "ccp", joint.RECIPE


def takes_joint(kinds: Iterable[str], options: Iterable[str]) -> bool:
    """Say whether "joint" takes budgets on these resources, and options so named."""
    parameters = inspect.signature(joint.plan).parameters.values()
    known = {item.name for item in parameters if item.kind is item.KEYWORD_ONLY}
    return set(kinds) <= set(COUNTED) and set(options) <= known


def default_recipe(
    stats: Statistics, kinds: Iterable[str], options: Iterable[str]
) -> str:
    """Give "joint" where budgets and options are its own and all moments are there."""
    return JOINT if takes_joint(kinds, options) and refittable(stats) else CCP
