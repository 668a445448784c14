"""Moves over a whole network: swaps in a group, steps of width down and up.

A step takes a group to the next width of its ladder, by as many channels as lie
between; the channels are chosen one after the other, each the best once those before
have moved.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy import int64

from ccsolve.kernels.network_state import (
    change_width,
    entry,
    flip,
    price_change,
)

NEVER = 1e300
"""Stands for a move that is not allowed."""

WHOLE = 256
"""Channels of a group up to which all its swaps are looked at where Q joins groups."""


class Moves(NamedTuple):
    """The best moves of each group, and what is known of their costs.

    Attributes
    ----------
    swap : (G,) what the best swap adds; ``out`` and ``into`` (G,) are its channels.
    down, up : (G,) what a step adds.
    leave, enter : (n,) the channels of the steps, from each group's first place on.
    barred : (n,) which channels may not move now.
    stale : (G,) whether the group's moves must be looked for again.
    fitting : (G + 1, G + 1) whether a step down of g with one up of h is within the
        budgets, 1 or 0, -1 where not yet known; row G without the step down.
    """

    swap: np.ndarray
    out: np.ndarray
    into: np.ndarray
    down: np.ndarray
    up: np.ndarray
    leave: np.ndarray
    enter: np.ndarray
    barred: np.ndarray
    stale: np.ndarray
    fitting: np.ndarray


@njit(cache=True)
def step_size(net, walk, g, direction):
    """Give by how many channels a step changes a group, 0 at the ladder's end."""
    first, last = net.ladder_start[g], net.ladder_start[g + 1]
    at = first + walk.place[g] + direction
    if at < first or at >= last:
        return 0
    return net.ladder[at] - net.ladder[first + walk.place[g]]


@njit(cache=True, forceinline=True)
def _lowest(change, sign, barred, first, last, side):
    """Give the channel of a side that adds least, -1 where none may move."""
    found, least = -1, NEVER
    for i in range(first, last):
        if change[i] < least and sign[i] == side and not barred[i]:
            found, least = i, change[i]
    return found


@njit(cache=True)
def bar(locked, held, now, barred):
    """Write which channels may not move: fixed ones, and those that are held."""
    for i in range(barred.shape[0]):
        barred[i] = locked[i] or held[i] > now


@njit(cache=True)
def _step(rows, change, sign, barred, first, last, count, side, into):
    """Give what a step of ``count`` channels adds; they are written into ``into``."""
    if count == 0:
        return NEVER
    if count == 1:
        k = _lowest(change, sign, barred, first, last, side)
        into[first] = k
        return change[k] if k >= 0 else NEVER
    ahead, total = change[:last].copy(), 0.0
    for place in range(count):
        k = _lowest(ahead, sign, barred, first, last, side)
        if k < 0:
            return NEVER
        into[first + place] = k
        total += ahead[k]
        ahead[k] = NEVER
        # The others of the same side follow; what moved never moves back here.
        for j in range(first, last):
            if sign[j] == side and ahead[j] < 0.5 * NEVER:
                ahead[j] += 2.0 * entry(rows, k, j)
    return total


@njit(cache=True)
def _swap(rows, change, sign, barred, first, last, whole):
    """Give (gain, out, in) of the best swap.

    Of all pairs, or of those that the best channel of either side makes.
    """
    i = _lowest(change, sign, barred, first, last, -1.0)
    j = _lowest(change, sign, barred, first, last, 1.0)
    best, out, into = NEVER, -1, -1
    if i < 0 or j < 0:
        return best, out, into
    for a in range(first, last):
        if sign[a] > 0 or barred[a]:
            continue
        low, high = (first, last) if whole or a == i else (j, j + 1)
        for b in range(low, high):
            if sign[b] < 0 or barred[b]:
                continue
            gain = change[a] + change[b] - 2.0 * entry(rows, a, b)
            if gain < best:
                best, out, into = gain, a, b
    return best, out, into


