"""How the front door treats a NetworkSelection."""

from typing import Any

import numpy as np

from ccsolve.handling.record import Handling, undecided, whole
from ccsolve.problems import NetworkSelection, WidthBudget, WidthTable
from ccsolve.problems.network_form import SINGLE
from ccsolve.problems.network_points import feasible_point, natural_scale

ENUMERABLE = 18
"""Channels up to which ``auto`` looks at every point: under a second."""


def pick(problem: NetworkSelection) -> str:
    """Give the name of the method that ``auto`` uses."""
    return "enumerate_all" if problem.n <= ENUMERABLE else "search_and_bound"


def kernels(problem: NetworkSelection) -> tuple[bool, bool, bool]:
    """Say what decides which methods are called, and on which types.

    Whether Q joins no groups, widths are multiplied, and a factor is single precision.
    """
    pairs = any(g != h for budget in problem.budgets for g, h in _joined(budget))
    separable = problem.form.is_separable
    single = not separable and problem.factor is not None and problem.n >= SINGLE
    return separable, pairs, single


def _joined(budget: WidthBudget) -> list[tuple[int, int]]:
    found = list(budget.products)
    return found + [
        (table.groups[0], table.groups[-1]) for table in budget.tables if table.groups
    ]


def tiny(kind: tuple[bool, bool, bool]) -> NetworkSelection:
    """Give a program of three groups of that kind, as small as that may be."""
    separable, pairs, single = kind
    if single:
        return _single(pairs)
    n, labels = 9, np.repeat(np.arange(3), 3)
    H = 1.0 + np.diag(np.arange(1.0, n + 1.0))
    H = np.where(labels[:, None] == labels[None, :], H, 0.0 if separable else 0.2)
    blocks = [H[labels == g][:, labels == g] for g in range(3)]
    products = {(0, 1): 1.0, (1, 2): 2.0} if pairs else {}
    tables = [WidthTable([[1.0, 2.0], [1.5, 4.0]], {0: 1}, {1: 1}, [1, 3], [2, 3])]
    budgets = [
        WidthBudget(14.0, {0: 1.0, 1: 2.0, 2: 1.0}, products),
        WidthBudget(9.0, {2: 2.0}, tables=tuple(tables if pairs else [])),
    ]
    form: dict[str, Any] = {"blocks": blocks} if separable else {"Q": H}
    return NetworkSelection(
        q=-2.0 * H.sum(axis=1), groups=labels, budgets=budgets, **form
    )


def _single(pairs: bool) -> NetworkSelection:
    """Give a factor form of just so many channels, nearly all of them fixed."""
    labels = np.append(np.arange(SINGLE - 1) % 3, 0)
    fixed = np.zeros(SINGLE, dtype=np.int64)
    fixed[:12] = -1
    products = {(0, 1): 1.0, (1, 2): 2.0} if pairs else {}
    return NetworkSelection(
        q=-np.ones(SINGLE),
        groups=labels,
        budgets=[WidthBudget(14.0, {0: 1.0, 1: 2.0, 2: 1.0}, products)],
        factor=np.full((1, SINGLE), 0.2),
        diagonal=np.zeros(SINGLE),
        fixed=fixed,
    )


def as_point(z: np.ndarray) -> np.ndarray:
    """Give a point as bool (n,)."""
    return np.asarray(z).astype(bool)


def shown(problem: NetworkSelection, z: np.ndarray) -> dict[str, np.ndarray]:
    """Give the widths of the groups and the channels kept."""
    return {"widths": problem.widths_of(z), "kept": np.flatnonzero(z)}


NETWORK = Handling(
    problem=NetworkSelection,
    pick=pick,
    reduced=whole,
    settled=undecided,
    feasible_point=feasible_point,
    natural_scale=natural_scale,
    kernels=kernels,
    tiny=tiny,
    as_point=as_point,
    shown=shown,
)
