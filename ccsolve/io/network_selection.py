"""NetworkSelection as named arrays: each part of its form, budgets term by term."""

from typing import Any

import numpy as np

from ccsolve.errors import InvalidFile
from ccsolve.io.fields import Arrays, refuse_rest, take_array, take_number
from ccsolve.problems.network import NetworkSelection
from ccsolve.problems.width_costs import WidthBudget, WidthTable

_FORM = ("Q", "factor", "diagonal", "fixed")
_LADDERS = ("multiple_of", "min_keep", "max_keep")
_SIDES = (("inputs", "read"), ("outputs", "made"))
_MOST_PARTS = 2**20


def network_arrays(problem: NetworkSelection) -> Arrays:
    """Give the arrays that hold the problem; parts that are None are left out."""
    arrays: Arrays = {
        name: np.asarray(getattr(problem, name))
        for name in ("q", "groups", "constant", *_LADDERS, *_FORM)
        if getattr(problem, name) is not None
    }
    arrays["names"] = np.array(problem.names, dtype=np.str_)
    arrays["budget_count"] = np.asarray(len(problem.budgets))
    for g, block in enumerate(problem.blocks or ()):
        arrays[f"blocks/{g}"] = block
    for t, budget in enumerate(problem.budgets):
        arrays |= _budget_arrays(f"budgets/{t}", budget)
    return arrays


def network_of(arrays: Arrays, where: str) -> NetworkSelection:
    """Give the problem that the arrays hold; the problem's own checks apply."""
    groups = _vector(arrays, "groups", where)
    given: dict[str, Any] = {
        **{name: take_array(arrays, name, where) for name in _FORM},
        "q": _required(arrays, "q", where, 1),
        "groups": groups,
        "constant": take_number(arrays, "constant", where, 0.0),
        "multiple_of": _vector(arrays, "multiple_of", where),
        "min_keep": _vector(arrays, "min_keep", where),
        # Files of before it was there lack it.
        "max_keep": take_array(arrays, "max_keep", where, 1),
        "names": _names(arrays, where),
        "blocks": _blocks(arrays, where),
    }
    count = _count(arrays, "budget_count", where)
    given["budgets"] = [_budget(arrays, f"budgets/{t}", where) for t in range(count)]
    refuse_rest(arrays, where)
    return NetworkSelection(**given)


def _budget_arrays(key: str, budget: WidthBudget) -> Arrays:
    arrays: Arrays = {
        f"{key}/limit": np.asarray(budget.limit),
        f"{key}/fixed": np.asarray(budget.fixed),
        f"{key}/name": np.array(budget.name, dtype=np.str_),
        f"{key}/linear": _rows([(g, c) for g, c in budget.linear.items()], 2),
        f"{key}/products": _rows([(*p, c) for p, c in budget.products.items()], 3),
        f"{key}/table_count": np.asarray(len(budget.tables)),
    }
    for place, table in enumerate(budget.tables):
        own = f"{key}/tables/{place}"
        arrays[f"{own}/values"] = table.values
        for counts, grid in _SIDES:
            pairs = list(getattr(table, counts).items())
            arrays[f"{own}/{counts}"] = np.array(pairs, np.int64).reshape(-1, 2)
            arrays[f"{own}/{grid}"] = getattr(table, grid)
    return arrays


def _rows(rows: list[tuple[float, ...]], width: int) -> np.ndarray:
    return np.array(rows, dtype=np.float64).reshape(-1, width)


def _budget(arrays: Arrays, key: str, where: str) -> WidthBudget:
    linear = _keyed(_required(arrays, f"{key}/linear", where, 2), 2, key, where)
    products = _keyed(_required(arrays, f"{key}/products", where, 2), 3, key, where)
    tables = [
        _table(arrays, f"{key}/tables/{place}", where)
        for place in range(_count(arrays, f"{key}/table_count", where))
    ]
    return WidthBudget(
        _number(arrays, f"{key}/limit", where),
        {ends[0]: cost for ends, cost in linear},
        dict(products),
        tuple(tables),
        _number(arrays, f"{key}/fixed", where),
        _text(arrays, f"{key}/name", where),
    )


def _table(arrays: Arrays, key: str, where: str) -> WidthTable:
    found: dict[str, Any] = {"values": _required(arrays, f"{key}/values", where, 2)}
    for counts, grid in _SIDES:
        pairs = _required(arrays, f"{key}/{counts}", where, 2)
        if pairs.dtype.kind not in "iu" or pairs.shape[1] != 2:
            raise InvalidFile(
                f"{where}: {key}/{counts} is {pairs.dtype} of shape {pairs.shape}; "
                "expected rows of a group number and a count"
            )
        found[counts] = {int(g): int(count) for g, count in pairs}
        found[grid] = _vector(arrays, f"{key}/{grid}", where)
    return WidthTable(**found)


def _keyed(
    rows: np.ndarray, width: int, key: str, where: str
) -> list[tuple[tuple[int, ...], float]]:
    """Give (group numbers, cost) of each row."""
    ends = rows[:, :-1] if rows.shape[1] == width else np.full((1, 1), -1)
    if (ends != np.rint(ends)).any() or ends.min(initial=0) < 0:
        raise InvalidFile(
            f"{where}: the terms of {key} have shape {rows.shape}; expected rows of "
            f"{width - 1} group numbers and a cost"
        )
    return [(tuple(map(int, row[:-1])), float(row[-1])) for row in rows]


def _blocks(arrays: Arrays, where: str) -> list[np.ndarray] | None:
    found: list[np.ndarray] = []
    while f"blocks/{len(found)}" in arrays:
        found.append(_required(arrays, f"blocks/{len(found)}", where, 2))
    return found or None


def _names(arrays: Arrays, where: str) -> list[str]:
    array = arrays.pop("names", np.zeros(0))
    if array.dtype.kind != "U" or array.ndim != 1:
        raise InvalidFile(
            f"{where}: names is {array.dtype} of shape {array.shape}; expected one "
            "text for each group"
        )
    return array.tolist()


def _text(arrays: Arrays, key: str, where: str) -> str:
    array = arrays.pop(key, np.zeros(0))
    if array.dtype.kind != "U" or array.size != 1:
        raise InvalidFile(f"{where}: {key} is {array.dtype}; expected one text")
    return str(array.reshape(())[()])


def _number(arrays: Arrays, key: str, where: str) -> float:
    found = take_number(arrays, key, where)
    if found is None:
        raise InvalidFile(f"{where}: no number {key!r}; every such budget has one")
    return found


def _count(arrays: Arrays, key: str, where: str) -> int:
    found = _number(arrays, key, where)
    if found != int(found) or not 0 <= found <= _MOST_PARTS:
        raise InvalidFile(f"{where}: {key} is {found}; expected a whole number")
    return int(found)


def _vector(arrays: Arrays, key: str, where: str) -> np.ndarray:
    array = _required(arrays, key, where, 1)
    if array.dtype.kind not in "iu":
        raise InvalidFile(f"{where}: {key} is {array.dtype}; expected whole numbers")
    return array


def _required(arrays: Arrays, key: str, where: str, axes: int) -> np.ndarray:
    array = take_array(arrays, key, where, axes)
    if array is None:
        raise InvalidFile(f"{where}: no array {key!r}; every NetworkSelection has one")
    return array
