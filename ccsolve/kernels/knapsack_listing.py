"""Every point whose reduced costs sum to at most what is left, listed depth first."""

from typing import NamedTuple

import numpy as np
from numba import njit

from ccsolve.kernels.knapsack_core import reduced_cost


class Incumbent(NamedTuple):
    """The best point of a search; arrays written in place.

    Attributes
    ----------
    choice : (L,) its options in the core.
    values : its loss; the loss that better points must stay below (the goal); the
        least loss of points that rounding leaves undecided.
    tolerance : relative and absolute, what the goal must be below the loss.
    """

    choice: np.ndarray
    values: np.ndarray
    tolerance: np.ndarray


class Deviations(NamedTuple):
    """The options other than the node's choice, by layers of rising least cost.

    Attributes
    ----------
    option : (D,) their numbers in the core; ``reduced`` (D,) their reduced costs,
        rising within a layer.
    change : (D, B) what they cost more than the choice; ``priced`` (D,) the same at
        the node's prices.
    begin : (P + 1,) the first of each listed layer, and D.
    relief : (P + 1, B) what the layers from one on can save at most of a budget.
    rise : (P + 1,) what they can add at most to the priced costs.
    """

    option: np.ndarray
    reduced: np.ndarray
    change: np.ndarray
    priced: np.ndarray
    begin: np.ndarray
    relief: np.ndarray
    rise: np.ndarray


class Path(NamedTuple):
    """The deviations taken so far, and what each of their points leaves.

    Attributes
    ----------
    layer, item : (P + 1,) the listed layer and the deviation taken at each depth.
    used : (P + 1,) sum of reduced costs.
    left, priced : (P + 1, B) room left in every budget; (P + 1,) the same priced.
    """

    layer: np.ndarray
    item: np.ndarray
    used: np.ndarray
    left: np.ndarray
    priced: np.ndarray


@njit(cache=True)
def goal_below(incumbent, loss):
    """Give the loss below which a point is worth looking for, once one has ``loss``."""
    relative, absolute = incumbent.tolerance
    return loss - max(relative * abs(loss), absolute)


@njit(cache=True)
def take(incumbent, choice, loss):
    """Make a point the incumbent."""
    incumbent.choice[:] = choice
    incumbent.values[0] = loss
    incumbent.values[1] = min(incumbent.values[1], goal_below(incumbent, loss))


@njit(cache=True)
def list_points(core, node, incumbent, bound, slack, most):
    """Look at every point of the node below the goal; False if that takes ``most``.

    A point's loss is bound + Σ reduced costs + pricesᵀ(room left), so that only points
    with reduced costs of at most goal - bound + slack in sum can be below the goal.
    Each is reached once, as the node's choice with deviations in rising order of
    layers. Pruned: what can no longer get within the budgets, and what leaves more of
    them than can still be used.
    """
    span = incumbent.values[1] - bound + slack
    deviations = _gathered(core, node, span)
    path = _start(core, node, deviations.begin.size - 1)
    _visit(core, node, incumbent, deviations, path, 0)
    return _walk(core, node, incumbent, bound - slack, deviations, path, most)


@njit(cache=True)
def _gathered(core, node, span):
    """Give the deviations within the span, sorted."""
    layers = node.choice.size
    ends, lowest = np.zeros((layers, 2), np.int64), np.full(layers, np.inf)
    option, reduced = np.empty(core.losses.size, np.int64), np.empty(core.losses.size)
    count, listed = 0, 0
    for layer in range(layers):
        ends[layer, 0] = count
        for j in range(core.first[layer], core.first[layer + 1]):
            if node.alive[j] and j != node.choice[layer]:
                value = reduced_cost(core, node, j)
                if value <= span:
                    option[count], reduced[count] = j, value
                    lowest[layer] = min(lowest[layer], value)
                    count += 1
        ends[layer, 1] = count
        listed += count > ends[layer, 0]
    found = _empty(count, listed, core.room.size)
    filled = 0
    for p, layer in enumerate(np.argsort(lowest)[:listed]):
        start, stop = ends[layer, 0], ends[layer, 1]
        for rank in np.argsort(reduced[start:stop]):
            found.option[filled] = option[start + rank]
            found.reduced[filled] = reduced[start + rank]
            filled += 1
        found.begin[p + 1] = filled
    _changes(core, node, found)
    _suffixes(found)
    return found


@njit(cache=True)
def _empty(count, listed, budgets):
    return Deviations(
        np.empty(count, dtype=np.int64),
        np.empty(count),
        np.empty((count, budgets)),
        np.zeros(count),
        np.zeros(listed + 1, dtype=np.int64),
        np.zeros((listed + 1, budgets)),
        np.zeros(listed + 1),
    )


