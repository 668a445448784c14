"""Depth-first branch and bound of a convex quadratic over binary points.

min ½xᵀHx + lᵀx + c + ½xᵀPx + Σ t·cut(x) over x ∈ {0, 1}ⁿ, 1ᵀx = keep, costᵀx ≤ limit,
with H positive semidefinite, P ≥ 0 and cuts that are nowhere negative. A node bounds
the part without P and cuts over the box: its optimal tableau is the parent's after a
few pivots, and a tangent at the point found is the bound, whatever rounding did to the
tableau. Once x_i is fixed at 1, row i of P is linear and enters; so is a cut once all
its variables but one are fixed. The search can stop after any node and go on later.
"""

import numpy as np
from numba import njit

from ccsolve.kernels.pivoting import settle
from ccsolve.kernels.tree_path import (
    BOTH,
    DEPTH,
    FIRST,
    MONEY,
    NODES,
    OFF_PLANE,
    OFFERED,
    OPEN,
    PIVOTS,
    PRICES,
    STATIC,
    open_child,
    tableau,
)

DONE, PAUSED, FOUND = 0, 1, 2
"""Why `explore` came back: the tree is finished, the nodes are used up, a point."""


@njit(cache=True)
def explore(program, tree, threshold, tolerance, nodes):
    """Search on until the tree is done, ``nodes`` are used, or a point is found.

    A node whose bound is at least ``threshold`` is left. A point whose value is below
    it is written to ``tree.point`` and the search stops: the caller evaluates it, and
    comes back with a new threshold.
    """
    last = tree.counts[NODES] + nodes
    room = np.empty(tree.x.shape[1])
    while tree.counts[DEPTH] >= 0:
        d = tree.counts[DEPTH]
        state = tree.state[d]
        if state == OPEN:
            if tree.counts[NODES] >= last:
                return PAUSED
            tree.counts[NODES] += 1
            _bound(program, tree, d, tolerance, room)
        if state == OPEN or state == OFFERED:
            if tree.bound[d] >= threshold:
                tree.counts[DEPTH] -= 1
                continue
            if state == OPEN and _is_point(program, tree, d, threshold):
                tree.state[d] = OFFERED
                return FOUND
            if not _branch(program, tree, d, threshold):
                tree.counts[DEPTH] -= 1
                continue
            tree.state[d] = FIRST
            open_child(program, tree, d, tree.first[d], room)
        elif state == FIRST:
            tree.state[d] = BOTH
            open_child(program, tree, d, 1 - tree.first[d], room)
        else:
            tree.counts[DEPTH] -= 1
    return DONE


@njit(cache=True)
def explored(tree):
    """Give the part of the tree that is done, each split counted as two halves."""
    part, weight = 0.0, 0.5
    for d in range(tree.counts[DEPTH]):
        if tree.state[d] == BOTH:
            part += weight
        weight *= 0.5
    return part if tree.counts[DEPTH] >= 0 else 1.0


@njit(cache=True)
def _bound(program, tree, d, tolerance, room):
    """Settle the tableau of depth d and write its tangent's minimum to ``bound``.

    At the tableau's point y, with h = Hy + l + ν1 + price·cost and x binary with 1ᵀx =
    keep and costᵀx ≤ room: f(x) ≥ c - ½yᵀHy + Σ min(0, h_i) - ν·keep - price·room.
    ``forced`` keeps h, from which variables are fixed.
    """
    m, n = tree.free[d], program.H.shape[0]
    x, linear, names, forced = tree.x[d], tree.linear[d], tree.names[d], tree.forced[d]
    budgeted = program.cost.size > 0
    size = m + 2
    tree.counts[PIVOTS] += settle(
        tableau(tree, d),
        tree.basic[d, :size],
        x[:size],
        tree.reduced[d, :size],
        budgeted,
        tolerance,
        room[:size],
    )
    y = np.zeros(n)
    for i in range(m):
        y[names[i]] = x[i]
    price = max(x[m + 1], 0.0) if budgeted else 0.0
    curved, low = 0.0, 0.0
    for i in range(m):
        k = names[i]
        H, slope = program.H[k], 0.0
        for j in range(n):
            slope += H[j] * y[j]
        curved += slope * y[k]
        forced[i] = slope + linear[i] + x[m]
        if budgeted:
            forced[i] += price * program.cost[k]
        low += min(forced[i], 0.0)
    bound = tree.constant[d] - 0.5 * curved + low
    if tree.keep[d] >= 0:
        bound -= x[m] * tree.keep[d]
    if budgeted:
        bound -= price * tree.room[d]
    tree.bound[d] = bound - _uncertainty(program, tree, d, price)


