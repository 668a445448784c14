"""Min-sum sweeps over a forest of layers with a table of values on each edge."""

from typing import NamedTuple

import numpy as np
from numba import njit

# Values are never NaN, and the sign of a zero does not matter: with these two promises
# minima become vector instructions. Sums are not reordered.
_MINIMA = {"nnan", "nsz"}


class Tree(NamedTuple):
    """A forest over L layers; every layer but the roots has a table with its parent.

    Attributes
    ----------
    order : (L,) layers, parents before children.
    parent : (L,) layer, -1 at a root.
    table : (L,) first entry of the table with the parent.
    child_first : (L,) whether that table's rows are the child's options.
    offsets : (L + 1,) first option of each layer.
    inbox : (L,) where the message to the parent begins, a value per parent's option.
    inbox_size : sum of the messages' lengths.
    """

    order: np.ndarray
    parent: np.ndarray
    table: np.ndarray
    child_first: np.ndarray
    offsets: np.ndarray
    inbox: np.ndarray
    inbox_size: int


@njit(cache=True)
def price(weight, losses, prices, costs, out):
    """Write weight·loss + pricesᵀcost of each entry, (N,) from (N,) and (N, B)."""
    if prices.shape[0] == 1:
        for k in range(out.shape[0]):
            out[k] = weight * losses[k] + prices[0] * costs[k, 0]
        return
    for k in range(out.shape[0]):
        total = weight * losses[k]
        for m in range(prices.shape[0]):
            total += prices[m] * costs[k, m]
        out[k] = total


@njit(cache=True, fastmath=_MINIMA)
def over_rows(values, table, out):
    """Give out_j = min_i values_i + table_ij; O(rows·columns)."""
    for j in range(out.shape[0]):
        out[j] = values[0] + table[0, j]
    for i in range(1, values.shape[0]):
        own = values[i]
        for j in range(out.shape[0]):
            sum_ = own + table[i, j]
            out[j] = sum_ if sum_ < out[j] else out[j]


@njit(cache=True, fastmath=_MINIMA)
def over_columns(values, table, out):
    """Give out_i = min_j values_j + table_ij; O(rows·columns)."""
    for i in range(out.shape[0]):
        best = values[0] + table[i, 0]
        for j in range(1, values.shape[0]):
            sum_ = values[j] + table[i, j]
            best = sum_ if sum_ < best else best
        out[i] = best


@njit(cache=True)
def table_of(tree, c, tables):
    """Give the table of layer c with its parent, rows as stored."""
    p = tree.parent[c]
    own = tree.offsets[c + 1] - tree.offsets[c]
    other = tree.offsets[p + 1] - tree.offsets[p]
    flat = tables[tree.table[c] : tree.table[c] + own * other]
    if tree.child_first[c]:
        return flat.reshape((own, other))
    return flat.reshape((other, own))


@njit(cache=True)
def upward(tree, values, tables, least, inbox):
    """Write each option's least value over its subtree (N,), and the messages.

    values (N,), tables (P,): what options and pairs count. The message of layer c holds
    for each option of its parent the least value of c's subtree and the table with it.
    O(N + P).
    """
    least[:] = values
    for k in range(tree.order.shape[0] - 1, -1, -1):
        c = tree.order[k]
        p = tree.parent[c]
        if p < 0:
            continue
        own = least[tree.offsets[c] : tree.offsets[c + 1]]
        other = least[tree.offsets[p] : tree.offsets[p + 1]]
        message = inbox[tree.inbox[c] : tree.inbox[c] + other.shape[0]]
        if tree.child_first[c]:
            over_rows(own, table_of(tree, c, tables), message)
        else:
            over_columns(own, table_of(tree, c, tables), message)
        other += message


@njit(cache=True)
def lowest_total(tree, least):
    """Give the least value of all layers together from an upward sweep; O(N)."""
    total = 0.0
    for v in range(tree.parent.shape[0]):
        if tree.parent[v] < 0:
            total += least[tree.offsets[v] : tree.offsets[v + 1]].min()
    return total


@njit(cache=True)
def lowest_point(tree, least, tables, x):
    """Write the point (L,) of least value from an upward sweep; O(N)."""
    for v in tree.order:
        own = least[tree.offsets[v] : tree.offsets[v + 1]]
        p = tree.parent[v]
        if p < 0:
            x[v] = np.argmin(own)
            continue
        table = table_of(tree, v, tables)
        met = table[:, x[p]] if tree.child_first[v] else table[x[p]]
        x[v] = np.argmin(own + met)


@njit(cache=True)
def min_marginals(tree, least, inbox, tables, through):
    """Write each option's least value over all points that take it, (N,); O(N + P).

    The downward sweep: a parent's min-marginal less what the child told it is the
    least value of everything outside the child's subtree.
    """
    total = lowest_total(tree, least)
    for v in tree.order:
        own = least[tree.offsets[v] : tree.offsets[v + 1]]
        out = through[tree.offsets[v] : tree.offsets[v + 1]]
        p = tree.parent[v]
        if p < 0:
            out[:] = own + (total - own.min())
            continue
        above = through[tree.offsets[p] : tree.offsets[p + 1]]
        message = inbox[tree.inbox[v] : tree.inbox[v] + above.shape[0]]
        outside = above - message
        if tree.child_first[v]:
            over_columns(outside, table_of(tree, v, tables), out)
        else:
            over_rows(outside, table_of(tree, v, tables), out)
        out += own
