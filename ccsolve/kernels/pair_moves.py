"""Repair and descent on one option per layer with tables on pairs, under budgets."""

from typing import NamedTuple

import numpy as np
from numba import njit

NOWHERE = 1e300
"""Stands for a move that is not allowed."""


class Tables(NamedTuple):
    """One option per layer, N in all; tables on E pairs of layers, P entries in all.

    Attributes
    ----------
    losses, costs : (N,), (N, B).
    offsets : (L + 1,) first option of each layer.
    edges : (E, 2) layers.
    pair_losses, pair_costs : (P,), (P, B), tables by rows.
    pair_offsets : (E + 1,).
    limits : (B,).
    """

    losses: np.ndarray
    costs: np.ndarray
    offsets: np.ndarray
    edges: np.ndarray
    pair_losses: np.ndarray
    pair_costs: np.ndarray
    pair_offsets: np.ndarray
    limits: np.ndarray


class Changes(NamedTuple):
    """What moving one layer to an option would change: loss (N,), cost (N, B)."""

    loss: np.ndarray
    cost: np.ndarray


@njit(cache=True)
def _add_pair(tables, x, e, loss, cost):
    """Add what the table of pair e changes for both of its layers."""
    a, b = tables.edges[e]
    rows = tables.offsets[a + 1] - tables.offsets[a]
    columns = tables.offsets[b + 1] - tables.offsets[b]
    first = tables.pair_offsets[e]
    here = first + x[a] * columns + x[b]
    for i in range(rows):
        to, own = first + i * columns + x[b], tables.offsets[a] + i
        loss[own] += tables.pair_losses[to] - tables.pair_losses[here]
        for m in range(cost.shape[1]):
            cost[own, m] += tables.pair_costs[to, m] - tables.pair_costs[here, m]
    for j in range(columns):
        to, own = first + x[a] * columns + j, tables.offsets[b] + j
        loss[own] += tables.pair_losses[to] - tables.pair_losses[here]
        for m in range(cost.shape[1]):
            cost[own, m] += tables.pair_costs[to, m] - tables.pair_costs[here, m]


@njit(cache=True)
def changes(tables, x):
    """Give what every move of one layer changes; O(N·B + Σ (K_a + K_b)·B)."""
    loss, cost = tables.losses.copy(), tables.costs.copy()
    for v in range(x.shape[0]):
        first, last = tables.offsets[v], tables.offsets[v + 1]
        loss[first:last] -= tables.losses[first + x[v]]
        for m in range(cost.shape[1]):
            cost[first:last, m] -= tables.costs[first + x[v], m]
    for e in range(tables.edges.shape[0]):
        _add_pair(tables, x, e, loss, cost)
    return Changes(loss, cost)


@njit(cache=True)
def spent(tables, x):
    """Give the cost (B,) of a point."""
    total = np.zeros(tables.limits.shape[0])
    for v in range(x.shape[0]):
        total += tables.costs[tables.offsets[v] + x[v]]
    for e in range(tables.edges.shape[0]):
        a, b = tables.edges[e]
        columns = tables.offsets[b + 1] - tables.offsets[b]
        total += tables.pair_costs[tables.pair_offsets[e] + x[a] * columns + x[b]]
    return total


@njit(cache=True)
def excess(total, limits, unit):
    """Give by how much budgets are broken, each in its unit."""
    over = 0.0
    for m in range(limits.shape[0]):
        over += max(0.0, total[m] - limits[m]) / unit[m]
    return over


@njit(cache=True)
def repair(tables, x, prices, unit):
    """Move layers until the budgets hold; say whether they do. ``x`` changes.

    Each time the move that raises loss + pricesᵀcost least per budget relieved, of
    those that relieve any; one that lowers it comes first. At most 4L moves.
    """
    limits = tables.limits
    total = spent(tables, x)
    for _ in range(4 * x.shape[0] + 1):
        now = excess(total, limits, unit)
        if now == 0.0:
            return True
        moves = changes(tables, x)
        best, layer, option = NOWHERE, -1, -1
        for v in range(x.shape[0]):
            for k in range(tables.offsets[v], tables.offsets[v + 1]):
                relief = now - excess(total + moves.cost[k], limits, unit)
                if relief <= 1e-12 * now:
                    continue
                rise = moves.loss[k] + np.dot(prices, moves.cost[k])
                score = rise / relief if rise > 0 else rise * relief
                if score < best:
                    best, layer, option = score, v, k
        if layer < 0:
            return False
        x[layer] = option - tables.offsets[layer]
        total = spent(tables, x)
    return False


