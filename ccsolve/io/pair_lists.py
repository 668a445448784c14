"""Biq Mac sparse matrices and MDPLIB distances: a header, then ``i j value`` lines.

The two look alike and mean different things, so their suffixes keep them apart.
"""

from pathlib import Path

import numpy as np

from ccsolve.errors import InvalidFile
from ccsolve.io.text import (
    VARIABLE_LIMIT,
    lines_of,
    refuse_repeats,
    take_line,
    triples,
)
from ccsolve.problems.selection import ChannelSelection


def read_biqmac(path: Path) -> ChannelSelection:
    """Read an unconstrained binary program: minimise x^T Q x.

    ``n m``, then m lines ``i j q_ij`` with indices from 1; ``#`` begins a comment. Q
    is symmetric and one line gives both halves: an off-diagonal line adds
    2 q_ij x_i x_j to the objective, a diagonal line q_ii x_i. (Files of the library
    that are meant to be maximised must be negated by the user: nothing in the file
    says so.)
    """
    lines = lines_of(path, "#")
    head = take_line(lines, path, "the header n m")
    n = head.whole(0, "n, the number of variables", 1, VARIABLE_LIMIT)
    count = head.whole(1, "m, the number of lines", 0, n * (n + 1) // 2)
    table = triples(lines, 1, n)
    if len(table) != count:
        raise InvalidFile(
            f"{path}: {len(table)} lines after the header; expected m = {count} "
            "(truncated?)"
        )
    refuse_repeats(path, table, n)
    return ChannelSelection(_symmetric(table, n))


def read_mdplib(path: Path) -> ChannelSelection:
    """Read a maximum-diversity problem: choose m of n, maximise the sum of distances.

    ``n m``, then one line ``i j d_ij`` for every pair, indices from 0. Ours is the
    negative: Q = -D/2 with keep = m, so that z^T Q z = -(sum of d_ij over chosen
    pairs i < j).
    """
    lines = lines_of(path, "#")
    head = take_line(lines, path, "the header n m")
    n = head.whole(0, "n, the number of elements", 1, VARIABLE_LIMIT)
    keep = head.whole(1, "m, how many to choose", 0, n)
    table = triples(lines, 0, n)
    if len(table) != n * (n - 1) // 2 or (table[:, 0] == table[:, 1]).any():
        raise InvalidFile(
            f"{path}: {len(table)} lines after the header; expected one for each of "
            f"the {n * (n - 1) // 2} pairs i < j (truncated?)"
        )
    refuse_repeats(path, table, n)
    return ChannelSelection(-0.5 * _symmetric(table, n), keep=keep)


def _symmetric(table: np.ndarray, n: int) -> np.ndarray:
    matrix = np.zeros((n, n))
    i, j = table[:, 0].astype(np.int64), table[:, 1].astype(np.int64)
    matrix[i, j] = table[:, 2]
    matrix[j, i] = table[:, 2]
    return matrix
