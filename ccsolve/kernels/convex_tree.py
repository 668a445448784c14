"""Depth-first branch and bound of a convex quadratic over binary points.

min ½xᵀHx + lᵀx + c + ½xᵀPx + Σ t·cut(x) over x ∈ {0, 1}ⁿ, 1ᵀx = keep, costᵀx ≤ limit,
with H positive semidefinite, P ≥ 0 and cuts that are nowhere negative. A node bounds
the part without P and cuts over the box: its optimal tableau is the parent's after a
few pivots, and a tangent at the point found is the bound, whatever rounding did to the
tableau. Once x_i is fixed at 1, row i of P is linear and enters; so is a cut once all
its variables but one are fixed. The tree lives in arrays, one row per depth, so that
the search can stop after any node and go on later.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from ccsolve.kernels.dual_sweep import ALL, APEX, UNDER
from ccsolve.kernels.pivoting import (
    TINY_PIVOT,
    enter,
    is_stuck,
    leave,
    move,
    settle,
    tilt,
)

OPEN, FIRST, BOTH, OFFERED = 0, 1, 2, 3
"""Of a depth: not bounded yet; first child below; second child below; as OPEN, but its
point was handed out already."""

DONE, PAUSED, FOUND = 0, 1, 2
"""Why `explore` came back: the tree is finished, the nodes are used up, a point."""

STATIC, PRICES, MONEY, OFF_PLANE = 0, 1, 2, 3
"""Entries of ``Program.rounding`` (4,)."""

DEPTH, NODES, PIVOTS = 0, 1, 2
"""Entries of ``Tree.counts`` (3,)."""


class Program(NamedTuple):
    """The data: H, P (n, n), cost (n,) or empty, cuts, rounding (4,).

    Cut c is of ``kinds[c]`` on the variables ``places[c]`` (3,) and counts t[c] ≥ 0
    times; those of variable i are ``of[start[i]:start[i + 1]]``. A tangent computed at
    y, r = max(1, |y_i|), is lowered by STATIC·r² + PRICES·(|ν| + price·MONEY) +
    OFF_PLANE·(1 + r)·|1ᵀy - keep|, entries of ``rounding``: more than rounding can have
    added, and than is lost off the plane where H is convex on it alone.
    """

    H: np.ndarray
    P: np.ndarray
    cost: np.ndarray
    kinds: np.ndarray
    places: np.ndarray
    t: np.ndarray
    start: np.ndarray
    of: np.ndarray
    rounding: np.ndarray


class Tree(NamedTuple):
    """The path from the root to the present node, one row per depth d.

    ``tableaux`` holds the tableaux one after the other from ``offset[d]``; a row of the
    arrays (depth, n + 2) is meaningful in its first ``free[d]`` entries, the free
    variables named by ``names``, and in the two multipliers after them. ``point`` (n,)
    is the point handed out.
    """

    tableaux: np.ndarray
    offset: np.ndarray
    names: np.ndarray
    x: np.ndarray
    reduced: np.ndarray
    basic: np.ndarray
    linear: np.ndarray
    forced: np.ndarray
    fixed: np.ndarray
    free: np.ndarray
    keep: np.ndarray
    room: np.ndarray
    constant: np.ndarray
    bound: np.ndarray
    state: np.ndarray
    branch: np.ndarray
    first: np.ndarray
    point: np.ndarray
    counts: np.ndarray


@njit(cache=True)
def tableau(tree, depth):
    """Give the tableau of a depth, (free + 2, free + 2)."""
    size = tree.free[depth] + 2
    start = tree.offset[depth]
    return tree.tableaux[start : start + size * size].reshape((size, size))


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
            _child(program, tree, d, tree.first[d], room)
        elif state == FIRST:
            tree.state[d] = BOTH
            _child(program, tree, d, 1 - tree.first[d], room)
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


@njit(cache=True)
def _child(program, tree, d, value, room):
    """Open depth d + 1: the branching variable takes ``value``, others what they must.

    Nothing is opened where that leaves no feasible point.
    """
    m, e = tree.free[d], d + 1
    size = m + 2
    tree.free[e] = m
    tree.offset[e] = tree.offset[d] + size * size
    tree.keep[e] = tree.keep[d]
    tree.room[e] = tree.room[d]
    tree.constant[e] = tree.constant[d]
    tree.fixed[e] = tree.fixed[d]
    for i in range(size):
        tree.x[e, i] = tree.x[d, i]
        tree.reduced[e, i] = tree.reduced[d, i]
        tree.basic[e, i] = tree.basic[d, i]
        tree.names[e, i] = tree.names[d, i]
        tree.linear[e, i] = tree.linear[d, i]
        tree.forced[e, i] = tree.forced[d, i]
    tree.forced[e, tree.branch[d]] = value
    T = tableau(tree, e)
    T[:] = tableau(tree, d)
    for i in range(m):
        if tree.forced[e, i] >= 0.0:
            _fix(program, tree, e, i, T, room[:size])
    left = _compact(tree, e, T)
    if tree.room[e] < 0.0 or tree.keep[e] > left:
        return
    tree.state[e] = OPEN
    tree.counts[DEPTH] = e


@njit(cache=True)
def _fix(program, tree, e, i, T, room):
    """Fix free variable i of depth e at its forced value.

    The tableau knows of H; what P and the cuts add to linear terms tilts it.
    """
    m, value = tree.free[e], tree.forced[e, i]
    size, k = m + 2, tree.names[e, i]
    basic, x, reduced = tree.basic[e, :size], tree.x[e, :size], tree.reduced[e, :size]
    if basic[i]:
        if is_stuck(T, i, basic):
            _replace(tree, e, T, room)
        if not is_stuck(T, i, basic):
            leave(T, i, value, basic, x, reduced, room)
        else:
            # All is fixed, or rounding rules: the tableau may be wrong, bounds are not.
            basic[i], x[i] = False, value
    elif x[i] != value:
        move(T, i, value - x[i], basic, x, reduced)
    tree.fixed[e, k] = 1 if value > 0.5 else 0
    pull = np.zeros(program.H.shape[0])
    if value > 0.5:
        _take(program, tree, e, i)
        pull[:] = program.P[k]
    if program.t.size:
        _reveal(program, tree, e, k, pull)
    for j in range(m):
        by = pull[tree.names[e, j]]
        if by != 0.0 and j != i:
            tree.linear[e, j] += by
            tilt(T, j, by, basic, x, reduced)


@njit(cache=True)
def _take(program, tree, e, i):
    """Count a variable at 1 into the constant, the linear terms and what is left."""
    k = tree.names[e, i]
    H, linear = program.H[k], tree.linear[e]
    tree.constant[e] += linear[i] + 0.5 * H[k]
    if tree.keep[e] >= 0:
        tree.keep[e] -= 1
        if tree.keep[e] < 0:
            # No point is left; `_child` sees it in the room.
            tree.room[e] = -np.inf
    if program.cost.size:
        tree.room[e] -= program.cost[k]
    for j in range(tree.free[e]):
        linear[j] += H[tree.names[e, j]]


@njit(cache=True)
def _reveal(program, tree, e, k, pull):
    """Add to ``pull`` the cuts that are linear now that variable k is fixed.

    A cut in which one variable is free is a + b·x there, from its values at 0 and 1.
    """
    fixed = tree.fixed[e]
    for c in program.of[program.start[k] : program.start[k + 1]]:
        free, count = -1, 0
        three = 3 if program.kinds[c] <= ALL else 2
        for place in range(three):
            if fixed[program.places[c, place]] < 0:
                free = program.places[c, place]
                count += 1
        if count == 1:
            fixed[free] = 0
            low = _slack(program, c, fixed)
            fixed[free] = 1
            high = _slack(program, c, fixed)
            fixed[free] = -1
            tree.constant[e] += program.t[c] * low
            pull[free] += program.t[c] * (high - low)


@njit(cache=True)
def _slack(program, c, x):
    """Give the value of a cut at fixed variables; see `dual_sweep` for the kinds."""
    kind = program.kinds[c]
    i, j, k = program.places[c]
    if kind == APEX:
        return x[i] * (1 - x[j]) * (1 - x[k]) + (1 - x[i]) * x[j] * x[k]
    if kind == ALL:
        return (1 - x[i]) * (1 - x[j]) * (1 - x[k]) + x[i] * x[j] * x[k]
    if kind == UNDER:
        return x[i] * (1 - x[j])
    return (1 - x[i]) * (1 - x[j])


@njit(cache=True)
def _replace(tree, e, T, room):
    """Have a variable that is not to be fixed enter, so that the last one may leave.

    There may be none, and with a budget the pivot may be 0 even then.
    """
    size = tree.free[e] + 2
    best, k = TINY_PIVOT, -1
    for j in range(size - 2):
        if tree.forced[e, j] < 0.0 and not tree.basic[e, j] and T[j, j] > best:
            best, k = T[j, j], j
    if k >= 0:
        enter(
            T,
            k,
            tree.basic[e, :size],
            tree.x[e, :size],
            tree.reduced[e, :size],
            room,
        )


@njit(cache=True)
def _compact(tree, e, T):
    """Drop what is fixed from depth e; give how many variables are left."""
    m = tree.free[e]
    size, left = m + 2, 0
    kept = np.empty(size, np.int64)
    for i in range(size):
        if i >= m or tree.forced[e, i] < 0.0:
            kept[left] = i
            left += 1
    flat, at = tree.tableaux, tree.offset[e]
    for a in range(left):
        i = kept[a]
        for b in range(left):
            flat[at + a * left + b] = T[i, kept[b]]
        tree.x[e, a] = tree.x[e, i]
        tree.reduced[e, a] = tree.reduced[e, i]
        tree.basic[e, a] = tree.basic[e, i]
        tree.names[e, a] = tree.names[e, i]
        tree.linear[e, a] = tree.linear[e, i]
    tree.free[e] = left - 2
    return left - 2