@njit(cache=True)
def _changes(core, node, deviations):
    for q in range(deviations.option.size):
        j = deviations.option[q]
        default = node.choice[core.layers[j]]
        for b in range(core.room.size):
            change = core.costs[j, b] - core.costs[default, b]
            deviations.change[q, b] = change
            deviations.priced[q] += node.prices[b] * change


@njit(cache=True)
def _suffixes(deviations):
    begin, relief, rise = deviations.begin, deviations.relief, deviations.rise
    for p in range(begin.size - 2, -1, -1):
        highest = 0.0
        for q in range(begin[p], begin[p + 1]):
            highest = max(highest, deviations.priced[q])
        rise[p] = rise[p + 1] + highest
        for b in range(relief.shape[1]):
            most = 0.0
            for q in range(begin[p], begin[p + 1]):
                most = max(most, -deviations.change[q, b])
            relief[p, b] = relief[p + 1, b] + most


@njit(cache=True)
def _start(core, node, listed):
    """Give the path that takes no deviation yet."""
    budgets = core.room.size
    path = Path(
        np.zeros(listed + 1, np.int64),
        np.full(listed + 1, -1),
        np.zeros(listed + 1),
        np.zeros((listed + 1, budgets)),
        np.zeros(listed + 1),
    )
    path.left[0] = core.room
    for layer in range(node.choice.size):
        path.left[0] -= core.costs[node.choice[layer]]
    for b in range(budgets):
        path.priced[0] += node.prices[b] * path.left[0, b]
    return path


@njit(cache=True)
def _walk(core, node, incumbent, floor, deviations, path, most):
    depth, steps = 0, 0
    while depth >= 0:
        span = incumbent.values[1] - floor
        p = _next(core, deviations, path, depth, span)
        if p < 0:
            depth -= 1
            continue
        steps += 1
        if steps > most:
            return False
        depth += 1
        _enter(deviations, path, depth, p)
        if path.used[depth] + path.priced[depth] <= span:
            _visit(core, node, incumbent, deviations, path, depth)
        if p + 1 == deviations.begin.size - 1 or _hopeless(
            core, deviations, path, depth, span, p + 1
        ):
            depth -= 1
    return True


@njit(cache=True)
def _next(core, deviations, path, depth, span):
    """Move to the next deviation at this depth; give its layer, -1 if there is none."""
    begin, reduced = deviations.begin, deviations.reduced
    listed = begin.size - 1
    p, q = path.layer[depth], path.item[depth] + 1
    rest = span - path.used[depth]
    while p < listed:
        if q < begin[p + 1] and reduced[q] <= rest:
            path.layer[depth], path.item[depth] = p, q
            return p
        p += 1
        if p == listed or reduced[begin[p]] > rest:
            return -1
        if _hopeless(core, deviations, path, depth, span, p):
            return -1
        q = begin[p]
    return -1


@njit(cache=True)
def _enter(deviations, path, depth, p):
    """Write what the point has used and leaves after the deviation before ``depth``."""
    q = path.item[depth - 1]
    path.used[depth] = path.used[depth - 1] + deviations.reduced[q]
    path.priced[depth] = path.priced[depth - 1] - deviations.priced[q]
    for b in range(path.left.shape[1]):
        path.left[depth, b] = path.left[depth - 1, b] - deviations.change[q, b]
    path.layer[depth], path.item[depth] = p + 1, deviations.begin[p + 1] - 1


@njit(cache=True)
def _hopeless(core, deviations, path, depth, span, p):
    """Say whether layers from p on cannot bring the point within what is wanted."""
    if path.used[depth] + path.priced[depth] - deviations.rise[p] > span:
        return True
    for b in range(core.margin.size):
        if path.left[depth, b] + deviations.relief[p, b] < -core.margin[b]:
            return True
    return False


@njit(cache=True)
def _visit(core, node, incumbent, deviations, path, depth):
    """Take the point if it keeps the budgets and is the best so far."""
    undecided = False
    for b in range(core.margin.size):
        if path.left[depth, b] < -core.margin[b]:
            return
        undecided = undecided or path.left[depth, b] < core.margin[b]
    choice = node.choice.copy()
    for d in range(depth):
        j = deviations.option[path.item[d]]
        choice[core.layers[j]] = j
    loss = core.base
    for layer in range(choice.size):
        loss += core.losses[choice[layer]]
    if undecided:
        incumbent.values[2] = min(incumbent.values[2], loss)
    elif loss < incumbent.values[0]:
        take(incumbent, choice, loss)
