"""A tabu walk over a whole network: one or a few steps down, then what fits comes back.

A step down is chosen by what it adds, and the step up by what that one has left: along
a row of Q, where a table of all pairs would be read here and there. So a move is a few
passes over the channels, and what pairs of channels have to do with each other counts
in full. Inner functions take arrays one by one: a look into a large tuple counts
references, which takes longer than the pass.
"""

from numba import njit
from numpy import empty, int64

from ccsolve.kernels.network_moves import NEVER
from ccsolve.kernels.network_search import FOREVER
from ccsolve.kernels.network_state import (
    BEST,
    IMPROVED,
    MOVES,
    REFRESH,
    VALUE,
    WIDENED,
    change_width,
    follow,
    note_best,
    price_change,
    spend,
)
from ccsolve.kernels.random_numbers import below


@njit(cache=True)
def step_sizes(ladder, ladder_start, place, direction, sizes):
    """Write by how many channels a step changes each group, 0 at a ladder's end."""
    for g in range(sizes.shape[0]):
        at = ladder_start[g] + place[g]
        to = at + direction
        inside = ladder_start[g] <= to < ladder_start[g + 1]
        sizes[g] = ladder[to] - ladder[at] if inside else 0


@njit(cache=True)
def rises_of(linear, square, met, sizes, rises):
    """Write what a step of each group costs by products of widths, (B, G)."""
    for b in range(rises.shape[0]):
        for g in range(rises.shape[1]):
            each = linear[b, g] + 2.0 * met[b, g] + square[b, g, g] * sizes[g]
            rises[b, g] = sizes[g] * each


@njit(cache=True)
def _rises_by_tables(net, walk, sizes, rises):
    rise = empty(rises.shape[0])
    for g in range(rises.shape[1]):
        if sizes[g] != 0:
            price_change(net, walk, g, sizes[g], int64(-1), int64(0), rise)
            rises[:, g] = rise


@njit(cache=True)
def costs_of(net, walk, direction, rises):
    """Write what a step of each group costs of each budget, (B, G), 0 without one."""
    sizes = empty(rises.shape[1], int64)
    step_sizes(net.ladder, net.ladder_start, walk.place, direction, sizes)
    rises_of(net.linear, net.square, walk.met, sizes, rises)
    if walk.timed.shape[0]:
        _rises_by_tables(net, walk, sizes, rises)


@njit(cache=True)
def _price(prices, sizes, rises, spent, limit, priced):
    """Write each group's price of a channel; `NEVER` where its step does not fit."""
    for g in range(sizes.shape[0]):
        total, able = 0.0, sizes[g] != 0
        for b in range(prices.shape[0]):
            total += prices[b] * rises[b, g]
            if rises[b, g] > 0.0 and spent[b] + rises[b, g] > limit[b]:
                able = False
        priced[g] = total / abs(sizes[g]) if able else NEVER


@njit(cache=True)
def _cheapest(change, sign, held, now, start, priced, side):
    """Give (channel, group) of least change and price among those free, -1 for none."""
    least, found, where = 0.5 * NEVER, -1, -1
    for g in range(priced.shape[0]):
        if priced[g] >= 0.5 * NEVER:
            continue
        under = least - priced[g]
        for i in range(start[g], start[g + 1]):
            if change[i] < under and sign[i] == side and held[i] <= now:
                found, where, under = i, g, change[i]
                least = under + priced[g]
    return found, where


@njit(cache=True)
def _next(change, sign, held, first, last, side):
    """Give the group's cheapest channel of a side, held or not, but for fixed ones."""
    found, least = -1, NEVER
    for i in range(first, last):
        if change[i] < least and sign[i] == side and held[i] < FOREVER:
            found, least = i, change[i]
    return found


@njit(cache=True)
def _flipped(
    values, row_start, low, high, points, change, sign, held, k, first, last, count,
    until,
):  # fmt: skip
    """Flip k and the group's next cheapest, ``count`` in all; give what that adds."""
    side, total = sign[k], 0.0
    for place in range(count):
        total += follow(values, row_start, low, high, points, change, sign, k)
        held[k] = until
        if place + 1 < count:
            k = _next(change, sign, held, first, last, side)
    return total


@njit(cache=True)
def _is_over(spent, limit):
    for b in range(spent.shape[0]):
        if spent[b] > limit[b]:
            return True
    return False


@njit(cache=True)
def _hold_fixed(locked, held):
    for i in range(locked.shape[0]):
        if locked[i]:
            held[i] = FOREVER


@njit(cache=True)
def _settle(net, walk, g, by):
    """Have widths and costs follow a step of a group that tables speak of."""
    change_width(net, walk, g, walk.place[g] + (1 if by > 0 else -1))


@njit(cache=True)
def exchange(net, walk, prices, drops, tenure, patience, most, state):
    """Walk up to ``most`` moves; say whether ``patience`` of them brought no better.

    A move takes one to ``drops`` steps down, more while a budget is broken, each the
    one that adds least beside what its cost is worth at ``prices`` (B,); then steps up
    as long as one fits and lowers the objective. What moved is held for ``tenure`` to
    twice as many moves. O(n) a step where Q is formed.
    """
    values, row_start, low, high, points = net.rows
    start, ladder, ladder_start = net.start, net.ladder, net.ladder_start
    linear, square, limit = net.linear, net.square, net.limit
    change, sign, held, place = walk.change, walk.sign, walk.held, walk.place
    width, met, spent, clock = walk.width, walk.met, walk.spent, walk.clock
    totals, tolerance, tabled = walk.totals, net.tolerance, walk.timed.shape[0] > 0
    budgets, groups = linear.shape
    sizes, priced = empty(groups, int64), empty(groups)
    rises = empty((budgets, groups))
    _hold_fixed(net.locked, held)
    for _ in range(most):
        clock[MOVES] += 1
        now = clock[MOVES]
        left, direction = 1 + below(state, drops), -1
        while True:
            if direction < 0 and left <= 0 and not _is_over(spent, limit):
                direction = 1
            left -= 1
            step_sizes(ladder, ladder_start, place, direction, sizes)
            rises_of(linear, square, met, sizes, rises)
            if tabled:
                _rises_by_tables(net, walk, sizes, rises)
            _price(prices, sizes, rises, spent, limit, priced)
            k, g = _cheapest(change, sign, held, now, start, priced, 1.0 * direction)
            if k < 0 or (direction > 0 and change[k] > 0.0):
                if direction > 0:
                    break
                direction = 1
                continue
            by, until = sizes[g], now + tenure + below(state, tenure + 1)
            first, last = start[g], start[g + 1]
            totals[VALUE] += _flipped(
                values, row_start, low, high, points, change, sign, held,
                k, first, last, abs(by), until,
            )  # fmt: skip
            if tabled or clock[WIDENED] % REFRESH == REFRESH - 1:
                _settle(net, walk, g, by)
            else:
                clock[WIDENED] += 1
                place[g] += direction
                width[g] += by
                spend(linear, square, met, spent, g, by)
        if totals[VALUE] < totals[BEST] - tolerance:
            note_best(net, walk)
        if now - clock[IMPROVED] >= patience:
            return True
    return False
