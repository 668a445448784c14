"""The core of an allocation: the options near the dual optimum, in whole units.

An option's cost and loss are its differences to the layer's base option; all are whole
numbers in float64, so that sums of them are exact. A core holds its layers in the order
in which a search takes them.
"""

from typing import NamedTuple

import numpy as np
from numba import njit


class Core(NamedTuple):
    """Layers with a choice left, n of them, and S options.

    Attributes
    ----------
    start : (n + 1,) first option of each layer; sorted by cost within it.
    cost, loss : (S,) differences to the base option, whole.
    place : (S,) the options' places in the arrays the core was built from.
    up_layer, up_cost, up_saving : hull edges that spend more, the best price first.
    down_layer, down_cost, down_loss : those that spend less, the cheapest first.
    """

    start: np.ndarray
    cost: np.ndarray
    loss: np.ndarray
    place: np.ndarray
    up_layer: np.ndarray
    up_cost: np.ndarray
    up_saving: np.ndarray
    down_layer: np.ndarray
    down_cost: np.ndarray
    down_loss: np.ndarray


@njit(cache=True)
def common_divisor(values):
    """Give the greatest common divisor of whole numbers, at least 1; O(S)."""
    divisor = 0.0
    for value in values:
        a, b = abs(value), divisor
        while b > 0.0:
            a, b = b, a % b
        divisor = a
        if divisor == 1.0:
            break
    return max(divisor, 1.0)


@njit(cache=True)
def lattice(core):
    """Give (tilt, step): loss + tilt·cost of every option is a multiple of step.

    The tilt is whole and no edge saves less per unit of cost; O(S), but where nothing
    is in common it ends after a few options.
    """
    tilt = np.inf
    for i in range(core.up_cost.shape[0]):
        tilt = min(tilt, np.floor(core.up_saving[i] / core.up_cost[i]))
    if tilt < 2.0**20 and tilt * np.abs(core.cost).sum() < 2.0**51:
        step = common_divisor(core.loss + tilt * core.cost)
        if step > 1.0:
            return tilt, step
    return 0.0, common_divisor(core.loss)


def core_of(
    layer_of: np.ndarray, cost: np.ndarray, loss: np.ndarray, above: np.ndarray
) -> tuple[Core, float]:
    """Give the core of options (S,) with reduced costs ``above``, and its error.

    Options come layer by layer, sorted by cost and then loss within each; those that
    another one dominates are left out, except a base option. Layers with one option
    left are. The error bounds by how much an edge list can promise too little, apart
    from rounding: 0 unless rounding left a base option above the hull. O(S log S).
    """
    size = len(cost)
    whole = [np.empty(size + 1, dtype=np.int64) for _ in range(4)]
    real = [np.empty(size) for _ in range(6)]
    room = Core(
        whole[0],
        real[0],
        real[1],
        whole[1],
        whole[2],
        real[2],
        real[3],
        whole[3],
        real[4],
        real[5],
    )
    sizes = np.empty(4, dtype=np.int64)
    error = build(layer_of, cost, loss, above, room, sizes)
    n, count, ups, downs = sizes.tolist()
    ends = (n + 1, count, count, count, ups, ups, ups, downs, downs, downs)
    return Core(*(part[:end] for part, end in zip(room, ends, strict=True))), error


@njit(cache=True)
def build(layer_of, cost, loss, above, room, sizes):
    """Write the core of `core_of` into ``room``; give its error.

    ``sizes`` (4,) receives how many layers, options and edges of both kinds it has.
    """
    core, error = _built(layer_of, cost, loss, above)
    sizes[0], sizes[1] = core.start.shape[0] - 1, core.cost.shape[0]
    sizes[2], sizes[3] = core.up_cost.shape[0], core.down_cost.shape[0]
    room.start[: sizes[0] + 1] = core.start
    room.cost[: sizes[1]], room.loss[: sizes[1]] = core.cost, core.loss
    room.place[: sizes[1]] = core.place
    room.up_layer[: sizes[2]] = core.up_layer
    room.up_cost[: sizes[2]], room.up_saving[: sizes[2]] = core.up_cost, core.up_saving
    room.down_layer[: sizes[3]] = core.down_layer
    room.down_cost[: sizes[3]] = core.down_cost
    room.down_loss[: sizes[3]] = core.down_loss
    return error


