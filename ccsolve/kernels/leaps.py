"""Leaps and bounds: which m of n blocks to remove so that the loss rises least.

After Furnival and Wilson (Technometrics 16, 1974), for blocks of columns and any number
of outputs. Without the blocks R a definite P, and V of which E = VVᵀ is kept, become

    P - P_·R P_RR⁻¹ P_R·   and   V - P_·R P_RR⁻¹ V_R,

and block j then raises the loss by p_j = ½tr(P_jj⁻¹E_jj). Removing m blocks raises it
by at least the largest of their p_j, for more gone never costs less, and by at least
the sum of their b_j = ½tr(B_j E_jj), where diag(B_j) ⪯ P⁻¹.

A node holds the blocks that may still go, dearest first. Its child i removes the i-th
and may then remove later ones: so the dearest, whose subtree is the largest, is the
first to be pruned, and P and E are only needed of what comes behind it.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from ccsolve.kernels.small_blocks import divide_row, factorise, inner_block

NEVER = 1e300


class Levels(NamedTuple):
    """One node per level, the path from the root to where the search is.

    Attributes
    ----------
    P, E : (m, d, d), of the node's blocks in their order
    blocks, limits : (m, n), the blocks and a lower bound of each child
    counts, nexts : (m,), how many blocks, and the next child, the last one first
    rises : (m,), of what is removed already
    removed : (m,), the block that each level has removed on the path
    best : (m,), the blocks of the best leaf
    record : (2,), the rise of the best point known, and the part of it that a better
        one must fall below it
    """

    P: np.ndarray
    E: np.ndarray
    blocks: np.ndarray
    limits: np.ndarray
    counts: np.ndarray
    nexts: np.ndarray
    rises: np.ndarray
    removed: np.ndarray
    best: np.ndarray
    record: np.ndarray


@njit(cache=True)
def open_root(P: np.ndarray, E: np.ndarray, B: np.ndarray, levels: Levels) -> None:
    """Make the root from P and E (d, d) and the blocks B (n, g, g)."""
    members = np.arange(B.shape[0])
    _settle(P, E, B, members, 0.0, 0, levels)


@njit(cache=True)
def explore(B: np.ndarray, levels: Levels, budget: int) -> float:
    """Visit up to ``budget`` nodes; give a lower bound of the rise of what is left.

    That is NEVER when nothing is. A node costs O(c²g) for c columns that it holds.
    """
    level = _deepest(levels)
    for _ in range(budget):
        while level >= 0 and not _has_child(level, levels):
            levels.counts[level] = 0
            level -= 1
        if level < 0:
            return NEVER
        _visit(B, level, levels)
        if levels.counts[level + 1] > 0:
            level += 1
    return _open_bound(levels)


@njit(cache=True)
def _visit(B: np.ndarray, level: int, levels: Levels) -> None:
    """Make the next child of a node, and settle it one level below."""
    i, g = levels.nexts[level], B.shape[1]
    levels.nexts[level] = i - 1
    levels.removed[level] = levels.blocks[level, i]
    rest = levels.counts[level] - i - 1
    P, E = np.empty((rest * g, rest * g)), np.empty((rest * g, rest * g))
    rise = _without(levels.P[level], levels.E[level], i, g, P, E)
    members = levels.blocks[level, i + 1 : i + 1 + rest].copy()
    _settle(P, E, B, members, levels.rises[level] + rise, level + 1, levels)


@njit(cache=True)
def _without(
    P: np.ndarray,
    E: np.ndarray,
    i: int,
    g: int,
    less_P: np.ndarray,
    less_E: np.ndarray,
) -> float:
    """Write P and E of the blocks behind i with i removed; give the rise.

    With P_ii = LLᵀ, U = P_·i L⁻ᵀ, N = L⁻¹E_ii L⁻ᵀ and K = E_·i L⁻ᵀ - ½UN, they are
    P - UUᵀ and E - UKᵀ - KUᵀ.
    """
    size, first = less_P.shape[0], (i + 1) * g
    L, N = np.zeros((g, g)), np.empty((g, g))
    U, K = np.empty((size, g)), np.empty((size, g))
    factorise(P, i * g, L)
    trace = inner_block(L, E, i * g, N)
    for a in range(size):
        divide_row(L, P, first + a, i * g, U[a])
        divide_row(L, E, first + a, i * g, K[a])
        for k in range(g):
            for j in range(g):
                K[a, k] -= 0.5 * U[a, j] * N[j, k]
    for a in range(size):
        for b in range(a + 1):
            p, e = P[first + a, first + b], E[first + a, first + b]
            for k in range(g):
                p -= U[a, k] * U[b, k]
                e -= U[a, k] * K[b, k] + K[a, k] * U[b, k]
            less_P[a, b], less_P[b, a] = p, p
            less_E[a, b], less_E[b, a] = e, e
    return 0.5 * trace


@njit(cache=True)
def _settle(
    P: np.ndarray,
    E: np.ndarray,
    B: np.ndarray,
    members: np.ndarray,
    rise: float,
    level: int,
    levels: Levels,
) -> None:
    """Take a leaf, or write a node whose children are worth a visit."""
    many, g = levels.counts.size, B.shape[1]
    own, low = np.empty(members.size), np.empty(members.size)
    _price(P, E, B, members, own, low)
    if level == many - 1:
        _take_leaf(members, own, rise, levels)
        return
    levels.counts[level] = 0
    order = np.empty(members.size, dtype=np.int64)
    size = _dearest_first(own, _cutoff(levels) - rise, order)
    if size < many - level:
        return
    _write_children(order, size, own, low, rise, level, levels)
    for a in range(size):
        levels.blocks[level, a] = members[order[a]]
        for b in range(size):
            for i in range(g):
                for j in range(g):
                    source, to = (order[a] * g + i, order[b] * g + j), (a * g, b * g)
                    levels.P[level, to[0] + i, to[1] + j] = P[source]
                    levels.E[level, to[0] + i, to[1] + j] = E[source]


@njit(cache=True)
def _dearest_first(own: np.ndarray, below: float, order: np.ndarray) -> int:
    """Write who costs less than ``below`` into order, the dearest first; give how many.

    Plain loops here and elsewhere: NumPy's sort and sums take seconds to compile.
    """
    size = 0
    for a in range(own.size):
        if own[a] >= below:
            continue
        place = size
        while place > 0 and own[order[place - 1]] < own[a]:
            order[place] = order[place - 1]
            place -= 1
        order[place] = a
        size += 1
    return size


@njit(cache=True)
def _price(
    P: np.ndarray,
    E: np.ndarray,
    B: np.ndarray,
    members: np.ndarray,
    own: np.ndarray,
    low: np.ndarray,
) -> None:
    """Write ½tr(P_jj⁻¹E_jj) and ½tr(B_j E_jj) of every block."""
    g = B.shape[1]
    L, N = np.zeros((g, g)), np.empty((g, g))
    for a in range(members.size):
        factorise(P, a * g, L)
        own[a] = 0.5 * inner_block(L, E, a * g, N)
        total = 0.0
        for i in range(g):
            for j in range(g):
                total += B[members[a], i, j] * E[a * g + i, a * g + j]
        low[a] = 0.5 * total


@njit(cache=True)
def _take_leaf(
    members: np.ndarray, own: np.ndarray, rise: float, levels: Levels
) -> None:
    """Remove the cheapest block, the last to go; note it if that is a record."""
    cheapest, last = -1, levels.counts.size - 1
    for a in range(members.size):
        if cheapest < 0 or own[a] < own[cheapest]:
            cheapest = a
    if cheapest >= 0 and rise + own[cheapest] < _cutoff(levels):
        levels.record[0] = rise + own[cheapest]
        levels.removed[last] = members[cheapest]
        for level in range(last + 1):
            levels.best[level] = levels.removed[level]


@njit(cache=True)
def _write_children(
    order: np.ndarray,
    size: int,
    own: np.ndarray,
    low: np.ndarray,
    rise: float,
    level: int,
    levels: Levels,
) -> None:
    """Write a lower bound of every child, from the last, who has the fewest left."""
    more = levels.counts.size - level - 1
    cheapest, slot = np.full(more, NEVER), 0
    for i in range(size - 1, -1, -1):
        together = low[order[i]]
        for k in range(more):
            together += cheapest[k]
            if cheapest[k] > cheapest[slot]:
                slot = k
        levels.limits[level, i] = rise + max(own[order[i]], together)
        cheapest[slot] = min(cheapest[slot], low[order[i]])
    levels.counts[level] = size
    levels.nexts[level] = size - more - 1
    levels.rises[level] = rise


@njit(cache=True)
def _cutoff(levels: Levels) -> float:
    return levels.record[0] * (1.0 - levels.record[1])


@njit(cache=True)
def _has_child(level: int, levels: Levels) -> bool:
    """Move to the next child worth a visit; say whether there is one."""
    cutoff = _cutoff(levels)
    while levels.nexts[level] >= 0:
        if levels.limits[level, levels.nexts[level]] < cutoff:
            return levels.counts[level] > 0
        levels.nexts[level] -= 1
    return False


@njit(cache=True)
def _deepest(levels: Levels) -> int:
    level = -1
    while level + 1 < levels.counts.size and levels.counts[level + 1] > 0:
        level += 1
    return level


@njit(cache=True)
def _open_bound(levels: Levels) -> float:
    """Give the least bound of a child that was not visited yet."""
    bound = NEVER
    for level in range(_deepest(levels) + 1):
        for i in range(levels.nexts[level] + 1):
            bound = min(bound, levels.limits[level, i])
    return bound
