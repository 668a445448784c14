"""What a recipe cannot take, said before any statistics are taken."""

import inspect
from collections.abc import Mapping
from typing import Any

from ccsolve.errors import InvalidProblem, MissingStatistics, Unsupported
from ccsolve.planning import CHAINS, checked_recipe
from ccsolve.recipes.chain_options import check_options
from ccsolve.recipes.default import AUTO, JOINT
from ccsolve_torch.graph import Graph
from ccsolve_torch.running.ranks import several

RECOLLECT = "recollect"
NAMING = ("fixed", "modes")
"""Options that may speak of groups or of layers by their names."""


def check_recipe(
    recipe: str,
    budgets: Mapping[str, Any],
    options: Mapping[str, Any],
    *,
    named: str,
    steps: int,
    sequential: bool,
    trains: bool,
) -> None:
    """Refuse budgets, options, steps and an order that the recipe cannot take.

    "auto" stands here for "joint", which it may be; `named` is what was asked for.
    """
    recipe = JOINT if recipe == AUTO else recipe
    checked_recipe(recipe, options, named)
    if recipe in CHAINS:
        _check_chains(recipe, budgets, options)
        _check_chains_again(recipe, steps, trains)
        if recipe != "cc":  # whose options are of its own kind
            alone = recipe == "linear_conv"
            check_options(tuple(budgets), options, params_alone=alone)
    if steps > 1:
        _check_repeatable(steps, budgets, options)
    if sequential:
        _check_sequential(recipe)


def check_names(graph: Graph, options: Mapping[str, Any]) -> None:
    """Refuse names that are neither a group nor a layer of the traced model."""
    known = {**graph.groups, **graph.layers}
    for option in NAMING:
        given = options.get(option)
        for name in given if isinstance(given, Mapping) else ():
            if name not in known:
                raise InvalidProblem(
                    f"{option} names {name!r}, which the model does not have; expected "
                    f"among {', '.join(known)[:200]}"
                )


def _check_chains(
    recipe: str, budgets: Mapping[str, Any], options: Mapping[str, Any]
) -> None:
    if "memory" in budgets:
        raise Unsupported(
            f"memory={budgets['memory']!r} with recipe {recipe!r}: what chains hold at "
            f"once is not known before they are made; expected budgets on macs or "
            f"params"
        )
    if "latency" in budgets and not options.get("times"):
        raise MissingStatistics(
            f"latency={budgets['latency']!r} with recipe {recipe!r}: no times of "
            f"chains are given; measure them with measure_chains and give times= to "
            f"recipe 'svd', 'tucker' or 'tt'"
        )


def _check_chains_again(recipe: str, steps: int, trains: bool) -> None:
    """Refuse several steps where a later one would cut into chains, or undo training.

    The bottlenecks of "joint" are made anew from the original's layers.
    """
    if steps > 1 and recipe != JOINT:
        raise Unsupported(
            f"steps={steps} with recipe {recipe!r}: a later step would cut into the "
            f"chains that the first one made; take steps=1"
        )
    if steps > 1 and trains:
        raise Unsupported(
            f"steps={steps} with recipe {recipe!r} and finetune=: it would train "
            f"bottlenecks that the next step makes anew; take steps=1, or 'allocated'"
        )


def _check_repeatable(
    steps: int, budgets: Mapping[str, Any], options: Mapping[str, Any]
) -> None:
    """Refuse what several steps cannot take."""
    if "latency" in budgets:
        raise Unsupported(
            f"latency={budgets['latency']!r} with steps={steps}: tables measured in "
            f"every step differ by chance; take steps=1, or another budget"
        )
    if not isinstance(options.get("widths", ""), str):
        raise Unsupported(
            f"widths = {options['widths']!r:.60} with steps={steps}: each step would "
            f"take them of what the last one left; take steps=1"
        )


def _check_sequential(recipe: str) -> None:
    if RECOLLECT not in inspect.signature(checked_recipe(recipe, {})).parameters:
        raise Unsupported(
            f"sequential=True: the recipe {recipe!r} plans on statistics taken once; "
            f"take 'ccp', or steps="
        )
    if several():
        raise Unsupported(
            "sequential=True in several processes: plans are made by the first of "
            "them, which cannot collect alone; take steps= instead"
        )
