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

TARGET, DROPPED, BEST, ROOM, MARGIN, TILT, STEP = range(7)
"""Entries of ``Search.numbers`` (7,): only points of at most TARGET are looked for;
the least bound of a state that did not fit in; the best point's loss; the budget above
the base point; what rounding can take from a bound; and loss + TILT·cost is a multiple
of STEP for every option, see `lattice`."""

TAKEN, USED, AT, LEFT, RIGHT = range(5)
"""Entries of ``Search.counts`` (5,): layers taken, entries of the record; of the best
point: layers taken then, and the places of its two states."""

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
    numbers: np.ndarray
    counts: np.ndarray


class _Block(NamedTuple):
    """States under construction, with their bounds and where they come from."""

    cost: np.ndarray
    loss: np.ndarray
    bound: np.ndarray
    parent: np.ndarray
    option: np.ndarray


@njit(cache=True)
def _block(size):
    return _Block(
        np.empty(size),
        np.empty(size),
        np.empty(size),
        np.empty(size, np.int32),
        np.empty(size, np.int32),
    )


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
    width = search.cost.shape[1]
    blocks = (_block(2 * width), _block(2 * width), _block(width))
    knots = np.empty(core.up_cost.shape[0] + core.down_cost.shape[0] + 1)
    values = np.empty(knots.shape[0])
    made = 0
    while search.counts[TAKEN] < core.start.shape[0] - 1:
        if made > work:
            return MORE
        side = 0 if search.size[0] <= search.size[1] else 1
        made += _take(core, search, side, blocks, knots, values)
        if search.size[side] == 0:
            return DONE
        made += _meet(search)
    return DONE


@njit(cache=True)
def _take(core, search, side, blocks, knots, values):
    """Give the next layer to a list; give how many states were looked at."""
    layer, size = search.counts[TAKEN], search.size[side]
    search.owner[layer] = side
    begin, end = core.start[layer], core.start[layer + 1]
    least = search.cost[side, 0] + core.cost[begin]
    most = search.cost[side, size - 1] + core.cost[end - 1]
    room = search.numbers[ROOM]
    count = _relaxation(core, search.owner, side, room - most, room - least, knots, values)
    # Records left for the layers to come: none may starve.
    left = core.start.shape[0] - 1 - layer
    width = min(search.cost.shape[1], (search.parent.shape[0] - search.counts[USED]) // left)
    found, made = 0, 0
    one, two, fresh = blocks
    for j in range(begin, end):
        more = _shifted(core, search, side, j, knots[:count], values[:count], fresh)
        made += size + found
        if more == 0:
            continue
        found = _merged(one, found, fresh, more, two)
        one, two = two, one
        if found > width:
            found = _thinned(one, found, width, search.numbers)
    _record(search, side, layer, one, found)
    return made


@njit(cache=True)
def _relaxation(core, owner, side, low, high, knots, values):
    """Write the least loss of the layers a list has not taken, by the cost they may use.

    Convex and piecewise linear over knots that cover [low, high], as far as there are
    edges; 0 at 0, where all are at their base. Gives the number of knots.
    """
    downs, at = 0, 0.0
    for i in range(core.down_cost.shape[0]):
        if at <= low:
            break
        if owner[core.down_layer[i]] != side:
            at -= core.down_cost[i]
            downs += 1
    count = downs
    knots[count], values[count] = 0.0, 0.0
    at = downs
    for i in range(core.down_cost.shape[0]):
        if at == 0:
            break
        if owner[core.down_layer[i]] != side:
            knots[at - 1] = knots[at] - core.down_cost[i]
            values[at - 1] = values[at] + core.down_loss[i]
            at -= 1
    for i in range(core.up_cost.shape[0]):
        if knots[count] >= high:
            break
        if owner[core.up_layer[i]] != side:
            knots[count + 1] = knots[count] + core.up_cost[i]
            values[count + 1] = values[count] - core.up_saving[i]
            count += 1
    return count + 1


@njit(cache=True)
def _shifted(core, search, side, j, knots, values, out):
    """Write the states of a list with option j added that are in reach; their count."""
    numbers = search.numbers
    more, last, room = core.cost[j], core.loss[j], numbers[ROOM]
    bar = floor_to_step(numbers, numbers[TARGET]) + numbers[MARGIN]
    k, count = knots.shape[0] - 1, 0
    # Beyond the last knot money is left over, which loss' = loss + TILT·cost is not.
    slope = -numbers[TILT]
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
def _merged(one, n, two, m, out):
    """Merge two sorted blocks, leaving out dominated states; give the count."""
    i, j, count = 0, 0, 0
    best = np.inf
    while i < n or j < m:
        first = j >= m or (
            i < n
            and (
                one.cost[i] < two.cost[j]
                or (one.cost[i] == two.cost[j] and one.loss[i] <= two.loss[j])
            )
        )
        source, k = (one, i) if first else (two, j)
        if source.loss[k] < best:
            best = source.loss[k]
            _copy(source, k, out, count)
            count += 1
        i, j = (i + 1, j) if first else (i, j + 1)
    return count


@njit(cache=True)
def _copy(source, k, out, count):
    out.cost[count] = source.cost[k]
    out.loss[count] = source.loss[k]
    out.bound[count] = source.bound[k]
    out.parent[count] = source.parent[k]
    out.option[count] = source.option[k]


@njit(cache=True)
def _thinned(block, found, width, numbers):
    """Keep ``width`` states of least bound, spread over ties; remember the others' bound.
    """
    bar = np.partition(block.bound[:found], width)[width]
    numbers[DROPPED] = min(numbers[DROPPED], bar)
    below, ties = 0, 0
    for i in range(found):
        below += block.bound[i] < bar
        ties += block.bound[i] == bar
    places, count, tie = width - below, 0, 0
    for i in range(found):
        keep = block.bound[i] < bar
        if block.bound[i] == bar:
            keep = (tie + 1) * places // ties > tie * places // ties
            tie += 1
        if keep:
            _copy(block, i, block, count)
            count += 1
    return count


@njit(cache=True)
def _record(search, side, layer, block, found):
    """Make a block the list, and write down where its states come from."""
    at = search.counts[USED]
    search.side[layer], search.begin[layer] = side, at
    for i in range(found):
        search.cost[side, i] = block.cost[i]
        search.loss[side, i] = block.loss[i]
        search.parent[at + i] = block.parent[i]
        search.option[at + i] = block.option[i]
    search.size[side] = found
    search.counts[TAKEN] = layer + 1
    search.counts[USED] = at + found


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