@njit(cache=True)
def _built(layer_of, cost, loss, above):
    """Find the options and layers that stay, and the order of the layers."""
    size = cost.shape[0]
    kept = np.empty(size, np.int64)
    first = np.empty(size + 1, np.int64)
    key = np.empty(size)
    layers, count, at = 0, 0, 0
    while at < size:
        stop = at
        while stop < size and layer_of[stop] == layer_of[at]:
            stop += 1
        end = _undominated(cost, loss, at, stop, kept, count)
        if end - count > 1:
            first[layers] = count
            key[layers] = _nearest(cost, above, kept, count, end)
            layers += 1
            count = end
        at = stop
    first[layers] = count
    order = np.argsort(key[:layers], kind="mergesort")
    return _arranged(cost, loss, kept, first, order, count)


@njit(cache=True)
def _undominated(cost, loss, at, stop, kept, count):
    """Append the options of a layer that stay to ``kept``; give the new count."""
    best = np.inf
    for j in range(at, stop):
        is_base = cost[j] == 0.0 and loss[j] == 0.0
        if loss[j] < best:
            kept[count] = j
            count += 1
            best = loss[j]
        elif is_base:
            kept[count] = j
            count += 1
            best = min(best, 0.0)
    return count


@njit(cache=True)
def _nearest(cost, above, kept, begin, end):
    """Give how near a layer is to moving, over its options other than its base.

    The reduced cost per unit of cost is how far its price is from λ: Pisinger's order.
    Per unit of cost once more, so that of equals the large go first: small ones left
    for later make the linear relaxation of the rest tight.
    """
    nearest = np.inf
    for k in range(begin, end):
        change = cost[kept[k]]
        if change != 0.0:
            nearest = min(nearest, above[kept[k]] / (change * change))
    return nearest


@njit(cache=True)
def _arranged(cost, loss, kept, first, order, count):
    """Give the core with its layers in ``order``, and the error of its edges."""
    n = order.shape[0]
    start = np.zeros(n + 1, np.int64)
    place = np.empty(count, np.int64)
    at = 0
    for k in range(n):
        for i in range(first[order[k]], first[order[k] + 1]):
            place[at] = kept[i]
            at += 1
        start[k + 1] = at
    costs, losses = cost[place], loss[place]
    up = _Edges(np.empty(count, np.int64), np.empty(count), np.empty(count))
    down = _Edges(np.empty(count, np.int64), np.empty(count), np.empty(count))
    ups, downs, error = 0, 0, 0.0
    for k in range(n):
        ups, up_price, up_reach = _chain(
            costs, losses, start[k], start[k + 1], k, 1.0, up, ups
        )
        downs, down_price, down_reach = _chain(
            costs, losses, start[k], start[k + 1], k, -1.0, down, downs
        )
        error += max(0.0, up_price - down_price) * min(up_reach, down_reach)
        error += _above_base(costs, losses, start[k], start[k + 1])
    u = np.argsort(-up.change[:ups] / up.cost[:ups], kind="mergesort")
    d = np.argsort(down.change[:downs] / down.cost[:downs], kind="mergesort")
    core = Core(
        start,
        costs,
        losses,
        place,
        up.layer[u],
        up.cost[u],
        up.change[u],
        down.layer[d],
        down.cost[d],
        down.change[d],
    )
    return core, error


class _Edges(NamedTuple):
    layer: np.ndarray
    cost: np.ndarray
    change: np.ndarray


@njit(cache=True)
def _above_base(cost, loss, begin, end):
    """Give by how much an option that costs no more beats the base: rounding."""
    most = 0.0
    for j in range(begin, end):
        if cost[j] <= 0.0:
            most = max(most, -loss[j])
    return most


@njit(cache=True)
def _chain(cost, loss, begin, end, layer, way, edges, at):
    """Append the hull from the base outwards, to larger costs (way 1) or smaller (-1).

    Gives the new count, the price of the first edge (0 or inf without one) and the
    reach in cost. An edge's change is what it saves (way 1) or loses (way -1), ≥ 0.
    """
    opened, reach = at, 0.0
    x, y = 0.0, 0.0
    for step in range(end - begin):
        j = begin + step if way > 0.0 else end - 1 - step
        if way * cost[j] <= 0.0:
            continue
        far, change = way * cost[j], max(0.0, -way * loss[j])
        reach = far
        # Edges before it that it outbids are no longer on the hull.
        while at > opened:
            width, rise = edges.cost[at - 1], edges.change[at - 1]
            on_hull = rise / width * (far - x) - (change - y)
            if on_hull * way > 0.0:
                break
            x -= width
            y -= rise
            at -= 1
        edges.layer[at] = layer
        edges.cost[at] = far - x
        edges.change[at] = max(0.0, change - y)
        x, y = far, max(change, y)
        at += 1
    if at == opened:
        return at, 0.0 if way > 0.0 else np.inf, 0.0
    return at, edges.change[opened] / edges.cost[opened], reach