@njit(cache=True)
def look(net, walk, moves, now, swaps, whole):
    """Look for the moves of the groups that are stale; O(Σ n_g²) for ``whole``.

    Without ``swaps`` for steps alone. Channels held beyond the move ``now`` stay.
    """
    rows, change, sign, barred = net.rows, walk.change, walk.sign, moves.barred
    bar(net.locked, walk.held, now, barred)
    for g in range(moves.stale.shape[0]):
        if not moves.stale[g]:
            continue
        first, last = net.start[g], net.start[g + 1]
        if swaps:
            # Where groups are joined all are stale after every move.
            pairs = whole and not (net.coupled and last - first > WHOLE)
            moves.swap[g], moves.out[g], moves.into[g] = _swap(
                rows, change, sign, barred, first, last, pairs
            )
        less, more = (
            -step_size(net, walk, g, int64(-1)),
            step_size(net, walk, g, int64(1)),
        )
        moves.down[g] = _step(
            rows, change, sign, barred, first, last, less, -1.0, moves.leave
        )
        moves.up[g] = _step(
            rows, change, sign, barred, first, last, more, 1.0, moves.enter
        )
        moves.stale[g] = False


@njit(cache=True)
def step_fits(net, walk, moves, g, h, scratch):
    """Say whether the step down of g, -1 for none, and the one up of h fit. O(B)."""
    row = g if g >= 0 else moves.down.shape[0]
    if moves.fitting[row, h] >= 0:
        return moves.fitting[row, h] == 1
    up = step_size(net, walk, h, int64(1))
    by = step_size(net, walk, g, int64(-1)) if g >= 0 else int64(0)
    price_change(net, walk, h, up, g, by, scratch)
    fit = 1
    for b in range(scratch.shape[0]):
        if walk.spent[b] + scratch[b] > net.limit[b]:
            fit = 0
            break
    moves.fitting[row, h] = fit
    return fit == 1


@njit(cache=True)
def joint_gains(net, walk, moves, out):
    """Write what a step down of g with one up of h adds, (G, G).

    `NEVER` where there is none, and for g = h.
    """
    groups = moves.down.shape[0]
    downs, ups = np.zeros(groups, np.int64), np.zeros(groups, np.int64)
    for g in range(groups):
        downs[g] = -step_size(net, walk, g, int64(-1))
        ups[g] = step_size(net, walk, g, int64(1))
    steps = (net.start, moves.leave, moves.enter, downs, ups)
    _joined(net.rows, steps, moves.down, moves.up, net.coupled, out)


@njit(cache=True)
def _joined(rows, steps, less, more, coupled, out):
    values, row_start, low, high, points = rows
    start, leave, enter, downs, ups = steps
    for g in range(less.shape[0]):
        for h in range(less.shape[0]):
            gain = less[g] + more[h]
            if g == h or gain >= 0.5 * NEVER:
                out[g, h] = NEVER
                continue
            for a in range(downs[g] if coupled else 0):
                i = leave[start[g] + a]
                for b in range(ups[h]):
                    j = enter[start[h] + b]
                    if low[i] <= j < high[i]:
                        gain -= 2.0 * values[row_start[i] + j - low[i]]
                    for p in range(points.shape[1]):
                        gain -= 2.0 * points[i, p] * points[j, p]
            out[g, h] = gain


@njit(cache=True)
def forget(net, moves, g):
    """Say that moves of a group are stale; of all of them where groups are joined."""
    if net.coupled:
        moves.stale[:] = True
    else:
        moves.stale[g] = True


@njit(cache=True)
def make_swap(net, walk, moves, i, j, g):
    """Flip a kept and a removed channel of a group."""
    flip(net, walk, i)
    flip(net, walk, j)
    forget(net, moves, g)


@njit(cache=True)
def make_step(net, walk, moves, g, direction):
    """Make the step that was looked for."""
    channels = moves.enter if direction > 0 else moves.leave
    for place in range(abs(step_size(net, walk, g, direction))):
        flip(net, walk, channels[net.start[g] + place])
    change_width(net, walk, g, walk.place[g] + direction)
    forget(net, moves, g)
    moves.fitting[:] = -1
