"""A population of points: children midway between members, cooled and searched."""

from typing import NamedTuple

import numpy as np
from numba import njit

from ccsolve.kernels.heat_bath import cool, warm
from ccsolve.kernels.random_numbers import below
from ccsolve.kernels.search_state import BEST, begin
from ccsolve.kernels.swap_search import Rule, search

COUNT, STALE, CHILDREN = 0, 1, 2
"""Entries of ``counts`` (3,): members, fruitless points in a row, children."""

_UNINTERRUPTED = 1_000_000
"""Moves after which a search that still improves is cut; never seen in practice."""


class Population(NamedTuple):
    """Distinct points as signs (size, n), their values (size,), and counts (3,)."""

    members: np.ndarray
    values: np.ndarray
    counts: np.ndarray


class Breeding(NamedTuple):
    """What is done to a child.

    Attributes
    ----------
    temperatures : (t,) of its cooling.
    tenure : (3,) see `draw_tenure`.
    rule : of the tabu search that ends it.
    """

    temperatures: np.ndarray
    tenure: np.ndarray
    rule: Rule


@njit(cache=True)
def _shuffle(values, count, state):
    for k in range(count - 1, 0, -1):
        other = below(state, k + 1)
        values[k], values[other] = values[other], values[k]


@njit(cache=True)
def _differences(first, second, state):
    """Give the channels that leave, and those that enter, from first to second."""
    n = first.shape[0]
    leave, enter = np.empty(n, np.int64), np.empty(n, np.int64)
    leaving, entering = 0, 0
    for k in range(n):
        if first[k] < second[k]:
            leave[leaving] = k
            leaving += 1
        elif first[k] > second[k]:
            enter[entering] = k
            entering += 1
    _shuffle(leave, leaving, state)
    _shuffle(enter, entering, state)
    return leave[:leaving], enter[:entering]


@njit(cache=True)
def midway(program, first, second, child, state):
    """Walk from one feasible point half-way to another, staying feasible; signs (n,).

    By swaps where the cardinality is fixed, by flips elsewhere, in random order; what
    the budget does not allow is left out.
    """
    cost, slack, swaps_only = program.cost, program.limit, program.keep >= 0
    leave, enter = _differences(first, second, state)
    child[:] = first
    for k in range(first.shape[0]):
        if first[k] < 0:
            slack -= cost[k]
    if not swaps_only:
        for i in leave[: (leave.shape[0] + 1) // 2]:
            child[i] = 1.0
            slack += cost[i]
    for place in range((enter.shape[0] + 1) // 2):
        j = enter[place]
        back = cost[leave[place]] if swaps_only else 0.0
        if cost[j] - back <= slack:
            child[j] = -1.0
            slack -= cost[j] - back
            if swaps_only:
                child[leave[place]] = 1.0


@njit(cache=True)
def between(program, population, child, state):
    """Fill ``child`` (n,) with a point midway between two random members."""
    count = population.counts[COUNT]
    a = below(state, count)
    b = (a + 1 + below(state, max(1, count - 1))) % count
    midway(program, population.members[a], population.members[b], child, state)


@njit(cache=True)
def admit(population, sign, value, tolerance):
    """Take a point that is new, and better than the worst or fills a place.

    A point that is not taken counts as stale.
    """
    members, values, counts = population
    count = counts[COUNT]
    worst = 0
    counts[STALE] += 1
    for k in range(count):
        if abs(values[k] - value) <= tolerance and np.all(members[k] == sign):
            return
        if values[k] > values[worst]:
            worst = k
    if count < members.shape[0]:
        worst = count
        counts[COUNT] += 1
    elif value >= values[worst]:
        return
    members[worst, :] = sign
    values[worst] = value
    counts[STALE] = 0


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
def raise_child(program, bath, breeding, walk, heat, moved, state):
    """Cool the point of ``walk`` and search from there; O(n²) a temperature."""
    n = walk.sign.shape[0]
    begin(program, walk)
    warm(bath, walk, heat)
    cool(program, bath, heat, breeding.temperatures, n, moved, state)
    walk.sign[:] = heat.best_sign
    begin(program, walk)
    held_for = np.empty(4, np.int64)
    draw_tenure(breeding.tenure, held_for, state)
    search(program, walk, held_for, breeding.rule, _UNINTERRUPTED, state)


@njit(cache=True)
def breed(program, bath, population, breeding, walk, heat, children, state):
    """Breed ``children``, fewer after 2·size stale ones in a row.

    Each lies midway between two random members, is cooled again, from where agreed
    channels hold and the others do not, and improved by tabu search. ``walk`` and
    ``heat`` are room to work in.
    """
    size = population.members.shape[0]
    moved = np.zeros(breeding.temperatures.shape[0], np.int64)
    for _ in range(children):
        between(program, population, walk.sign, state)
        raise_child(program, bath, breeding, walk, heat, moved, state)
        population.counts[CHILDREN] += 1
        admit(population, walk.best_sign, walk.totals[BEST], program.tolerance)
        if population.counts[STALE] >= 2 * size:
            return
