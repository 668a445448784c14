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
def changes(tables, x, moves):
    """Write what every move of one layer changes; O(N·B + Σ (K_a + K_b)·B)."""
    loss, cost = moves.loss, moves.cost
    for v in range(x.shape[0]):
        here = tables.offsets[v] + x[v]
        for k in range(tables.offsets[v], tables.offsets[v + 1]):
            loss[k] = tables.losses[k] - tables.losses[here]
            for m in range(cost.shape[1]):
                cost[k, m] = tables.costs[k, m] - tables.costs[here, m]
    for e in range(tables.edges.shape[0]):
        _add_pair(tables, x, e, loss, cost)


@njit(cache=True)
def spent(tables, x):
    """Give the cost (B,) of a point."""
    total = np.zeros(tables.limits.shape[0])
    for m in range(total.shape[0]):
        for v in range(x.shape[0]):
            total[m] += tables.costs[tables.offsets[v] + x[v], m]
        for e in range(tables.edges.shape[0]):
            a, b = tables.edges[e]
            columns = tables.offsets[b + 1] - tables.offsets[b]
            met = tables.pair_offsets[e] + x[a] * columns + x[b]
            total[m] += tables.pair_costs[met, m]
    return total


@njit(cache=True)
def _excess(total, change, limits, unit):
    """Give by how much total + change breaks the budgets, each in its unit."""
    over = 0.0
    for m in range(limits.shape[0]):
        over += max(0.0, total[m] + change[m] - limits[m]) / unit[m]
    return over


@njit(cache=True)
def _best_relief(tables, moves, total, prices, unit):
    """Give the option to which a move relieves the budgets best; -1 without one."""
    now = _excess(total, np.zeros_like(total), tables.limits, unit)
    best, option = NOWHERE, -1
    for k in range(moves.loss.shape[0]):
        relief = now - _excess(total, moves.cost[k], tables.limits, unit)
        if relief <= 1e-12 * now:
            continue
        rise = moves.loss[k]
        for m in range(prices.shape[0]):
            rise += prices[m] * moves.cost[k, m]
        score = rise / relief if rise > 0 else rise * relief
        if score < best:
            best, option = score, k
    return option


@njit(cache=True)
def repair(tables, x, prices, unit, layer_of):
    """Move layers until the budgets hold; say whether they do. ``x`` changes.

    Each time the move that raises loss + pricesᵀcost least per budget relieved, of
    those that relieve any; one that lowers it comes first. At most 4L moves.
    """
    nothing = np.zeros_like(prices)
    moves = Changes(np.empty_like(tables.losses), np.empty_like(tables.costs))
    for _ in range(4 * x.shape[0] + 1):
        total = spent(tables, x)
        if _excess(total, nothing, tables.limits, unit) == 0.0:
            return True
        changes(tables, x, moves)
        option = _best_relief(tables, moves, total, prices, unit)
        if option < 0:
            return False
        x[layer_of[option]] = option - tables.offsets[layer_of[option]]
    return False


@njit(cache=True)
def _best_move(tables, moves, total):
    """Give the gain and the option of the best move of one layer; -1 without one."""
    best, option = 0.0, -1
    for k in range(moves.loss.shape[0]):
        fits = moves.loss[k] < best
        for m in range(total.shape[0]):
            fits = fits and total[m] + moves.cost[k, m] <= tables.limits[m]
        if fits:
            best, option = moves.loss[k], k
    return best, option


@njit(cache=True)
def slide(tables, x, layer_of, least_gain, moves):
    """Move one layer after another while that gains; ``x`` changes.

    ``layer_of`` (N,) is each option's layer; ``moves`` is what moves change at the end.
    """
    while True:
        changes(tables, x, moves)
        gain, option = _best_move(tables, moves, spent(tables, x))
        if gain >= -least_gain:
            return
        x[layer_of[option]] = option - tables.offsets[layer_of[option]]


@njit(cache=True)
def _crossed(tables, x, e, move, other, values, m):
    """Give what two moves along pair e change beyond the sum of both; 0 for e < 0.

    A move is (layer, option of the layer); values (P, ·) of which column m is taken.
    """
    if e < 0:
        return 0.0
    if tables.edges[e, 0] != move[0]:
        move, other = other, move
    (v, i), (h, j) = move, other
    columns = tables.offsets[h + 1] - tables.offsets[h]
    here, there = tables.pair_offsets[e] + x[v] * columns, i - x[v]
    there = here + there * columns
    ends = values[there + j, m] + values[here + x[h], m]
    return ends - values[there + x[h], m] - values[here + j, m]


@njit(cache=True)
def best_exchange(tables, x, moves, layer_of, between, chosen):
    """Give the gain and the options of the best two moves; -1, -1 without one.

    ``chosen`` (C,) are the options looked at, none of them x's, ``layer_of`` (N,) each
    option's layer, ``between`` (L, L) the pair of two layers, -1 without one. O(C²·B).
    """
    total = spent(tables, x)
    best, first, second = 0.0, -1, -1
    losses = tables.pair_losses.reshape((-1, 1))
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
            gain += _crossed(tables, x, e, move, other, losses, 0)
            if gain >= best:
                continue
            fits = True
            for m in range(total.shape[0]):
                sum_ = total[m] + moves.cost[k, m] + moves.cost[g, m]
                sum_ += _crossed(tables, x, e, move, other, tables.pair_costs, m)
                fits = fits and sum_ <= tables.limits[m]
            if fits:
                best, first, second = gain, k, g
    return best, first, second
