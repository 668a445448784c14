"""A bound for pairs that close cycles: values shifted between layers and tables."""

from typing import NamedTuple

import numpy as np
from numba import njit

_MINIMA = {"nnan", "nsz"}


class Graph(NamedTuple):
    """Layers and the pairs that have a table.

    Attributes
    ----------
    offsets : (L + 1,) first option of each layer.
    edges : (E, 2) layers (a, b); the rows of a table are a's options.
    tables : (E + 1,) first entry of each table.
    inbox : (E, 2) where the shifts of each pair's two layers begin.
    """

    offsets: np.ndarray
    edges: np.ndarray
    tables: np.ndarray
    inbox: np.ndarray


@njit(cache=True)
def gathered(graph, values, shifts):
    """Give the options' values (N,) with all that was shifted to them."""
    own = values.copy()
    for e in range(graph.edges.shape[0]):
        for side in range(2):
            v = graph.edges[e, side]
            first, last = graph.offsets[v], graph.offsets[v + 1]
            at = graph.inbox[e, side]
            own[first:last] += shifts[at : at + last - first]
    return own


@njit(cache=True, fastmath=_MINIMA)
def _row_minima(table, rows, columns, out):
    """Give out_i = min_j table_ij - rows_i - columns_j."""
    for i in range(out.shape[0]):
        best = table[i, 0] - columns[0]
        for j in range(1, columns.shape[0]):
            left = table[i, j] - columns[j]
            best = left if left < best else best
        out[i] = best - rows[i]


@njit(cache=True, fastmath=_MINIMA)
def _column_minima(table, rows, columns, out):
    """Give out_j = min_i table_ij - rows_i - columns_j."""
    for j in range(out.shape[0]):
        out[j] = table[0, j] - rows[0]
    for i in range(1, rows.shape[0]):
        row = rows[i]
        for j in range(out.shape[0]):
            left = table[i, j] - row
            out[j] = left if left < out[j] else out[j]
    for j in range(out.shape[0]):
        out[j] -= columns[j]


@njit(cache=True)
def _shake(table, rows, columns, own, other, forward):
    """Share what one pair and its layers count; the bound does not fall.

    rows, columns : the shifts; own, other : the values, shifts within.
    """
    # The pair takes all from both layers,
    rows -= own
    columns -= other
    # gives half of its row minima to one, what is then left to the other,
    out, back = np.empty(rows.shape[0]), np.empty(columns.shape[0])
    if forward:
        _row_minima(table, rows, columns, out)
        rows += 0.5 * out
        _column_minima(table, rows, columns, back)
        columns += back
        own[:] = 0.5 * out
        other[:] = back
        _row_minima(table, rows, columns, out)
        rows += out
        own += out
    else:
        _column_minima(table, rows, columns, back)
        columns += 0.5 * back
        _row_minima(table, rows, columns, out)
        rows += out
        other[:] = 0.5 * back
        own[:] = out
        # and the remainder to the first again, so that its least entries are 0.
        _column_minima(table, rows, columns, back)
        columns += back
        other += back


@njit(cache=True)
def share(graph, values, entries, shifts, passes):
    """Raise the bound by ``passes`` over all pairs and back; ``shifts`` change.

    values (N,), entries (P,): what options and pairs count. Handshakes as in MPLP++
    (Tourani, Shekhovtsov, Rother and Savchynskyy, ECCV 2018): block-coordinate ascent
    on the dual of the pairwise linear relaxation. O(P) a pass.
    """
    own = gathered(graph, values, shifts)
    pairs = graph.edges.shape[0]
    for turn in range(2 * passes):
        forward = turn % 2 == 0
        for step in range(pairs):
            e = step if forward else pairs - 1 - step
            a, b = graph.edges[e]
            one = own[graph.offsets[a] : graph.offsets[a + 1]]
            two = own[graph.offsets[b] : graph.offsets[b + 1]]
            first, second = graph.inbox[e]
            flat = entries[graph.tables[e] : graph.tables[e + 1]]
            _shake(
                flat.reshape((one.shape[0], two.shape[0])),
                shifts[first : first + one.shape[0]],
                shifts[second : second + two.shape[0]],
                one,
                two,
                forward,
            )


@njit(cache=True)
def relaxed(graph, values, entries, shifts, best, above):
    """Give the bound and the sum of all largest shifts; O(N + P).

    The bound is the sum of the layers' and the pairs' least entries. Written are the
    best option of each layer (L,), and how far above the bound all points with an
    option are at least, by what its own layer and pairs count (N,).
    """
    own = gathered(graph, values, shifts)
    bound, moved = 0.0, 0.0
    for v in range(best.shape[0]):
        part = own[graph.offsets[v] : graph.offsets[v + 1]]
        best[v] = np.argmin(part)
        bound += part[best[v]]
        above[graph.offsets[v] : graph.offsets[v + 1]] = part - part[best[v]]
    for e in range(graph.edges.shape[0]):
        a, b = graph.edges[e]
        one = above[graph.offsets[a] : graph.offsets[a + 1]]
        two = above[graph.offsets[b] : graph.offsets[b + 1]]
        first, second = graph.inbox[e]
        rows = shifts[first : first + one.shape[0]]
        columns = shifts[second : second + two.shape[0]]
        flat = entries[graph.tables[e] : graph.tables[e + 1]]
        table = flat.reshape((one.shape[0], two.shape[0]))
        out, back = np.empty(one.shape[0]), np.empty(two.shape[0])
        _row_minima(table, rows, columns, out)
        _column_minima(table, rows, columns, back)
        least = out.min()
        bound += least
        one += out - least
        two += back - least
        moved += np.abs(rows).max() + np.abs(columns).max()
    return bound, moved
