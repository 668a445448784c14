"""The path of a depth-first tree: from a node to its child, one more value fixed.

The nodes from the root to the present one lie in arrays, one row per depth. A child is
its parent with the branching variable at a value, and others at the values they must
have; its tableau is the parent's after as many exchanges, without the fixed rows.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from ccsolve.kernels.dual_sweep import ALL, APEX, UNDER
from ccsolve.kernels.pivoting import TINY_PIVOT, enter, is_stuck, leave, move, tilt

STATIC, PRICES, MONEY, OFF_PLANE = 0, 1, 2, 3
"""Entries of ``Program.rounding`` (4,)."""

DEPTH, NODES, PIVOTS = 0, 1, 2
"""Entries of ``Tree.counts`` (3,)."""

OPEN, FIRST, BOTH, OFFERED = 0, 1, 2, 3
"""Of a depth: not bounded yet; first child below; second child below; as OPEN, but its
point was handed out already."""


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
def open_child(program, tree, d, value, room):
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
            # No point is left; `open_child` sees it in the room.
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
