"""Tables of options made ready for pricing."""

import numpy as np
from numba import njit


@njit(cache=True)
def possible_options(costs, offsets, limits, kept):
    """Mark the options that keep every budget where all others are cheapest; O(N·B).

    ``costs`` is (N, B), ``kept`` (N,). The limits count as larger by 1e-9, far above
    the rounding of the sums. Gives the first layer that is left without options, -1 if
    there is none.
    """
    layers, budgets = offsets.size - 1, limits.size
    least, total = np.full((layers, budgets), np.inf), np.zeros(budgets)
    for layer in range(layers):
        for j in range(offsets[layer], offsets[layer + 1]):
            for b in range(budgets):
                least[layer, b] = min(least[layer, b], costs[j, b])
        total += least[layer]
    empty = -1
    for layer in range(layers):
        count = 0
        for j in range(offsets[layer], offsets[layer + 1]):
            kept[j] = True
            for b in range(budgets):
                room = limits[b] * (1.0 + 1e-9) - total[b] + least[layer, b]
                kept[j] = kept[j] and costs[j, b] <= room
            count += kept[j]
        if count == 0 and empty < 0:
            empty = layer
    return empty


@njit(cache=True)
def column_maxima(costs, options, maxima):
    """Write the largest cost of some options for every budget, (B,)."""
    maxima[:] = 0.0
    for j in options:
        for b in range(maxima.size):
            maxima[b] = max(maxima[b], costs[j, b])


@njit(cache=True)
def turned(costs, options, units, out):
    """Write the costs (N, B) of some options times the units (B,), as (B, N')."""
    for i in range(options.size):
        for b in range(units.size):
            out[b, i] = costs[options[i], b] * units[b]
