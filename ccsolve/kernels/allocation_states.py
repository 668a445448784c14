"""Blocks of partial choices: merged, thinned out, bounded by what is left to choose.

A block's states are sorted by cost, and their losses fall.
"""

from typing import NamedTuple

import numpy as np
from numba import njit


class Block(NamedTuple):
    """States under construction, with their bounds and where they come from."""

    cost: np.ndarray
    loss: np.ndarray
    bound: np.ndarray
    parent: np.ndarray
    option: np.ndarray


@njit(cache=True)
def relaxation(core, owner, side, low, high, knots, values):
    """Write the least loss of layers a list has not taken, over what they may cost.

    Convex and piecewise linear over knots that cover [low, high], as far as there are
    edges; 0 at 0, where all are at their base. Gives the number of knots.
    """
    downs, spent = 0, 0.0
    for i in range(core.down_cost.shape[0]):
        if spent <= low:
            break
        if owner[core.down_layer[i]] != side:
            spent -= core.down_cost[i]
            downs += 1
    knots[downs], values[downs] = 0.0, 0.0
    place = downs
    for i in range(core.down_cost.shape[0]):
        if place == 0:
            break
        if owner[core.down_layer[i]] != side:
            place -= 1
            knots[place] = knots[place + 1] - core.down_cost[i]
            values[place] = values[place + 1] + core.down_loss[i]
    count = downs
    for i in range(core.up_cost.shape[0]):
        if knots[count] >= high:
            break
        if owner[core.up_layer[i]] != side:
            knots[count + 1] = knots[count] + core.up_cost[i]
            values[count + 1] = values[count] - core.up_saving[i]
            count += 1
    return count + 1


@njit(cache=True)
def merged(one, n, two, m, out):
    """Merge sorted blocks into ``out`` without dominated states; give the count."""
    i, j, count = 0, 0, 0
    best = np.inf
    while i < n or j < m:
        first = j >= m or (
            i < n
            and (
                one.cost[i] < two.cost[j]
                or (one.cost[i] == two.cost[j] and one.loss[i] <= two.loss[j])
            )
        )
        source, k = (one, i) if first else (two, j)
        if source.loss[k] < best:
            best = source.loss[k]
            copy(source, k, out, count)
            count += 1
        i, j = (i + 1, j) if first else (i, j + 1)
    return count


@njit(cache=True)
def copy(source, k, out, count):
    """Copy state k of a block to place ``count`` of another."""
    out.cost[count] = source.cost[k]
    out.loss[count] = source.loss[k]
    out.bound[count] = source.bound[k]
    out.parent[count] = source.parent[k]
    out.option[count] = source.option[k]


@njit(cache=True)
def bar_for(block, found, width):
    """Give the least bound among those of all states but the best ``width``."""
    return np.partition(block.bound[:found], width)[width]


@njit(cache=True)
def thinned(block, found, width, bar):
    """Keep ``width`` states, those below the bar and some at it, spread over them."""
    below, ties = 0, 0
    for i in range(found):
        below += block.bound[i] < bar
        ties += block.bound[i] == bar
    places, count, tie = width - below, 0, 0
    for i in range(found):
        keep = block.bound[i] < bar
        if block.bound[i] == bar:
            keep = (tie + 1) * places // ties > tie * places // ties
            tie += 1
        if keep:
            copy(block, i, block, count)
            count += 1
    return count
