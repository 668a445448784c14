"""The options that a search still looks at: their prices, bound, and cuts."""

from typing import NamedTuple

import numpy as np
from numba import njit

from ccsolve.kernels.knapsack_master import best_prices

_EPS = 2.220446049250313e-16
_PASSES, _CLOSE = 12, 0.01


class Core(NamedTuple):
    """The options that may be in a better point, layers of a single one left out.

    Attributes
    ----------
    losses : (M,)
    costs : (M, B)
    first : (L + 1,) the first option of each layer, and M.
    layers : (M,) the layer of each option.
    room : (B,) what the budgets leave to these layers.
    margin : (B,) rounding of a sum of their costs: within it of the room a sum may be
        on either side.
    base : loss of the layers left out.
    weight : Σ_l max_j |loss_lj| over all layers, for the rounding of sums.
    """

    losses: np.ndarray
    costs: np.ndarray
    first: np.ndarray
    layers: np.ndarray
    room: np.ndarray
    margin: np.ndarray
    base: float
    weight: float


class Node(NamedTuple):
    """What is known of the node at hand; arrays written in place.

    Attributes
    ----------
    alive : (M,) which options it allows.
    choice : (L,) the cheapest allowed options at ``prices`` (B,), the best found.
    least : (L,) their priced values.
    trial, tried, spent : scratch for other prices: (L,) choice, (B,) prices, (L,)
        priced values.
    """

    alive: np.ndarray
    choice: np.ndarray
    prices: np.ndarray
    least: np.ndarray
    trial: np.ndarray
    tried: np.ndarray
    spent: np.ndarray


@njit(cache=True)
def rounding(core, prices, value):
    """Give what the dual function may be off by where it is computed as ``value``.

    The priced values are at least -|loss|, so that their absolute terms sum to at most
    |value| + pricesᵀroom + 4·weight; the room itself is off by at most the margin.
    """
    total, room = 4.0 * core.weight + abs(core.base) + abs(value), 0.0
    for b in range(prices.size):
        total += 2.0 * prices[b] * abs(core.room[b])
        room += 2.0 * prices[b] * core.margin[b]
    return (core.first.size + 2 * prices.size + 8) * _EPS * total + room


@njit(cache=True)
def price_allowed(core, alive, prices, choice, least):
    """Write each layer's cheapest allowed option; give the dual function; O(M·B)."""
    total = core.base
    for layer in range(choice.size):
        best, at = np.inf, -1
        for j in range(core.first[layer], core.first[layer + 1]):
            if alive[j]:
                value = core.losses[j]
                for b in range(prices.size):
                    value += prices[b] * core.costs[j, b]
                if value < best:
                    best, at = value, j
        choice[layer], least[layer] = at, best
        total += best
    for b in range(prices.size):
        total -= prices[b] * core.room[b]
    return total


@njit(cache=True)
def raise_bound(core, node, proposals, held, goal):
    """Raise the node's bound by cutting planes, to ``goal`` or as far as is worth it.

    Starts at the node's prices; ends with the best ones, their choice and priced
    values. ``held`` is the number of proposals, kept up in place: those of earlier
    nodes stay cuts when an option no longer allowed gives way to an allowed one. Gives
    the dual function, before rounding; -inf before a first call.
    """
    best = price_allowed(core, node.alive, node.prices, node.choice, node.least)
    if best >= goal:
        return best
    _mend(core, node, proposals, held[0])
    _keep(core, node.choice, proposals, held)
    node.tried[:] = node.prices
    for _ in range(_PASSES):
        ceiling = goal + 0.1 * (goal - best)
        theta = best_prices(proposals, held[0], ceiling, node.tried)
        if theta - best <= _CLOSE * (goal - best):
            break
        value = price_allowed(core, node.alive, node.tried, node.trial, node.spent)
        _keep(core, node.trial, proposals, held)
        if value > best:
            best = value
            node.prices[:] = node.tried
            node.choice[:] = node.trial
            node.least[:] = node.spent
            if best >= goal:
                break
    return best


@njit(cache=True)
def _mend(core, node, proposals, count):
    """Let the node's choice take the place of options it does not allow."""
    for i in range(count):
        for layer in range(node.choice.size):
            old, new = proposals.choices[i, layer], node.choice[layer]
            if not node.alive[old]:
                proposals.choices[i, layer] = new
                proposals.losses[i] += core.losses[new] - core.losses[old]
                for b in range(core.room.size):
                    change = core.costs[new, b] - core.costs[old, b]
                    proposals.excess[i, b] += change


@njit(cache=True)
def _keep(core, choice, proposals, held):
    """Store a choice as a cut; in a full store, one without weight gives way."""
    at = held[0]
    if at == proposals.losses.size:
        at = held[1]
        for _ in range(proposals.losses.size):
            at = (at + 1) % proposals.losses.size
            if proposals.weights[at] <= 0.0:
                break
        held[1] = at
    else:
        held[0] += 1
    total = core.base
    for b in range(core.room.size):
        proposals.excess[at, b] = -core.room[b]
    for layer in range(choice.size):
        j = choice[layer]
        total += core.losses[j]
        proposals.choices[at, layer] = j
        for b in range(core.room.size):
            proposals.excess[at, b] += core.costs[j, b]
    proposals.losses[at] = total
    proposals.weights[at] = 0.0


@njit(cache=True)
def reduced_cost(core, node, j):
    """Give an option's priced value less the least of its layer."""
    value = core.losses[j] - node.least[core.layers[j]]
    for b in range(node.prices.size):
        value += node.prices[b] * core.costs[j, b]
    return value
