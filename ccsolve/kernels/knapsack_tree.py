"""Branch and bound on a core of options: nodes priced, listed, or split."""

from typing import NamedTuple

import numpy as np
from numba import njit

from ccsolve.kernels.knapsack_core import raise_bound, reduced_cost, rounding
from ccsolve.kernels.knapsack_listing import list_points


class Tree(NamedTuple):
    """The path from the root to the node at hand; arrays written in place.

    Attributes
    ----------
    trail : (M,) the options no longer allowed, in the order they went.
    start : (D + 1,) where each depth's options begin on the trail.
    layer : (D,) the layer split at each depth; ``parted`` (D,) how many options its
        first side lost; ``second`` (D,) whether the other side is being searched.
    prices : (D + 1, B) and ``bounds`` (D + 1,) of the nodes on the path.
    depth : (1,) the depth of the node at hand, -1 once all is searched.
    listing : most points listed in one node.
    """

    trail: np.ndarray
    start: np.ndarray
    layer: np.ndarray
    parted: np.ndarray
    second: np.ndarray
    prices: np.ndarray
    bounds: np.ndarray
    depth: np.ndarray
    listing: int


@njit(cache=True)
def explore(core, node, proposals, held, incumbent, tree, nodes):
    """Search at most so many nodes, depth first; True once the tree is exhausted.

    A node is closed when its bound reaches the goal, or when all of its points below
    the goal have been listed; else the layer in which the mixture of proposals that
    proves its bound is widest is split at the mixture's mean priced cost. Options of
    reduced cost beyond goal - bound are out. The exhausted tree proves that no point
    is below the goal, but for the undecided ones.
    """
    for _ in range(nodes):
        if not _closed(core, node, proposals, held, incumbent, tree):
            _branch(core, node, proposals, held[0], tree)
        elif not _back(core, node, tree):
            tree.depth[0] = -1
            return True
    return False


@njit(cache=True)
def open_bound(incumbent, tree):
    """Give the least bound of the nodes not searched, at most the goal; O(depth).

    The goal itself once all is searched.
    """
    least = incumbent.values[1]
    for depth in range(tree.depth[0] + 1):
        if depth == tree.depth[0] or not tree.second[depth]:
            least = min(least, tree.bounds[depth])
    return least


@njit(cache=True)
def _closed(core, node, proposals, held, incumbent, tree):
    """Bound the node, fix options, list points; say whether nothing is left."""
    depth = tree.depth[0]
    node.prices[:] = tree.prices[depth]
    goal = incumbent.values[1]
    value = raise_bound(core, node, proposals, held, goal)
    slack = rounding(core, node.prices, value)
    bound = value - slack
    if depth > 0:
        tree.bounds[depth] = max(bound, tree.bounds[depth - 1])
    else:
        tree.bounds[depth] = bound
    tree.prices[depth] = node.prices
    if bound >= goal:
        return True
    _fix(core, node, goal - bound + 2.0 * slack, tree)
    return list_points(core, node, incumbent, value, 4.0 * slack, tree.listing)


@njit(cache=True)
def _drop(node, tree, j):
    depth = tree.depth[0]
    node.alive[j] = False
    tree.trail[tree.start[depth + 1]] = j
    tree.start[depth + 1] += 1


@njit(cache=True)
def _fix(core, node, span, tree):
    """Drop the options whose reduced cost is beyond the span."""
    for j in range(core.losses.size):
        if node.alive[j] and reduced_cost(core, node, j) > span:
            _drop(node, tree, j)


@njit(cache=True)
def _branch(core, node, proposals, count, tree):
    """Split the widest layer and go to its heavier side."""
    layer, at, low_first = _widest(core, node, proposals, count)
    depth = tree.depth[0]
    tree.layer[depth], tree.second[depth] = layer, False
    tree.depth[0] = depth + 1
    tree.prices[depth + 1] = node.prices
    tree.bounds[depth + 1] = tree.bounds[depth]
    tree.start[depth + 2] = tree.start[depth + 1]
    for j in range(core.first[layer], core.first[layer + 1]):
        if node.alive[j] and _is_low(core, node, j, layer, at) != low_first:
            _drop(node, tree, j)
    tree.parted[depth] = tree.start[depth + 2] - tree.start[depth + 1]


@njit(cache=True)
def _key(core, node, j):
    value = 0.0
    for b in range(node.prices.size):
        value += node.prices[b] * core.costs[j, b]
    return value


@njit(cache=True)
def _is_low(core, node, j, layer, at):
    if at == np.inf:
        return j == node.choice[layer]
    return _key(core, node, j) <= at


@njit(cache=True)
def _widest(core, node, proposals, count):
    """Give a layer, where to part it, and whether the low side is heavier.

    Where the mixture is one point, the layer with most options, parted into the choice
    and the rest; that is said by an infinite place.
    """
    best, at, layer = 0.0, np.inf, -1
    for candidate in range(node.choice.size):
        total, mean, square = 0.0, 0.0, 0.0
        for i in range(count):
            share = proposals.weights[i]
            if share > 0.0:
                key = _key(core, node, proposals.choices[i, candidate])
                total += share
                mean += share * key
                square += share * key * key
        if total <= 0.0:
            break
        mean /= total
        spread = square / total - mean * mean
        if spread > best and _parts(core, node, candidate, mean):
            best, at, layer = spread, mean, candidate
    if layer >= 0:
        return layer, at, _low_share(core, node, proposals, count, layer, at) >= 0.5
    most = 1
    for candidate in range(node.choice.size):
        alive = 0
        for j in range(core.first[candidate], core.first[candidate + 1]):
            alive += node.alive[j]
        if alive > most:
            most, layer = alive, candidate
    return layer, np.inf, True


@njit(cache=True)
def _parts(core, node, layer, at):
    """Say whether allowed options lie on both sides."""
    low, high = False, False
    for j in range(core.first[layer], core.first[layer + 1]):
        if node.alive[j]:
            below = _key(core, node, j) <= at
            low, high = low or below, high or not below
    return low and high


@njit(cache=True)
def _low_share(core, node, proposals, count, layer, at):
    total, low = 0.0, 0.0
    for i in range(count):
        share = proposals.weights[i]
        if share > 0.0:
            total += share
            if _key(core, node, proposals.choices[i, layer]) <= at:
                low += share
    return low / total


@njit(cache=True)
def _back(core, node, tree):
    """Go to the next side not searched; False if there is none."""
    while tree.depth[0] > 0:
        depth = tree.depth[0] - 1
        begin = tree.start[depth + 1]
        parted = tree.trail[begin : begin + tree.parted[depth]].copy()
        for i in range(begin, tree.start[depth + 2]):
            node.alive[tree.trail[i]] = True
        tree.start[depth + 2] = begin
        tree.depth[0] = depth
        if not tree.second[depth]:
            tree.second[depth] = True
            _other_side(core, node, tree, parted)
            return True
    return False


@njit(cache=True)
def _other_side(core, node, tree, parted):
    """Forbid what the first side allowed, and go down again."""
    depth = tree.depth[0]
    layer = tree.layer[depth]
    tree.depth[0] = depth + 1
    tree.prices[depth + 1] = tree.prices[depth]
    tree.bounds[depth + 1] = tree.bounds[depth]
    for j in range(core.first[layer], core.first[layer + 1]):
        if node.alive[j] and not (parted == j).any():
            _drop(node, tree, j)
