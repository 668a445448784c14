"""What the searches over a whole network work on: flips, widths, what these cost.

Channels stand group after group. Kept throughout: ``change`` (n,), what flipping a
channel alone adds to zᵀQz + qᵀz; ``sign`` (n,), -1 for a kept channel and +1 for a
removed one; the widths, and what they cost.
"""

from numba import njit

VALUE, BEST = 0, 1
"""Entries of ``totals`` (2,): zᵀQz + qᵀz now, and the best within the budgets."""

MOVES, IMPROVED, WIDENED = 0, 1, 2
"""Entries of ``clock`` (3,): moves, the last that improved the best, width changes."""

REFRESH = 64
"""Width changes after which costs are computed afresh."""


@njit(cache=True, forceinline=True)
def entry(rows, i, j):
    """Give Q_ij; O(m) for the part of it that is a product of points."""
    values, row_start, low, high, points = rows
    found = 0.0
    if low[i] <= j < high[i]:
        found = values[row_start[i] + j - low[i]]
    for p in range(points.shape[1]):
        found += points[i, p] * points[j, p]
    return found


@njit(cache=True)
def follow(values, row_start, low, high, points, change, sign, k):
    """Have every change follow the flip of a channel: the arrays of `Rows` one by one.

    Gives what the flip adds.
    """
    own, twice = change[k], 2.0 * sign[k]
    at = row_start[k] - low[k]
    for j in range(low[k], high[k]):
        change[j] += twice * sign[j] * values[at + j]
    for j in range(sign.shape[0] if points.shape[1] else 0):
        product = 0.0
        for p in range(points.shape[1]):
            product += points[k, p] * points[j, p]
        change[j] += twice * sign[j] * product
    change[k] = -own
    sign[k] = -sign[k]
    return own


@njit(cache=True)
def flip(net, walk, k):
    """Flip a channel: every change follows, its own turns round. O(n), O(nm)."""
    values, row_start, low, high, points = net.rows
    walk.totals[VALUE] += follow(
        values, row_start, low, high, points, walk.change, walk.sign, k
    )


@njit(cache=True)
def begin(net, walk):
    """Fill widths and costs for the point that ``sign`` gives; O(n + B·G²)."""
    walk.held[:] = 0
    walk.clock[:] = 0
    for g in range(walk.width.shape[0]):
        kept = 0
        for i in range(net.start[g], net.start[g + 1]):
            kept += walk.sign[i] < 0
        walk.width[g] = kept
        walk.place[g] = _place(net, g, kept)
    refresh_costs(net, walk)


@njit(cache=True)
def _place(net, g, width):
    """Give the place of the widest width of a group that is not above ``width``."""
    first, last = net.ladder_start[g], net.ladder_start[g + 1]
    place = 0
    while first + place + 1 < last and net.ladder[first + place + 1] <= width:
        place += 1
    return place


@njit(cache=True)
def refresh_costs(net, walk):
    """Compute all that widths cost afresh; O(B·G²)."""
    budgets, groups = net.linear.shape
    for t in range(walk.timed.shape[0]):
        walk.timed[t] = table_cost(net, walk, t)
    for b in range(budgets):
        total = net.base[b]
        for g in range(groups):
            product = 0.0
            for h in range(groups):
                product += net.square[b, g, h] * walk.width[h]
            walk.met[b, g] = product
            total += walk.width[g] * (net.linear[b, g] + product)
        walk.spent[b] = total
    for t in range(walk.timed.shape[0]):
        walk.spent[net.tables.budget[t]] += walk.timed[t]


@njit(cache=True)
def table_cost(net, walk, t):
    """Give what a table costs at the widths."""
    tables = net.tables
    row = _grid_place(tables, walk.width, 2 * t)
    column = _grid_place(tables, walk.width, 2 * t + 1)
    return tables.values[tables.value_start[t] + row * tables.columns[t] + column]


