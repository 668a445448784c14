"""What the widths of coupled channel groups cost: products, tables, budgets."""

import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np

from ccsolve.errors import InvalidProblem
from ccsolve.problems.checks import frozen, real_array, real_number, whole_number
from ccsolve.problems.records import reduced

MOST = 2**31
"""Largest group number, count of entries, or grid point."""


@dataclass(frozen=True, eq=False)
class WidthTable:
    """A cost T(read, made) of one operation on grids of how much it reads and makes.

    At widths k it reads Σ_g inputs[g]·k_g entries and makes Σ_h outputs[h]·k_h, and
    costs the entry at the next grid points upwards. Costs are ≥ 0 and fall along no
    axis: a wider network never costs less. For timings that scatter, give the least
    such table above them: ``np.maximum.accumulate`` along both axes.

    Parameters
    ----------
    values
        (R, M).
    inputs, outputs
        Group number -> entries per channel; several inputs after a concatenation.
    read, made
        Rising whole numbers ≥ 0, (R,) and (M,); the last is at least what the whole
        network reads and makes. One point on a side without groups.

    Raises
    ------
    InvalidProblem
        For shapes that do not fit, negative or falling costs, grids that do not rise.
    """

    values: Any
    inputs: Mapping[int, int] = field(default_factory=dict)
    outputs: Mapping[int, int] = field(default_factory=dict)
    read: Any = (0,)
    made: Any = (0,)

    __reduce__ = reduced

    def __post_init__(self) -> None:
        """Check the parts."""
        read, made = _grid("read", self.read), _grid("made", self.made)
        values = real_array("values", self.values, (len(read), len(made)))
        _require_rising(values)
        parts = {
            "values": values,
            "inputs": _counts("inputs", self.inputs),
            "outputs": _counts("outputs", self.outputs),
            "read": read,
            "made": made,
        }
        for name, value in parts.items():
            object.__setattr__(self, name, value)

    @cached_property
    def groups(self) -> tuple[int, ...]:
        """The groups that the table speaks of, rising."""
        return tuple(sorted({*self.inputs, *self.outputs}))

    def at(self, widths: Any) -> Any:
        """Give the cost where ``widths[g]`` is g's width, or an array that broadcasts.

        Amounts beyond the grids count as their last points.
        """
        rows = _place(self.read, _amount(self.inputs, widths))
        columns = _place(self.made, _amount(self.outputs, widths))
        return self.values[rows, columns]


@dataclass(frozen=True, eq=False)
class WidthBudget:
    """One budget: fixed + Σ_g linear_g·k_g + Σ a_gh·k_g·k_h + Σ tables ≤ limit.

    Parameters
    ----------
    limit
        It holds up to the rounding of the sum.
    linear
        Group number -> cost ≥ 0 per channel; an array (G,) is taken as well.
    products
        Pair of group numbers (g, h) -> cost ≥ 0 per pair of channels; g = h allowed,
        (g, h) and (h, g) are added up.
    tables
        `WidthTable`s.
    fixed
        What the network costs whatever its widths.
    name
        How errors call the budget: "macs", "params", ...

    Raises
    ------
    InvalidProblem
        For negative or infinite costs, and group numbers that are none.
    """

    limit: float
    linear: Any = field(default_factory=dict)
    products: Any = field(default_factory=dict)
    tables: tuple[WidthTable, ...] = ()
    fixed: float = 0.0
    name: str = ""

    __reduce__ = reduced

    def __post_init__(self) -> None:
        """Check the parts."""
        tables = tuple(self.tables)
        if not all(isinstance(table, WidthTable) for table in tables):
            raise InvalidProblem(f"tables holds {tables!r:.80}; expected WidthTables")
        parts = {
            "limit": real_number("limit", self.limit),
            "linear": MappingProxyType(_linear(self.linear)),
            "products": MappingProxyType(_products(self.products)),
            "tables": tables,
            "fixed": real_number("fixed", self.fixed, 0.0),
            "name": str(self.name),
        }
        for name, value in parts.items():
            object.__setattr__(self, name, value)

    @cached_property
    def groups(self) -> frozenset[int]:
        """The groups that the budget speaks of."""
        named = {g for pair in self.products for g in pair} | set(self.linear)
        return frozenset(named.union(*(table.groups for table in self.tables)))

    @property
    def terms(self) -> int:
        """How many terms the sum has."""
        return 1 + len(self.linear) + len(self.products) + len(self.tables)

    def at(self, widths: Any) -> float:
        """Give the cost at the widths (G,); exact where all is whole, below 2⁵³."""
        total = [self.fixed]
        total += [each * float(widths[g]) for g, each in self.linear.items()]
        total += [
            each * float(widths[g]) * float(widths[h])
            for (g, h), each in self.products.items()
        ]
        total += [float(table.at(widths)) for table in self.tables]
        return math.fsum(total)


