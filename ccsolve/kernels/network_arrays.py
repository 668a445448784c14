"""The arrays that searches over a whole network work on, in tuples for the kernels."""

from typing import NamedTuple

import numpy as np


class Tables(NamedTuple):
    """The T tables of all budgets, one after the other.

    Attributes
    ----------
    budget : (T,) whose it is.
    values, value_start, columns : entries row by row, where each begins, row length.
    grids, grid_start : (2T + 1,) starts: grid 2t is what table t reads, 2t + 1 makes.
    groups, counts, side_start : (2T + 1,) starts: the groups of each side of each.
    of_group, group_start : (G + 1,) starts: the tables that speak of each group.
    """

    budget: np.ndarray
    values: np.ndarray
    value_start: np.ndarray
    columns: np.ndarray
    grids: np.ndarray
    grid_start: np.ndarray
    groups: np.ndarray
    counts: np.ndarray
    side_start: np.ndarray
    of_group: np.ndarray
    group_start: np.ndarray


class Rows(NamedTuple):
    """The rows of Q: row i has its entries from column low[i] to high[i] - 1.

    They are values[row_start[i]] and on. ``points`` (n, m): products of its rows are
    added to Q; m = 0 for none. Apart from the rest, because each look into a large
    tuple counts references, which takes longer than the look.
    """

    values: np.ndarray
    row_start: np.ndarray
    low: np.ndarray
    high: np.ndarray
    points: np.ndarray


class Network(NamedTuple):
    """The program, its channels group after group.

    Attributes
    ----------
    rows : `Rows` of Q.
    own, q : (n,) diagonal of Q, linear term.
    start : (G + 1,) first channel of each group.
    locked : (n,) whether a channel is fixed.
    ladder, ladder_start : the widths of each group, rising.
    base, linear, square, limit : (B,), (B, G), (B, G, G), (B,); widths k cost base +
        linear·k + kᵀ square k + tables.
    tables : `Tables`.
    coupled : whether Q joins groups.
    tolerance : differences of the objective below it are rounding.
    """

    rows: Rows
    own: np.ndarray
    q: np.ndarray
    start: np.ndarray
    locked: np.ndarray
    ladder: np.ndarray
    ladder_start: np.ndarray
    base: np.ndarray
    linear: np.ndarray
    square: np.ndarray
    limit: np.ndarray
    tables: Tables
    coupled: bool
    tolerance: float


class Walk(NamedTuple):
    """The running state of one search; the kernels write into the arrays.

    Attributes
    ----------
    change, sign : (n,) see `network_state`.
    held : (n,) the move up to which a channel is tabu.
    width, place : (G,) widths, and where they stand on the ladders.
    met, spent, timed : (B, G) square·k, (B,) costs, (T,) of the tables.
    totals, clock : see the constants of `network_state`.
    best_sign : (n,) signs of the best point within the budgets.
    """

    change: np.ndarray
    sign: np.ndarray
    held: np.ndarray
    width: np.ndarray
    place: np.ndarray
    met: np.ndarray
    spent: np.ndarray
    timed: np.ndarray
    totals: np.ndarray
    clock: np.ndarray
    best_sign: np.ndarray
