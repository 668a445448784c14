"""Seeded families of network selections, for tests, documentation and benchmarks."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ccsolve.problems.network import NetworkSelection
from ccsolve.problems.width_costs import WidthBudget, WidthTable

COUPLING = 0.3
"""Share of the coupled form that joins channels of different groups."""


def chain(
    sizes: list[int],
    seed: int = 0,
    *,
    share: float = 0.5,
    coupled: bool = False,
    tables: bool = False,
    **options: Any,
) -> NetworkSelection:
    """Give a chain of layers, each of which reads the group that the one before writes.

    MACs are a product of neighbouring widths on maps that shrink, parameters the same
    on single positions; both may take ``share`` of the whole. The loss is the second
    order model of a removal with a common mode, as gate gradients have: rows are the
    sum of a group's own and, where ``coupled``, of the network's.

    Parameters
    ----------
    tables : whether a latency that jumps every three channels has a budget, too.
    options : of `NetworkSelection`: multiple_of, min_keep, fixed.
    """
    rng = np.random.default_rng(seed)
    n, labels = sum(sizes), np.repeat(np.arange(len(sizes)), sizes)
    rows = rng.standard_normal((2 * n, n)) * rng.lognormal(0.0, 0.5, n) / np.sqrt(2 * n)
    joint = rows + rng.standard_normal((2 * n, 1)) / np.sqrt(2 * n)
    H = joint.T @ joint
    same = labels[:, None] == labels[None, :]
    H = np.where(same, H, COUPLING * H if coupled else 0.0)
    q = 0.05 * rng.standard_normal(n) - H.sum(axis=1)
    budgets = _budgets(sizes, share)
    if tables:
        budgets.append(_latency(sizes, share))
    members = [np.flatnonzero(labels == g) for g in range(len(sizes))]
    parts: dict[str, Any] = (
        {"Q": 0.5 * H}
        if coupled
        else {"blocks": [0.5 * H[np.ix_(own, own)] for own in members]}
    )
    return NetworkSelection(
        q=q,
        groups=labels,
        budgets=budgets,
        constant=-float(0.5 * H.sum() + q.sum()),
        **parts,
        **options,
    )


def _budgets(sizes: list[int], share: float) -> list[WidthBudget]:
    last = len(sizes) - 1
    found = []
    for name, maps in (("macs", True), ("params", False)):
        area = [4.0 ** (last - g) if maps else 1.0 for g in range(len(sizes))]
        products = {(g, g + 1): 9.0 * area[g + 1] for g in range(last)}
        ends = {0: 27.0 * area[0]}
        ends[last] = ends.get(last, 0.0) + 10.0
        whole = WidthBudget(0.0, ends, products, fixed=10.0)
        limit = share * whole.at(sizes)
        found.append(WidthBudget(limit, ends, products, fixed=10.0, name=name))
    return found


def _latency(sizes: list[int], share: float) -> WidthBudget:
    tables = []
    for g in range(len(sizes) - 1):
        read = np.arange(0, sizes[g] + 3, 3)
        made = np.arange(0, sizes[g + 1] + 3, 3)
        times = 1.0 + np.add.outer(read, 2.0 * made) + np.outer(read, made)
        tables.append(WidthTable(times, {g: 1}, {g + 1: 1}, read, made))
    whole = WidthBudget(0.0, tables=tuple(tables)).at(sizes)
    narrow = WidthBudget(0.0, tables=tuple(tables)).at([0] * len(sizes))
    limit = narrow + share * (whole - narrow)
    return WidthBudget(limit, tables=tuple(tables), name="latency")


FAMILIES: dict[str, Callable[[int], NetworkSelection]] = {
    "chain": lambda seed: chain([4, 5, 4], seed),
    "coupled": lambda seed: chain([4, 4, 4], seed, coupled=True),
    "latency": lambda seed: chain([4, 5, 4], seed, tables=True, share=0.6),
    "twos": lambda seed: chain(
        [4, 5, 4], seed, multiple_of=2, min_keep=1, share=0.6, coupled=True
    ),
    "fixings": lambda seed: chain(
        [4, 4, 5], seed, fixed=[1, 0] + [-1] * 10 + [1], share=0.6
    ),
}
"""By name: a function of the seed; programs small enough to enumerate."""
