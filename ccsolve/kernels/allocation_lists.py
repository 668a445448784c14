"""Two lists of partial choices that meet in the middle: an exact search of a core.

A state is a choice for some of the core's layers, the others at their base: its cost
and its loss, whole numbers. A list holds the states of the layers it has taken that are
worth keeping: none costs and loses as much as another, and none is out of reach, by the
linear relaxation of the layers it has not taken. The core's layers go one by one to the
shorter list. After each, the best pair of states within the budget is looked for.

Pisinger's expanding core (EJOR 83, 1995) with its linear bound per state taken over all
remaining edges, and Horowitz and Sahni's two lists (JACM 21, 1974).
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from ccsolve.kernels.allocation_states import (
    Block,
    bar_for,
    merged,
    relaxation,
    thinned,
)

TARGET, DROPPED, BEST, ROOM, MARGIN, TILT, STEP, BAR = range(8)
"""Entries of ``Search.numbers`` (8,): only points of at most TARGET are looked for;
the least bound of a state that did not fit in; the best point's loss; the budget above
the base point; what rounding can take from a bound; loss + TILT·cost is a multiple of
STEP for every option, see `lattice`; states of the layer in progress beyond BAR are out
of reach."""

TAKEN, USED, AT, LEFT, RIGHT, OPTION, FOUND, TURN = range(8)
"""Entries of ``Search.counts`` (8,): layers taken, entries of the record; of the best
point: layers taken then, and the places of its two states; of the layer in progress:
its next option, -1 for none, its states so far, and which block they are in."""

MORE, DONE = 0, 1


class Search(NamedTuple):
    """A search in progress; W is the most states that a list may hold.

    Attributes
    ----------
    cost, loss : (2, W) the lists, sorted by cost, the losses falling.
    size : (2,) their lengths.
    side, begin : (n,) for each layer taken, its list, and where its record starts.
    owner : (n,) the list that took a layer, -1 for none.
    parent, option : for each state ever kept the one it came from and its option.
    one, two, fresh : blocks of 3W, 3W and W states.
    numbers, counts : see the names above; the loss of all at their base is 0.
    """

    cost: np.ndarray
    loss: np.ndarray
    size: np.ndarray
    side: np.ndarray
    begin: np.ndarray
    owner: np.ndarray
    parent: np.ndarray
    option: np.ndarray
    one: Block
    two: Block
    fresh: Block
    numbers: np.ndarray
    counts: np.ndarray


@njit(cache=True)
def floor_to_step(numbers, loss):
    """Give the most that a point of at most ``loss`` can have, as a bound reads it.

    With loss' = loss + TILT·cost in steps of STEP and a linear relaxation that spends
    all of the room, loss' ≤ loss + TILT·ROOM may be rounded down to a step.
    """
    shift = numbers[TILT] * numbers[ROOM]
    return np.floor((loss + shift) / numbers[STEP]) * numbers[STEP] - shift


@njit(cache=True)
def ceil_to_step(numbers, loss):
    """Give the least that a point of more than ``loss``, less rounding, can have."""
    shift = numbers[TILT] * numbers[ROOM]
    least = loss - numbers[MARGIN] + shift
    return np.ceil(least / numbers[STEP]) * numbers[STEP] - shift


@njit(cache=True)
def advance(core, search, work):
    """Take layers until the search is done or ``work`` states were made; say which."""
    counts = search.counts
    knots = np.empty(core.up_cost.shape[0] + core.down_cost.shape[0] + 1)
    values = np.empty(knots.shape[0])
    made = 0
    while counts[TAKEN] < core.start.shape[0] - 1:
        if made > work:
            return MORE
        layer = counts[TAKEN]
        if counts[OPTION] < 0:
            _open(core, search, layer)
        count = _reach(core, search, layer, knots, values)
        made += _take(core, search, layer, work - made, knots[:count], values[:count])
        if counts[OPTION] < core.start[layer + 1]:
            return MORE
        _close(core, search, layer)
        if search.size[search.side[layer]] == 0:
            return DONE
        made += _meet(search)
    return DONE


@njit(cache=True)
def _open(core, search, layer):
    """Give the next layer to the shorter list."""
    numbers, counts = search.numbers, search.counts
    search.owner[layer] = 0 if search.size[0] <= search.size[1] else 1
    counts[OPTION], counts[FOUND] = core.start[layer], 0
    numbers[BAR] = floor_to_step(numbers, numbers[TARGET]) + numbers[MARGIN]


@njit(cache=True)
def _reach(core, search, layer, knots, values):
    """Write the relaxation for what the layer's list may still spend; knots' number."""
    side, room = search.owner[layer], search.numbers[ROOM]
    begin, end = core.start[layer], core.start[layer + 1]
    least = search.cost[side, 0] + core.cost[begin]
    most = search.cost[side, search.size[side] - 1] + core.cost[end - 1]
    low, high = room - most, room - least
    return relaxation(core, search.owner, side, low, high, knots, values)


@njit(cache=True)
def _take(core, search, layer, work, knots, values):
    """Add options of the layer until all are or ``work`` states were made; how many."""
    counts, fresh = search.counts, search.fresh
    side, width, made = search.owner[layer], _width(core, search), 0
    while counts[OPTION] < core.start[layer + 1] and made <= work:
        j = counts[OPTION]
        counts[OPTION] += 1
        more = _shifted(core, search, side, j, knots, values, fresh)
        made += search.size[side]
        if more == 0:
            continue
        block, other = _blocks(search)
        made += counts[FOUND]
        counts[FOUND] = merged(block, counts[FOUND], fresh, more, other)
        counts[TURN] = 1 - counts[TURN]
        # Not at every option: finding the bar takes several looks at the states.
        if counts[FOUND] > 2 * width:
            counts[FOUND] = _dropping(search, other, width)
    return made


@njit(cache=True)
def _dropping(search, block, width):
    """Drop all but ``width`` states of the layer in progress; give what is left."""
    found, numbers = search.counts[FOUND], search.numbers
    bar = bar_for(block, found, width)
    numbers[BAR], numbers[DROPPED] = bar, min(numbers[DROPPED], bar)
    return thinned(block, found, width, bar)


@njit(cache=True)
def _width(core, search):
    """Give how many states a list may hold, so that the record lasts to the end."""
    left = core.start.shape[0] - 1 - search.counts[TAKEN]
    records = search.parent.shape[0] - search.counts[USED]
    return min(search.cost.shape[1], records // left)


@njit(cache=True)
def _blocks(search):
    """Give the block that holds the states of the layer in progress, and the other."""
    if search.counts[TURN] == 0:
        return search.one, search.two
    return search.two, search.one


@njit(cache=True)
def _close(core, search, layer):
    """Make the states of the layer its list, and write down where they come from."""
    counts, side = search.counts, search.owner[layer]
    block, _ = _blocks(search)
    found, width, at = counts[FOUND], _width(core, search), counts[USED]
    if found > width:
        found = _dropping(search, block, width)
    search.side[layer], search.begin[layer] = side, at
    for i in range(found):
        search.cost[side, i] = block.cost[i]
        search.loss[side, i] = block.loss[i]
        search.parent[at + i] = block.parent[i]
        search.option[at + i] = block.option[i]
    search.size[side] = found
    counts[TAKEN], counts[USED], counts[OPTION] = layer + 1, at + found, -1


@njit(cache=True)
def _shifted(core, search, side, j, knots, values, out):
    """Write the states of a list with option j added that are in reach; their count."""
    more, last, room = core.cost[j], core.loss[j], search.numbers[ROOM]
    bar = search.numbers[BAR]
    k, count = knots.shape[0] - 1, 0
    # Beyond the last knot money is left over, which loss' = loss + TILT·cost is not.
    slope = -search.numbers[TILT]
    for i in range(search.size[side]):
        cost = search.cost[side, i] + more
        left = room - cost
        if left < knots[0]:
            break
        while knots[k] > left:
            k -= 1
            slope = (values[k + 1] - values[k]) / (knots[k + 1] - knots[k])
        loss = search.loss[side, i] + last
        bound = loss + values[k] + slope * (left - knots[k])
        if bound <= bar:
            out.cost[count], out.loss[count], out.bound[count] = cost, loss, bound
            out.parent[count], out.option[count] = i, j
            count += 1
    return count


@njit(cache=True)
def _meet(search):
    """Look for a better pair of states within the budget; O(lengths)."""
    numbers, room = search.numbers, search.numbers[ROOM]
    best, left, right = numbers[TARGET] + 1.0, -1, -1
    j = search.size[1] - 1
    for i in range(search.size[0]):
        while j >= 0 and search.cost[0, i] + search.cost[1, j] > room:
            j -= 1
        if j < 0:
            break
        loss = search.loss[0, i] + search.loss[1, j]
        if loss < best:
            best, left, right = loss, i, j
    if left >= 0:
        numbers[BEST], numbers[TARGET] = best, best - 1.0
        search.counts[AT] = search.counts[TAKEN]
        search.counts[LEFT], search.counts[RIGHT] = left, right
    return search.size[0] + search.size[1]


@njit(cache=True)
def choice(search, options):
    """Write the best point's option of every layer it had taken, others unchanged."""
    at = np.array([search.counts[LEFT], search.counts[RIGHT]])
    for layer in range(search.counts[AT] - 1, -1, -1):
        side = search.side[layer]
        record = search.begin[layer] + at[side]
        options[layer] = search.option[record]
        at[side] = search.parent[record]
