"""Tables of options, checked: one list entry per layer, stacked into flat arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ccsolve.errors import InvalidProblem
from ccsolve.problems.checks import frozen, real_array

MOST_BUDGETS = 4

Edge = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Stacked:
    """Losses (N,), costs (N, B) and the first option of each layer, (L + 1,)."""

    losses: np.ndarray
    costs: np.ndarray
    offsets: np.ndarray


def stacked(losses: Any, costs: Any, budgets: int) -> Stacked:
    """Check and stack the layers' tables; O(N·B).

    Raises
    ------
    InvalidProblem
        No layers, a layer without options, tables that do not fit each other, an entry
        that is not finite, or a negative cost.
    """
    losses, costs = _listed("losses", losses), _listed("costs", costs)
    if not losses or len(losses) != len(costs):
        raise InvalidProblem(
            f"{len(losses)} tables of losses and {len(costs)} of costs; expected one "
            "of each for every layer, at least one layer"
        )
    rows = [
        _layer(layer, own, paid, budgets)
        for layer, (own, paid) in enumerate(zip(losses, costs, strict=True))
    ]
    sizes = [len(own) for own, _ in rows]
    return Stacked(
        losses=frozen(np.concatenate([own for own, _ in rows])),
        costs=frozen(np.concatenate([paid for _, paid in rows])),
        offsets=frozen(np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)),
    )


def pair_tables(
    name: str, tables: Any, sizes: Sequence[int], tail: tuple[int, ...]
) -> dict[Edge, np.ndarray]:
    """Give tables (K_l, K_h, *tail) by edge (l, h), l < h; a reversed one is turned.

    ``tail`` is () for losses and (B,) for costs; with one budget the last axis may be
    left out.
    """
    if tables is None:
        return {}
    if not isinstance(tables, Mapping):
        raise InvalidProblem(
            f"{name} is a {type(tables).__name__}; expected a mapping from pairs of "
            "layers (l, h) to tables (K_l, K_h)"
        )
    found: dict[Edge, np.ndarray] = {}
    for edge, table in tables.items():
        first, second = _edge(name, edge, len(sizes))
        shape = (sizes[first], sizes[second], *tail)
        values = _pair_table(f"{name}[{edge!r}]", table, shape)
        key = (min(first, second), max(first, second))
        if key in found:
            raise InvalidProblem(f"{name} has the pair {key} twice; give it once")
        found[key] = values if first < second else _turned(values)
    return dict(sorted(found.items()))


def require_not_negative(name: str, values: np.ndarray) -> None:
    """Refuse negative costs."""
    if values.size and values.min() < 0:
        raise InvalidProblem(
            f"{name} has entries down to {values.min():g}; expected costs >= 0"
        )


def _listed(name: str, tables: Any) -> list[Any]:
    if isinstance(tables, str | bytes | Mapping) or not hasattr(tables, "__iter__"):
        raise InvalidProblem(
            f"{name} is a {type(tables).__name__}; expected a list with one table of "
            "options per layer"
        )
    return list(tables)


def _layer(
    layer: int, losses: Any, costs: Any, budgets: int
) -> tuple[np.ndarray, np.ndarray]:
    own = real_array(f"losses[{layer}]", losses, (None,))
    if not len(own):
        raise InvalidProblem(
            f"losses[{layer}] is empty; expected at least one option per layer"
        )
    paid = _with_last_axis(costs, 1, budgets)
    paid = real_array(f"costs[{layer}]", paid, (len(own), budgets))
    require_not_negative(f"costs[{layer}]", paid)
    return own, paid


def _pair_table(name: str, table: Any, shape: tuple[int, ...]) -> np.ndarray:
    values = table if len(shape) == 2 else _with_last_axis(table, 2, shape[2])
    return real_array(name, values, shape)


def _with_last_axis(table: Any, axes: int, budgets: int) -> Any:
    """Give a table for one budget its last axis, if it was left out."""
    if budgets == 1 and np.ndim(table) == axes:
        return np.asarray(table)[..., None]
    return table


def _edge(name: str, edge: Any, layers: int) -> Edge:
    whole = isinstance(edge, tuple) and all(
        isinstance(end, int | np.integer) and 0 <= end < layers for end in edge
    )
    if not whole or len(edge) != 2 or edge[0] == edge[1]:
        raise InvalidProblem(
            f"{name} has the pair {edge!r}; expected two different layers from 0 to "
            f"{layers - 1}"
        )
    return int(edge[0]), int(edge[1])


def _turned(values: np.ndarray) -> np.ndarray:
    return frozen(np.ascontiguousarray(values.swapaxes(0, 1)))