@njit(cache=True)
def _grid_place(tables, width, side):
    amount = 0
    for e in range(tables.side_start[side], tables.side_start[side + 1]):
        amount += tables.counts[e] * width[tables.groups[e]]
    low, high = tables.grid_start[side], tables.grid_start[side + 1] - 1
    first = low
    while low < high:
        middle = (low + high) // 2
        if tables.grids[middle] >= amount:
            high = middle
        else:
            low = middle + 1
    return low - first


@njit(cache=True)
def price_change(net, walk, g, by, h, with_h, out):
    """Write what budgets rise by if widths g and h change, h = -1 for none. (B,)."""
    for b in range(out.shape[0]):
        rise = by * (net.linear[b, g] + 2.0 * walk.met[b, g] + net.square[b, g, g] * by)
        if h >= 0:
            own = net.linear[b, h] + 2.0 * walk.met[b, h]
            rise += with_h * (own + net.square[b, h, h] * with_h)
            rise += 2.0 * by * with_h * net.square[b, g, h]
        out[b] = rise
    if not walk.timed.shape[0]:
        return
    walk.width[g] += by
    if h >= 0:
        walk.width[h] += with_h
    _add_tables(net, walk, g, -1, out)
    if h >= 0:
        _add_tables(net, walk, h, g, out)
        walk.width[h] -= with_h
    walk.width[g] -= by


@njit(cache=True)
def _add_tables(net, walk, g, but, out):
    """Add the rise of the tables that speak of g and not of ``but``."""
    tables = net.tables
    for e in range(tables.group_start[g], tables.group_start[g + 1]):
        t = tables.of_group[e]
        if but >= 0 and _speaks_of(tables, t, but):
            continue
        out[tables.budget[t]] += table_cost(net, walk, t) - walk.timed[t]


@njit(cache=True)
def _speaks_of(tables, t, g):
    for e in range(tables.side_start[2 * t], tables.side_start[2 * t + 2]):
        if tables.groups[e] == g:
            return True
    return False


@njit(cache=True)
def spend(linear, square, met, spent, g, by):
    """Have the products follow a change of a width; O(B·G)."""
    for b in range(spent.shape[0]):
        rise = linear[b, g] + 2.0 * met[b, g] + square[b, g, g] * by
        spent[b] += by * rise
        for h in range(met.shape[1]):
            met[b, h] += square[b, h, g] * by


@njit(cache=True)
def change_width(net, walk, g, to_place):
    """Move a group to another width of its ladder; costs follow. O(B·G)."""
    to = net.ladder[net.ladder_start[g] + to_place]
    by = to - walk.width[g]
    walk.place[g] = to_place
    walk.clock[WIDENED] += 1
    if walk.clock[WIDENED] % REFRESH == 0:
        walk.width[g] = to
        refresh_costs(net, walk)
        return
    spend(net.linear, net.square, walk.met, walk.spent, g, by)
    walk.width[g] = to
    tables = net.tables
    for e in range(tables.group_start[g], tables.group_start[g + 1]):
        t = tables.of_group[e]
        now = table_cost(net, walk, t)
        walk.spent[tables.budget[t]] += now - walk.timed[t]
        walk.timed[t] = now


@njit(cache=True)
def go_back(net, walk, sign, place):
    """Go back to a point near by; O(n) for each channel that differs."""
    for i in range(sign.shape[0]):
        if walk.sign[i] != sign[i]:
            flip(net, walk, i)
    for g in range(place.shape[0]):
        walk.place[g] = place[g]
        walk.width[g] = net.ladder[net.ladder_start[g] + place[g]]
    refresh_costs(net, walk)


@njit(cache=True)
def fits(net, walk):
    """Say whether the widths are within every budget."""
    for b in range(walk.spent.shape[0]):
        if walk.spent[b] > net.limit[b]:
            return False
    return True


@njit(cache=True)
def note_best(net, walk):
    """Keep the point where it is the best within the budgets; say whether it is."""
    if walk.totals[VALUE] >= walk.totals[BEST] - net.tolerance or not fits(net, walk):
        return False
    walk.totals[BEST] = walk.totals[VALUE]
    walk.best_sign[:] = walk.sign
    walk.clock[IMPROVED] = walk.clock[MOVES]
    return True
