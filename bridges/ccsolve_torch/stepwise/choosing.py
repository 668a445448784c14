"""What the default recipe of a compression may be, said before a sample is read."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from ccsolve.recipes.default import AUTO, CCP, may_be_joint

MOST_MOMENTS = 2**31
"""Bytes of layers' moments that the default recipe has collected; others may more."""


PLAIN = (1, False, "least_squares", "ggn", None)
"""Steps, `sequential`, repair, curvature and auxiliary classifiers that joint takes."""


def narrowed(
    recipe: str,
    model: nn.Module,
    budgets: Mapping[str, Any],
    options: Mapping[str, Any],
    *,
    plain: bool,
) -> str:
    """Give "ccp" for "auto" where "joint" is out of the question; else the recipe.

    That is so for budgets or options that are not its own, where what else is asked
    is not `PLAIN`, and where moments would take more than `MOST_MOMENTS` bytes.
    """
    if recipe != AUTO:
        return recipe
    able = plain and may_be_joint(budgets, options)
    return AUTO if able and size_of_moments(model) <= MOST_MOMENTS else CCP


def size_of_moments(model: nn.Module) -> int:
    """Give the bytes of all layers' moments: 8 d² with d a filter's weights."""
    weights = [
        weight
        for module in model.modules()
        if (weight := module._parameters.get("weight")) is not None and weight.ndim > 1
    ]
    return sum(8 * (weight.numel() // max(1, len(weight))) ** 2 for weight in weights)
