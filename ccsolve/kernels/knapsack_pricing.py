"""Options priced by several multipliers: the Lagrangian of a multiple-choice knapsack.

For prices λ ≥ 0 the dual function is g(λ) = Σ_l min_j (loss_lj + λᵀcost_lj) - λᵀlimits.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

_EPS = 2.220446049250313e-16


class Priced(NamedTuple):
    """A table of options.

    Attributes
    ----------
    losses : (N,)
    costs : (B, N), one budget after the other, so that a pass reads them in order.
    offsets : (L + 1,) the first option of each layer, and N.
    limits : (B,)
    weight : Σ_l max_j |loss_lj|, for the rounding of sums.
    """

    losses: np.ndarray
    costs: np.ndarray
    offsets: np.ndarray
    limits: np.ndarray
    weight: float


@njit(cache=True)
def price(table, prices, choice, spent, least):
    """Write the cheapest options at prices (B,) and give a lower bound of g; O(N·B).

    ``choice`` (L,) are the options, counted over all layers, ``spent`` (B,) their
    costs, ``least`` (L,) their priced values. The bound is that of exact arithmetic:
    a priced value is off by at most γ_(B+1) times the sum of its absolute terms, which
    is at most |value| + 2|loss|, and the sum of the L values by γ_L of theirs.
    """
    budgets, layers = prices.size, choice.size
    work = np.empty(np.diff(table.offsets).max())
    total, magnitude = 0.0, 2.0 * table.weight
    spent[:] = 0.0
    for layer in range(layers):
        first, last = table.offsets[layer], table.offsets[layer + 1]
        at = _cheapest(table, prices, first, last, work)
        least[layer] = work[at - first]
        choice[layer] = at
        total += least[layer]
        magnitude += abs(least[layer])
        for b in range(budgets):
            spent[b] += table.costs[b, at]
    allowed = 0.0
    for b in range(budgets):
        allowed += prices[b] * table.limits[b]
    terms = (layers + 2 * budgets + 8) * _EPS
    return total - allowed - terms * (magnitude + allowed)


@njit(cache=True)
def _cheapest(table, prices, first, last, work):
    """Write the priced values of one layer into work and give the least one's index."""
    count = last - first
    for i in range(count):
        work[i] = table.losses[first + i]
    for b in range(prices.size):
        at_price = prices[b]
        if at_price > 0.0:
            costs = table.costs[b]
            for i in range(count):
                work[i] += at_price * costs[first + i]
    best = 0
    for i in range(1, count):
        if work[i] < work[best]:
            best = i
    return first + best


@njit(cache=True)
def survivors(table, prices, least, room, kept):
    """Write the options of reduced cost at most ``room`` into kept; give their number.

    The reduced cost of an option is its priced value less the least of its layer. Room
    must hold the rounding of both; O(N·B).
    """
    work = np.empty(np.diff(table.offsets).max())
    count = 0
    for layer in range(least.size):
        first, last = table.offsets[layer], table.offsets[layer + 1]
        _cheapest(table, prices, first, last, work)
        for i in range(last - first):
            if work[i] - least[layer] <= room:
                kept[count] = first + i
                count += 1
    return count
