"""A population of points: children midway between members, improved by tabu search."""

import numpy as np
from numba import njit

from ccsolve.kernels.random_numbers import below
from ccsolve.kernels.swap_search import BEST, MOVES, USED, VALUE, search

COUNT, STALE, CHILDREN = 0, 1, 2
"""Entries of ``population`` (3,): members, fruitless points in a row, children."""

_UNINTERRUPTED = 1_000_000
"""Moves after which a search that still improves is cut; never seen in practice."""


@njit(cache=True)
def begin(Q, q, cost, sign, change, totals):
    """Fill changes and totals of the point given by ``sign``; O(n·kept)."""
    n = sign.shape[0]
    change[:] = q
    used = 0.0
    for j in range(n):
        if sign[j] < 0:
            used += cost[j]
            for k in range(n):
                change[k] += 2.0 * Q[j, k]
    value = 0.0
    for k in range(n):
        if sign[k] < 0:
            value += 0.5 * (change[k] + q[k])
        change[k] = Q[k, k] + sign[k] * change[k]
    totals[VALUE] = value
    totals[BEST] = value
    totals[USED] = used


@njit(cache=True)
def _shuffle(values, count, state):
    for k in range(count - 1, 0, -1):
        other = below(state, k + 1)
        values[k], values[other] = values[other], values[k]


@njit(cache=True)
def midway(first, second, cost, limit, swaps_only, child, state):
    """Walk from one feasible point half-way to another, staying feasible; signs (n,).

    By swaps where the cardinality is fixed, by flips elsewhere, in random order; what
    the budget does not allow is left out.
    """
    n = first.shape[0]
    leave, enter = np.empty(n, np.int64), np.empty(n, np.int64)
    leaving, entering, slack = 0, 0, limit
    for k in range(n):
        child[k] = first[k]
        if first[k] < 0:
            slack -= cost[k]
        if first[k] < second[k]:
            leave[leaving] = k
            leaving += 1
        elif first[k] > second[k]:
            enter[entering] = k
            entering += 1
    _shuffle(leave, leaving, state)
    _shuffle(enter, entering, state)
    if not swaps_only:
        for i in leave[: (leaving + 1) // 2]:
            child[i] = 1.0
            slack += cost[i]
    for place in range((entering + 1) // 2):
        j = enter[place]
        back = cost[leave[place]] if swaps_only else 0.0
        if cost[j] - back <= slack:
            child[j] = -1.0
            slack -= cost[j] - back
            if swaps_only:
                child[leave[place]] = 1.0


@njit(cache=True)
def admit(members, values, population, sign, value, tolerance):
    """Take a point that is new, and better than the worst or fills a place.

    ``members`` (size, n) signs and ``values`` (size,) are written in place; a point
    that is not taken counts as stale.
    """
    count = population[COUNT]
    worst = 0
    population[STALE] += 1
    for k in range(count):
        if abs(values[k] - value) <= tolerance and np.all(members[k] == sign):
            return
        if values[k] > values[worst]:
            worst = k
    if count < members.shape[0]:
        worst = count
        population[COUNT] += 1
    elif value >= values[worst]:
        return
    members[worst, :] = sign
    values[worst] = value
    population[STALE] = 0


@njit(cache=True)
def draw_tenure(tenure, held_for, state):
    """Fill base and spread for channels that left, and for those that entered.

    ``tenure`` (3,): the longest base, and how many of each side may be held at most.
    Short, and shorter for those that entered: measured, long tenures lose by far on
    programs with cancellation, and which short one is best differs.
    """
    longest, out, inside = tenure
    base = 1 + below(state, longest) if longest > 0 else 0
    held_for[0] = min(base, out)
    held_for[1] = min(2 * base + 2, out)
    held_for[2] = min(base // 4, inside)
    held_for[3] = min(base // 2 + 1, inside)


@njit(cache=True)
def breed(
    Q,
    q,
    cost,
    limit,
    swaps_only,
    pair_gain,
    members,
    values,
    population,
    children,
    tenure,
    patience,
    candidates,
    tolerance,
    work,
    state,
):
    """Breed ``children``, fewer after ``work`` moves or 2·size stale ones in a row.

    Each child lies midway between two random members and is improved by
    `swap_search.search`, which draws its tenure by `draw_tenure`. ``population`` (3,):
    members, fruitless points in a row, children.
    """
    n, size = q.shape[0], members.shape[0]
    sign, change, best_sign = np.empty(n), np.empty(n), np.empty(n)
    totals, clock = np.empty(3), np.zeros(2, np.int64)
    held_until, held_for = np.zeros(n, np.int64), np.empty(4, np.int64)
    spent = 0
    for _ in range(children):
        a = below(state, population[COUNT])
        b = (a + 1 + below(state, max(1, population[COUNT] - 1))) % population[COUNT]
        midway(members[a], members[b], cost, limit, swaps_only, sign, state)
        begin(Q, q, cost, sign, change, totals)
        best_sign[:] = sign
        held_until[:] = 0
        clock[:] = 0
        draw_tenure(tenure, held_for, state)
        search(
            Q,
            cost,
            limit,
            swaps_only,
            pair_gain,
            change,
            sign,
            held_until,
            held_for,
            totals,
            clock,
            best_sign,
            _UNINTERRUPTED,
            patience,
            candidates,
            tolerance,
            state,
        )
        population[CHILDREN] += 1
        admit(members, values, population, best_sign, totals[BEST], tolerance)
        spent += clock[MOVES]
        if spent >= work or population[STALE] >= 2 * size:
            return
