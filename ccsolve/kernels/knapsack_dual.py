"""The dual function of a multiple-choice knapsack, raised by cutting planes."""

from typing import NamedTuple

import numpy as np
from numba import njit

from ccsolve.kernels.knapsack_master import best_prices
from ccsolve.kernels.knapsack_pricing import price


class Climb(NamedTuple):
    """Where the climb stands; arrays written in place.

    Attributes
    ----------
    prices, best : (B,) the next prices to try, and the best so far.
    choice, least : (L,) scratch for the cheapest options and their priced values.
    spent : (B,) scratch for their costs.
    figures : the best proven bound, and the master's value above all bounds.
    held : (1,) the number of proposals.
    ceiling : the value beyond which the dual function is of no interest.
    """

    prices: np.ndarray
    best: np.ndarray
    choice: np.ndarray
    least: np.ndarray
    spent: np.ndarray
    figures: np.ndarray
    held: np.ndarray
    ceiling: float


@njit(cache=True)
def climb(table, proposals, state, passes, close):
    """Make at most so many passes; True when the climb is over.

    Kelley's method (1960): the next prices are where all cuts together are highest, or
    as high as the ceiling. It ends when that is within ``close`` of the best bound, or
    when the store of proposals is full.
    """
    for _ in range(passes):
        bound = price(table, state.prices, state.choice, state.spent, state.least)
        if bound > state.figures[0]:
            state.figures[0] = bound
            state.best[:] = state.prices
        _store(table, proposals, state)
        count = state.held[0]
        state.figures[1] = best_prices(proposals, count, state.ceiling, state.prices)
        if count == proposals.losses.size:
            return True
        if state.figures[1] - state.figures[0] <= close:
            return True
    return False


@njit(cache=True)
def _store(table, proposals, state):
    at, total = state.held[0], 0.0
    for layer in range(state.choice.size):
        total += table.losses[state.choice[layer]]
    proposals.losses[at] = total
    proposals.choices[at] = state.choice
    proposals.excess[at] = state.spent - table.limits
    state.held[0] += 1