@njit(cache=True)
def _fits(total, change, limits):
    for m in range(limits.shape[0]):
        if total[m] + change[m] > limits[m]:
            return False
    return True


@njit(cache=True)
def _best_move(tables, moves, total, layer_of):
    best, option = 0.0, -1
    for k in range(layer_of.shape[0]):
        if moves.loss[k] < best and _fits(total, moves.cost[k], tables.limits):
            best, option = moves.loss[k], k
    return best, option


@njit(cache=True)
def _crossed(tables, x, e, move, other, values):
    """Give what two moves along pair e change beyond the sum of both; 0 for e < 0.

    A move is (layer, option of the layer).
    """
    if e < 0:
        return 0.0
    if tables.edges[e, 0] != move[0]:
        move, other = other, move
    (v, i), (h, j) = move, other
    columns = tables.offsets[h + 1] - tables.offsets[h]
    here, there = tables.pair_offsets[e] + x[v] * columns, i - x[v]
    there = here + there * columns
    ends = values[there + j] + values[here + x[h]]
    return ends - values[there + x[h]] - values[here + j]


@njit(cache=True)
def _best_exchange(tables, x, moves, total, layer_of, between, chosen):
    """Give the best two moves among the chosen options; -1, -1 without a gain."""
    best, first, second = 0.0, -1, -1
    for s in range(chosen.shape[0]):
        k = chosen[s]
        v = layer_of[k]
        move = (v, k - tables.offsets[v])
        for t in range(s + 1, chosen.shape[0]):
            g = chosen[t]
            h = layer_of[g]
            if h == v:
                continue
            other = (h, g - tables.offsets[h])
            e = between[v, h]
            gain = moves.loss[k] + moves.loss[g]
            gain += _crossed(tables, x, e, move, other, tables.pair_losses)
            if gain >= best:
                continue
            fits = True
            for m in range(total.shape[0]):
                sum_ = total[m] + moves.cost[k, m] + moves.cost[g, m]
                met = tables.pair_costs[:, m]
                sum_ += _crossed(tables, x, e, move, other, met)
                fits = fits and sum_ <= tables.limits[m]
            if fits:
                best, first, second = gain, k, g
    return best, first, second


@njit(cache=True)
def _likeliest(moves, prices, layer_of, offsets, x, width):
    """Give the ``width`` options that raise loss + pricesᵀcost least, not those of x.

    Of equal ones the first. O(N).
    """
    rise = moves.loss + moves.cost @ prices
    for v in range(x.shape[0]):
        rise[offsets[v] + x[v]] = NOWHERE
    width = min(width, rise.shape[0] - x.shape[0])
    if width == 0:
        return np.empty(0, dtype=np.int64)
    highest = np.partition(rise, width - 1)[width - 1]
    return np.flatnonzero(rise <= highest)[:width]


@njit(cache=True)
def descend(tables, x, prices, layer_of, between, width, least_gain):
    """Improve a point within the budgets by moves of one layer, then of two.

    Two moves are looked for among the ``width`` options that raise loss + pricesᵀcost
    least: O(width²·B) per round. ``layer_of`` (N,) is each option's layer, ``between``
    (L, L) the pair of two layers, -1 without one. ``x`` changes; it ends where no
    change gains more than ``least_gain``.
    """
    while True:
        total, moves = spent(tables, x), changes(tables, x)
        gain, option = _best_move(tables, moves, total, layer_of)
        other = -1
        if gain >= -least_gain:
            chosen = _likeliest(moves, prices, layer_of, tables.offsets, x, width)
            gain, option, other = _best_exchange(
                tables, x, moves, total, layer_of, between, chosen
            )
        if gain >= -least_gain:
            return
        for k in (option, other):
            if k >= 0:
                x[layer_of[k]] = k - tables.offsets[layer_of[k]]
