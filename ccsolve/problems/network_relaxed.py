"""Relaxed points of a NetworkSelection: how wide they are, what channels cost there."""

import numpy as np

from ccsolve.problems.network import NetworkSelection
from ccsolve.problems.width_costs import WidthBudget

_REACH = 8.0
"""Costs that rise by steps have their slope over this part of a group, both ways."""


def relaxed_widths(problem: NetworkSelection, y: np.ndarray) -> np.ndarray:
    """Give the widths Σ_{i∈g} y_i of a point y (n,) in [0, 1], (G,)."""
    return np.bincount(problem.groups, weights=y, minlength=problem.count)


def slopes_at(problem: NetworkSelection, k: np.ndarray) -> np.ndarray:
    """Give what one more channel of each group costs at widths k (G,), (B, G).

    The gradient of every budget; of one with tables a difference over an eighth of the
    group to both sides, as far as the group goes.
    """
    slopes = np.zeros((len(problem.budgets), len(k)))
    for slope, budget in zip(slopes, problem.budgets, strict=True):
        if budget.tables:
            _set_differences(slope, budget, problem, k)
            continue
        for g, each in budget.linear.items():
            slope[g] += each
        for (g, h), each in budget.products.items():
            slope[g] += each * k[h]
            slope[h] += each * k[g]
    return slopes


def products_of(problem: NetworkSelection) -> np.ndarray:
    """Give S (B, G, G) symmetric: of each budget, kᵀSk are the products of widths k."""
    found = np.zeros((len(problem.budgets), problem.count, problem.count))
    for products, budget in zip(found, problem.budgets, strict=True):
        for (g, h), each in budget.products.items():
            products[g, h] += 0.5 * each
            products[h, g] += 0.5 * each
    return found


def _set_differences(
    slope: np.ndarray, budget: WidthBudget, problem: NetworkSelection, k: np.ndarray
) -> None:
    for g, ladder in enumerate(problem.widths):
        reach, ends = max(1.0, ladder[-1] / _REACH), [k.copy(), k.copy()]
        ends[0][g] = max(k[g] - reach, 0.0)
        ends[1][g] = min(k[g] + reach, float(ladder[-1]))
        if ends[1][g] > ends[0][g]:
            rise = budget.at(ends[1]) - budget.at(ends[0])
            slope[g] = rise / (ends[1][g] - ends[0][g])
