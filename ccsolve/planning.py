"""From statistics and budgets to a plan."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from ccsolve.errors import InvalidProblem, Unsupported
from ccsolve.plans import Plan
from ccsolve.recipes import (
    admm_plans,
    allocated,
    cc,
    ccp,
    cpli,
    dcff,
    joint,
    linear_plans,
    low_rank,
    network,
    ranked,
    uniform,
)
from ccsolve.recipes.budgets import absolute_amount
from ccsolve.recipes.default import AUTO, default_recipe
from ccsolve.statistics import Statistics

RECIPES: Mapping[str, Callable[..., Plan]] = {
    "admm_tt": admm_plans.plan,
    "allocated": allocated.plan,
    "cc": cc.plan,
    "ccp": ccp.plan,
    "cpli": cpli.plan,
    "dcff": dcff.plan,
    "joint": joint.plan,
    "linear_conv": linear_plans.plan,
    "network": network.plan,
    "svd": low_rank.svd,
    "tt": low_rank.tt,
    "tucker": low_rank.tucker,
    "uniform": uniform.plan,
    **{name: partial(cpli.plan_ancestor, name) for name in cpli.ANCESTORS},
    **{name: partial(ranked.plan, name) for name in ranked.PAPERS},
}

CHAINS = ("admm_tt", "cc", "joint", "linear_conv", "svd", "tt", "tucker")
"""Recipes whose plans put chains, or filters made of filters, in place of layers."""


def plan(
    stats: Statistics,
    macs: float | None = None,
    params: float | None = None,
    *,
    latency: float | None = None,
    memory: float | None = None,
    recipe: str = AUTO,
    **options: Any,
) -> Plan:
    """Decide which channels of a network remain within budgets.

    Parameters
    ----------
    stats
        The exported statistics of the network.
    macs, params, latency, memory
        What may remain of the multiply-accumulates, parameters, microseconds and bytes:
        a float in (0, 1] is a fraction of the dense network, an int an absolute
        amount. At least one. Latency needs tables (`Statistics.with_latency`), memory
        what the bridge's `collect` exports of a forward pass.
    recipe
        "auto" is "ccp" where statistics lack moments of a layer that reads a group;
        else "joint" where budgets are on MACs and parameters and all options are its
        own, else "allocated" where they are that one's, else "ccp".
        "ccp" chooses by programs, "network" by one over all groups and widths,
        "allocated" and "uniform" by a criterion; "uniform" cuts every group alike.
        "svd", "tucker" and "tt" keep all channels, and make chains of layers: a program
        shares the budgets over their ranks; "admm_tt" does so for weights that ADMM
        finds. "cc" and "joint" do both. "linear_conv" makes filters of others.
        "cpli", "he", "thinet" and "osscar" keep the channels from which the next layers
        can be reconstructed; "dcff" filters unlike the others. "l1", "lamp", "nisp",
        ...: a criterion, see `ccsolve.recipes.ranked.PAPERS`.
    **options
        Keyword options of the recipe: all take ``multiple_of``, ``min_keep``,
        ``fixed`` and ``seed``; "uniform" takes ``criterion``; "allocated" and "ccp"
        take ``allocation`` and ``time_limit``; "allocated" takes ``losses`` and
        ``criterion``; "joint" takes ``levels``, ``leave_out``, ``rank_multiple`` and
        ``time_limit``; "ccp" and "dcff" take ``widths``; "ccp" and "network" take
        ``curvature``, ``damping``, ``first_order`` and ``shrinkage``, "ccp" also
        ``recollect`` and "network" ``cross``; recipes of ranks take ``metric`` and
        ``times``.

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
    budgets = {"macs": macs, "params": params, "latency": latency, "memory": memory}
    given = {name: value for name, value in budgets.items() if value is not None}
    if not given:
        raise InvalidProblem(
            f"no budget; give one of {', '.join(budgets)}: what may remain"
        )
    dense = stats.cost()
    asked = {
        name: absolute_amount(name, value, dense.of(name))
        for name, value in given.items()
    }
    name = default_recipe(stats, given, options) if recipe == AUTO else recipe
    made = checked_recipe(name, options, recipe)(stats, asked, **options)
    return replace(
        made,
        given=given,
        asked=asked,
        # Of chains the recipe alone knows what they cost.
        achieved=made.achieved or stats.cost(made.widths).known(),
        original=dense.known(),
        fingerprint=stats.fingerprint,
        provenance={**made.provenance, "samples": stats.samples, "loss": stats.loss},
    )


def checked_recipe(
    name: str, options: Mapping[str, Any], named: str | None = None
) -> Callable[..., Plan]:
    """Give the recipe; Unsupported where there is none, or it has no such option.

    `named` is what was asked for, such as "auto".
    """
    if name not in RECIPES:
        known = ", ".join([AUTO, *RECIPES])
        raise Unsupported(f"recipe {name!r}; expected one of {known}")
    parameters = inspect.signature(RECIPES[name]).parameters.values()
    known = [item.name for item in parameters if item.kind is item.KEYWORD_ONLY]
    unknown = sorted(set(options) - set(known))
    if unknown:
        said = f"recipe {name!r}"
        if named == AUTO:
            said = f"recipe {AUTO!r}, which is {name!r} for what else is asked,"
        raise Unsupported(
            f"{said} has no option {unknown[0]!r}; its options: {', '.join(known)}"
        )
    return RECIPES[name]