@njit(cache=True)
def _uncertainty(program, tree, d, price):
    """Bound what rounding, and a point off the plane 1ᵀy = keep, may have added."""
    m, x, rounding = tree.free[d], tree.x[d], program.rounding
    total, reach = 0.0, 1.0
    for i in range(m):
        total += x[i]
        reach = max(reach, abs(x[i]))
    lost = rounding[STATIC] * reach * reach
    lost += rounding[PRICES] * (abs(x[m]) + price * rounding[MONEY])
    if tree.keep[d] >= 0:
        missed = abs(total - tree.keep[d]) + 1e-15 * m * m * reach
        lost += rounding[OFF_PLANE] * missed * (1.0 + reach)
    return lost


@njit(cache=True)
def _is_point(program, tree, d, threshold):
    """Write the point of depth d out if it is binary, feasible and good enough."""
    m = tree.free[d]
    x, names, point = tree.x[d], tree.names[d], tree.point
    count, spent, value = 0, 0.0, tree.constant[d]
    for k in range(point.size):
        point[k] = max(tree.fixed[d, k], 0)
    for i in range(m):
        if 1e-7 < x[i] < 1.0 - 1e-7:
            return False
        if x[i] > 0.5:
            k = names[i]
            point[k] = 1
            count += 1
            value += tree.linear[d, i]
            if program.cost.size:
                spent += program.cost[k]
            for j in range(m):
                if x[j] > 0.5:
                    other = names[j]
                    value += 0.5 * (program.H[k, other] + program.P[k, other])
    fits = spent <= tree.room[d] and (tree.keep[d] < 0 or count == tree.keep[d])
    return fits and value < threshold


@njit(cache=True)
def _branch(program, tree, d, threshold):
    """Choose the variable to branch on and what is fixed beside it; False without any.

    The change of the objective, were x_i alone moved to a bound from the optimal point,
    is x_i²/(2|T_ii|) or (1 - x_i)²/(2|T_ii|): the smaller of the two decides, with a
    tenth of the larger. A variable whose other value lifts the tangent to the threshold
    is marked with the one it must have.
    """
    m = tree.free[d]
    T, x, basic, forced = tableau(tree, d), tree.x[d], tree.basic[d], tree.forced[d]
    best, chosen = -1.0, -1
    for i in range(m):
        inside = min(x[i], 1.0 - x[i])
        if basic[i] and inside > 1e-7:
            curvature = max(abs(T[i, i]), 1e-300)
            score = (inside**2 + 0.1 * (1.0 - inside) ** 2) / curvature
            if score > best:
                best, chosen = score, i
    if chosen < 0:
        chosen = _most_paired(program, tree, d)
    if chosen < 0:
        return False
    tree.branch[d] = chosen
    tree.first[d] = 1 if x[chosen] >= 0.5 else 0
    slack = threshold - tree.bound[d]
    for i in range(m):
        must = 0.0 if forced[i] > 0.0 else 1.0
        forced[i] = must if i != chosen and abs(forced[i]) > slack else -1.0
    return True


@njit(cache=True)
def _most_paired(program, tree, d):
    """Give the free variable with most of P at the point; -1 where none is free.

    Whatever the point is, out of the box or no number: a free variable is given.
    """
    m = tree.free[d]
    x, names = tree.x[d], tree.names[d]
    best, chosen = -np.inf, min(m, 1) - 1
    for i in range(m):
        pairs = 0.0
        for j in range(m):
            pairs += program.P[names[i], names[j]] * x[j]
        pairs *= 1.0 + x[i]
        if pairs > best:
            best, chosen = pairs, i
    return chosen
