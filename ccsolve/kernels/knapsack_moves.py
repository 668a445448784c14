"""Points of a core mended and improved: one layer's option changed, or two layers'."""

import numpy as np
from numba import njit


@njit(cache=True)
def room_left(core, choice, left):
    """Write what the choice leaves of every budget."""
    left[:] = core.room
    for layer in range(choice.size):
        left -= core.costs[choice[layer]]


@njit(cache=True)
def mend(core, choice, prices, most):
    """Change one option after the other until all budgets hold, at most so many.

    Each change costs least in losses and prices for what it takes off the excess, all
    budgets relative to the largest cost; O(M·B) for each. Gives 1 where all budgets
    hold, -1 where no change helps, 0 where there is more to do.
    """
    left, units = np.empty(core.room.size), np.full(core.room.size, 1e-300)
    room_left(core, choice, left)
    for j in range(core.losses.size):
        for b in range(units.size):
            units[b] = max(units[b], core.costs[j, b])
    for _ in range(most):
        if _excess(core, left, units) <= 0.0:
            return 1
        at = _cheapest_relief(core, choice, prices, left, units)
        if at < 0:
            return -1
        left += core.costs[choice[core.layers[at]]] - core.costs[at]
        choice[core.layers[at]] = at
    return 0


@njit(cache=True)
def _cheapest_relief(core, choice, prices, left, units):
    """Give the option that takes off excess at the least rate, -1 if none does."""
    excess = _excess(core, left, units)
    # Less than the rounding of the broken budgets' sums may lead in a circle.
    least = 1e-9 * excess
    for b in range(units.size):
        if core.margin[b] > left[b]:
            least += core.margin[b] / units[b]
    best, at = np.inf, -1
    for j in range(core.losses.size):
        old = choice[core.layers[j]]
        if j == old:
            continue
        after = _excess_after(core, left, units, old, j)
        taken = excess - after
        if after <= 0.0 or taken > least:
            paid = core.losses[j] - core.losses[old]
            for b in range(units.size):
                paid += prices[b] * (core.costs[j, b] - core.costs[old, b])
            rate = max(paid, 0.0) / taken
            if rate < best:
                best, at = rate, j
    return at


@njit(cache=True)
def _excess(core, left, units):
    total = 0.0
    for b in range(left.size):
        over = core.margin[b] - left[b]
        if over > 0.0:
            total += over / units[b]
    return total


@njit(cache=True)
def _excess_after(core, left, units, old, new):
    total = 0.0
    for b in range(left.size):
        over = core.margin[b] - left[b] + core.costs[new, b] - core.costs[old, b]
        if over > 0.0:
            total += over / units[b]
    return total


@njit(cache=True)
def refill(core, choice, most):
    """Make the best single change within the budgets while one helps, so many times.

    True once none helps.
    """
    left = np.empty(core.room.size)
    room_left(core, choice, left)
    left -= core.margin
    for _ in range(most):
        if not _best_single(core, choice, left):
            return True
    return False


@njit(cache=True)
def improve(core, choice, near, most):
    """Improve a point within its budgets by single changes and by pairs of them.

    ``near`` are the options that pairs are made of; singles are tried over all. Ends
    where neither helps, or after ``most`` pairs.
    """
    left = np.empty(core.room.size)
    room_left(core, choice, left)
    left -= core.margin
    change = np.empty((near.size, core.room.size + 1))
    seen, improved = 0, True
    while improved and seen < most:
        while _best_single(core, choice, left):
            pass
        _changes(core, choice, near, change)
        improved = _first_pairs(core, choice, near, change, left)
        seen += near.size * near.size


@njit(cache=True)
def _changes(core, choice, near, change):
    """Write what each option near would change of the losses and of the costs."""
    for i in range(near.size):
        old = choice[core.layers[near[i]]]
        change[i, 0] = core.losses[near[i]] - core.losses[old]
        for b in range(core.room.size):
            change[i, b + 1] = core.costs[near[i], b] - core.costs[old, b]


@njit(cache=True)
def _best_single(core, choice, left):
    """Make the best single change within the budgets; False if none helps."""
    best, at = 0.0, -1
    for j in range(core.losses.size):
        old = choice[core.layers[j]]
        gain = core.losses[old] - core.losses[j]
        if gain > best:
            fits = True
            for b in range(left.size):
                if core.costs[j, b] - core.costs[old, b] > left[b]:
                    fits = False
                    break
            if fits:
                best, at = gain, j
    if at >= 0:
        left += core.costs[choice[core.layers[at]]] - core.costs[at]
        choice[core.layers[at]] = at
    return at >= 0


@njit(cache=True)
def _first_pairs(core, choice, near, change, left):
    """Make, for each option near, its best pair if that helps; whether any did."""
    budgets, made = core.room.size, False
    for i in range(near.size):
        layer = core.layers[near[i]]
        best, at = 0.0, -1
        for k in range(near.size):
            loss = change[i, 0] + change[k, 0]
            if loss < best and core.layers[near[k]] != layer:
                fits = True
                for b in range(budgets):
                    if change[i, b + 1] + change[k, b + 1] > left[b]:
                        fits = False
                        break
                if fits:
                    best, at = loss, k
        if at >= 0 and best < -1e-15 * core.weight:
            for j in (near[i], near[at]):
                left += core.costs[choice[core.layers[j]]] - core.costs[j]
                choice[core.layers[j]] = j
            _changes(core, choice, near, change)
            made = True
    return made
