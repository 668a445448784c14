"""A NetworkSelection as the kernels take it, channels group after group."""

from collections.abc import Sequence

import numpy as np

from ccsolve.kernels.network_arrays import Network, Rows, Tables
from ccsolve.problems import NetworkSelection, WidthTable
from ccsolve.problems.network_form import SINGLE
from ccsolve.problems.network_relaxed import products_of

FORMED_LIMIT = 28_000
"""Channels up to which a factor is multiplied out: 3.1 GB in single precision."""


def network_of(problem: NetworkSelection) -> tuple[Network, np.ndarray]:
    """Give the program, and the channel (n,) that stands at each place of it.

    Q is laid out by rows: by groups where it is separable, O(Σ n_g²); whole where it
    couples them, O(n²), up to `FORMED_LIMIT` channels; beyond, the factor's columns
    stand beside the blocks.
    """
    order = np.concatenate(problem.members)
    sizes = np.array([len(own) for own in problem.members], dtype=np.int64)
    laid = _whole_rows if _is_formed(problem) else _block_rows
    base, linear = _straight(problem)
    fixed = np.full(problem.n, -1) if problem.fixed is None else problem.fixed
    net = Network(
        rows=Rows(*laid(problem, order, sizes), _points(problem, order)),
        own=problem.form.diagonal_of_Q()[order],
        q=problem.q[order],
        start=_starts(sizes),
        locked=fixed[order] >= 0,
        ladder=np.concatenate(problem.widths),
        ladder_start=_starts([len(own) for own in problem.widths]),
        base=base,
        linear=linear,
        square=products_of(problem),
        limit=_limits(problem),
        tables=_tables(problem),
        coupled=not problem.form.is_separable,
        tolerance=max(problem.resolution, 1e-300),
    )
    return net, order


def _is_formed(problem: NetworkSelection) -> bool:
    """Say whether Q joins groups and is small enough to be laid out whole."""
    if problem.form.is_separable:
        return False
    return problem.Q is not None or problem.n <= FORMED_LIMIT


_Laid = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Values, where each row begins, its first column, the one after its last."""


def _whole_rows(
    problem: NetworkSelection, order: np.ndarray, sizes: np.ndarray
) -> _Laid:
    n = problem.n
    Q = _formed(problem, order, sizes)
    low = np.zeros(n, dtype=np.int64)
    return Q.ravel(), n * np.arange(n), low, np.full(n, n, dtype=np.int64)


def _formed(
    problem: NetworkSelection, order: np.ndarray, sizes: np.ndarray
) -> np.ndarray:
    """Give Q in the kernels' order; only one matrix of its size is made.

    From `SINGLE` channels on a factor's in single precision: gains are right to 1e-7 of
    Q's entries; values are computed anew in double.
    """
    if problem.Q is not None:
        return problem.Q[np.ix_(order, order)]
    assert problem.factor is not None
    kind = np.float32 if problem.n >= SINGLE else np.float64
    factor = problem.factor[:, order].astype(kind)
    Q = factor.T @ factor
    for g, first in enumerate(_starts(sizes)[:-1]):
        own = slice(first, first + sizes[g])
        Q[own, own] += _beside_factor(problem, g)
    return Q


def _block_rows(
    problem: NetworkSelection, order: np.ndarray, sizes: np.ndarray
) -> _Laid:
    first, each = _starts(sizes), np.repeat(sizes, sizes)
    low = np.repeat(first[:-1], sizes)
    if problem.form.is_separable:
        blocks = [problem.form.block(g).ravel() for g in range(problem.count)]
    else:
        blocks = [_beside_factor(problem, g).ravel() for g in range(problem.count)]
    values = np.concatenate(blocks) if blocks else np.zeros(0)
    return values, _starts(each)[:-1], low, low + each


def _beside_factor(problem: NetworkSelection, g: int) -> np.ndarray:
    """Give the part of a block that is not the factor's."""
    own = problem.members[g]
    found = np.zeros((len(own), len(own)))
    if problem.blocks is not None:
        found += problem.blocks[g]
    if problem.diagonal is not None:
        found[np.diag_indices(len(own))] += problem.diagonal[own]
    return found


def _points(problem: NetworkSelection, order: np.ndarray) -> np.ndarray:
    beside = problem.factor is not None and not _is_formed(problem)
    if not beside or problem.form.is_separable:
        return np.zeros((problem.n, 0))
    assert problem.factor is not None
    return np.ascontiguousarray(problem.factor[:, order].T)


def _limits(problem: NetworkSelection) -> np.ndarray:
    """Give the budgets with half of their slack: kernels' sums are rounded, too."""
    asked = np.array([budget.limit for budget in problem.budgets])
    return 0.5 * (asked + problem.limits)


def _straight(problem: NetworkSelection) -> tuple[np.ndarray, np.ndarray]:
    """Give base (B,) and linear (B, G) of the budgets."""
    base = np.array([budget.fixed for budget in problem.budgets])
    linear = np.zeros((len(problem.budgets), problem.count))
    for own, budget in zip(linear, problem.budgets, strict=True):
        for g, each in budget.linear.items():
            own[g] += each
    return base, linear


def _tables(problem: NetworkSelection) -> Tables:
    listed = [
        (b, table)
        for b, budget in enumerate(problem.budgets)
        for table in budget.tables
    ]
    tables = [table for _, table in listed]
    sides = [side for table in tables for side in (table.inputs, table.outputs)]
    grids = [grid for table in tables for grid in (table.read, table.made)]
    speaking = _speaking(tables, problem.count)
    return Tables(
        budget=np.array([b for b, _ in listed], dtype=np.int64),
        values=_joined([table.values.ravel() for table in tables], np.float64),
        value_start=_starts([table.values.size for table in tables])[:-1],
        columns=np.array([table.values.shape[1] for table in tables], dtype=np.int64),
        grids=_joined(grids, np.int64),
        grid_start=_starts([len(grid) for grid in grids]),
        groups=_joined([list(side) for side in sides], np.int64),
        counts=_joined([list(side.values()) for side in sides], np.int64),
        side_start=_starts([len(side) for side in sides]),
        of_group=_joined(speaking, np.int64),
        group_start=_starts([len(own) for own in speaking]),
    )


def _speaking(tables: Sequence[WidthTable], groups: int) -> list[list[int]]:
    """Give for every group the tables that speak of it."""
    found: list[list[int]] = [[] for _ in range(groups)]
    for t, table in enumerate(tables):
        for g in table.groups:
            found[g].append(t)
    return found


def _joined(parts: Sequence[object], kind: type) -> np.ndarray:
    arrays = [np.asarray(part, dtype=kind) for part in parts]
    return np.concatenate(arrays) if arrays else np.zeros(0, dtype=kind)


def _starts(sizes: Sequence[int] | np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