def _amount(counts: Mapping[int, int], widths: Any) -> Any:
    return sum((count * widths[g] for g, count in counts.items()), start=0)


def _place(grid: np.ndarray, amount: Any) -> Any:
    return np.minimum(np.searchsorted(grid, amount), len(grid) - 1)


def _grid(name: str, values: Any) -> np.ndarray:
    grid = np.array(values)
    whole = grid.ndim == 1 and grid.size > 0 and grid.dtype.kind in "iu"
    if not whole or grid[0] < 0 or grid[-1] > MOST or (np.diff(grid) <= 0).any():
        raise InvalidProblem(
            f"{name} = {values!r:.80}; expected rising whole numbers, 0 or more"
        )
    return frozen(grid.astype(np.int64))


def _require_rising(values: np.ndarray) -> None:
    if values.min() < 0:
        raise InvalidProblem(
            f"values has entries down to {values.min():g}; expected costs >= 0"
        )
    if any((np.diff(values, axis=axis) < 0).any() for axis in (0, 1)):
        raise InvalidProblem(
            "values falls along an axis; expected that a wider network never costs "
            "less: take np.maximum.accumulate along both axes"
        )


def _counts(name: str, counts: Any) -> Mapping[int, int]:
    if not isinstance(counts, Mapping):
        raise InvalidProblem(
            f"{name} is a {type(counts).__name__}; expected group number -> entries "
            "per channel"
        )
    return MappingProxyType(
        {
            _group(name, g): whole_number(f"{name}[{g}]", count, 1, MOST)
            for g, count in counts.items()
        }
    )


def _linear(linear: Any) -> dict[int, float]:
    if not isinstance(linear, Mapping):
        linear = dict(enumerate(real_array("linear", linear, (None,)).tolist()))
    found = {
        _group("linear", g): real_number(f"linear[{g}]", each, 0.0)
        for g, each in linear.items()
    }
    return {g: each for g, each in found.items() if each}


def _products(products: Any) -> dict[tuple[int, int], float]:
    if not isinstance(products, Mapping):
        raise InvalidProblem(
            f"products is a {type(products).__name__}; expected (g, h) -> cost per "
            "pair of channels"
        )
    found: dict[tuple[int, int], float] = {}
    for pair, each in products.items():
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise InvalidProblem(
                f"products has the key {pair!r}; expected two group numbers (g, h)"
            )
        g, h = sorted(_group("products", end) for end in pair)
        cost = real_number(f"products[{pair}]", each, 0.0)
        found[g, h] = found.get((g, h), 0.0) + cost
    return {pair: each for pair, each in sorted(found.items()) if each}


def _group(name: str, g: Any) -> int:
    whole = isinstance(g, numbers.Integral) and not isinstance(g, bool)
    if not whole or not 0 <= int(g) < MOST:
        raise InvalidProblem(f"{name} names the group {g!r}; expected its number")
    return int(g)
