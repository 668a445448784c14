"""From statistics and budgets to a plan."""

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ccsolve.errors import InvalidProblem, Unsupported
from ccsolve.plans import Plan
from ccsolve.recipes import allocated, ccp, uniform
from ccsolve.statistics import Statistics

RECIPES: Mapping[str, Callable[..., Plan]] = {
    "allocated": allocated.plan,
    "ccp": ccp.plan,
    "uniform": uniform.plan,
}


def plan(
    stats: Statistics,
    macs: float | None = None,
    params: float | None = None,
    *,
    recipe: str = "ccp",
    **options: Any,
) -> Plan:
    """Decide which channels of a network remain within budgets.

    Parameters
    ----------
    stats
        The exported statistics of the network.
    macs, params
        What may remain of the multiply-accumulates and parameters: a float in (0, 1]
        is a fraction of the dense network, an int an absolute amount. At least one.
    recipe
        "ccp" chooses by programs, "allocated" and "uniform" by a criterion; "uniform"
        cuts every group alike.
    **options
        Keyword options of the recipe: all take ``multiple_of``, ``min_keep`` and
        ``seed``; "uniform" takes ``criterion``; "allocated" takes ``losses`` and
        ``criterion``; "ccp" takes ``widths``, ``curvature``, ``damping``,
        ``first_order`` and ``time_limit`` (seconds for the whole plan).

    Returns
    -------
    Plan
        achieved <= asked for every budget, and no further step of any group fits.

    Raises
    ------
    InvalidProblem
        A budget or an option is malformed.
    Infeasible
        A budget is below the cost of the narrowest network allowed.
    MissingStatistics
        The recipe needs a part that was not collected.
    Unsupported
        No such recipe, or an option that it does not have.
    """
    budgets = {"macs": macs, "params": params}
    given = {name: value for name, value in budgets.items() if value is not None}
    if not given:
        raise InvalidProblem("no budget; give macs= or params=, what may remain")
    original = stats.cost().known()
    asked = {
        name: _absolute(name, value, original[name]) for name, value in given.items()
    }
    made = _recipe(recipe, options)(stats, asked, **options)
    return replace(
        made,
        given=given,
        asked=asked,
        achieved=stats.cost(made.widths).known(),
        original=original,
        fingerprint=stats.fingerprint,
        provenance={**made.provenance, "samples": stats.samples, "loss": stats.loss},
    )


def _absolute(name: str, value: object, original: float) -> float:
    """Give the absolute amount that a budget allows."""
    if isinstance(value, float | np.floating):
        if math.isfinite(value) and 0 < value <= 1:
            return float(value) * original
    elif isinstance(value, int | np.integer) and not isinstance(value, bool):
        if value > 0:
            return int(value)
    raise InvalidProblem(
        f"{name} = {value!r}; expected what may remain: a float in (0, 1] as a "
        "fraction of the dense network, or an int >= 1 as an absolute amount"
    )


def _recipe(name: str, options: Mapping[str, Any]) -> Callable[..., Plan]:
    if name not in RECIPES:
        raise Unsupported(f"recipe {name!r}; expected one of {', '.join(RECIPES)}")
    parameters = inspect.signature(RECIPES[name]).parameters.values()
    known = [item.name for item in parameters if item.kind is item.KEYWORD_ONLY]
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise Unsupported(
            f"recipe {name!r} has no option {unknown[0]!r}; its options: "
            f"{', '.join(known)}"
        )
    return RECIPES[name]
