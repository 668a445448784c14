"""The referee: value and feasibility of a point from the raw arrays, nothing else."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np


def value(parts: Mapping[str, Any], z: np.ndarray) -> float:
    """Give zᵀQz + qᵀz + constant by exact sums over the kept channels."""
    kept = np.flatnonzero(z)
    terms = [float(parts["constant"]), float(np.sum(parts["q"][kept]))]
    if parts["Q"] is not None:
        terms.append(float(parts["Q"][np.ix_(kept, kept)].sum()))
    for g, block in enumerate(parts["blocks"] or ()):
        own = z[parts["groups"] == g]
        terms.append(float(block[np.ix_(own, own)].sum()))
    if parts["factor"] is not None:
        terms.append(float(np.square(parts["factor"][:, kept].sum(axis=1)).sum()))
    if parts["diagonal"] is not None:
        terms.append(float(parts["diagonal"][kept].sum()))
    return math.fsum(terms)


def faults(parts: Mapping[str, Any], z: np.ndarray) -> list[str]:
    """Name what a point breaks: budgets, widths, fixings."""
    k = np.array([int(z[parts["groups"] == g].sum()) for g in _groups(parts)])
    found = [
        f"budget {budget.name or t}"
        for t, budget in enumerate(parts["budgets"])
        if cost(budget, k) > budget.limit * (1.0 + 1e-12)
    ]
    sizes = [int((parts["groups"] == g).sum()) for g in _groups(parts)]
    for g, (width, size) in enumerate(zip(k, sizes, strict=True)):
        odd = width != size and width % int(parts["multiple_of"][g])
        if odd or width < min(int(parts["min_keep"][g]), size):
            found.append(f"width of group {g}")
    fixed = parts["fixed"]
    if fixed is not None and (z[fixed >= 0] != (fixed[fixed >= 0] == 1)).any():
        found.append("fixings")
    return found


def cost(budget: Any, k: np.ndarray) -> float:
    """Give what widths cost of a budget."""
    terms = [float(budget.fixed)]
    terms += [each * float(k[g]) for g, each in budget.linear.items()]
    terms += [each * float(k[g] * k[h]) for (g, h), each in budget.products.items()]
    for table in budget.tables:
        read = sum(each * int(k[g]) for g, each in table.inputs.items())
        made = sum(each * int(k[g]) for g, each in table.outputs.items())
        row = int(np.searchsorted(table.read, read))
        column = int(np.searchsorted(table.made, made))
        terms.append(float(table.values[row, column]))
    return math.fsum(terms)


def _groups(parts: Mapping[str, Any]) -> range:
    return range(int(parts["groups"].max()) + 1)
