"""RateAllocation: one option per layer, under budgets; a multiple-choice knapsack."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np

from ccsolve.errors import Infeasible, InvalidProblem
from ccsolve.problems.checks import frozen, real_array
from ccsolve.problems.option_tables import (
    MOST_BUDGETS,
    Edge,
    Stacked,
    pair_tables,
    require_not_negative,
    stacked,
)
from ccsolve.problems.records import made_again


@dataclass(frozen=True, eq=False, init=False, repr=False)
class RateAllocation:
    """Minimise Σ_l loss_l(j_l) + Σ_(l,h) pairloss_lh(j_l, j_h), one option per layer.

    Under every budget b = 1..B, B ≤ 4:
    Σ_l cost_l,b(j_l) + Σ_(l,h) paircost_lh,b(j_l, j_h) ≤ budget_b. Costs are ≥ 0,
    losses of any sign. Without pairs this is the multiple-choice knapsack problem
    (B = 1) or its multidimensional form; pairs say that what a layer costs depends on
    the option of its neighbour, as a convolution's MACs depend on both its widths.

    A point is x (L,), the chosen option of each layer, counted from 0 within the
    layer. Arrays are copied to float64 and read-only; N = Σ_l K_l options take
    8N(1 + B) bytes.

    Parameters
    ----------
    losses : sequence of (K_l,) arrays
    costs : sequence of (K_l, B) arrays, or (K_l,) for one budget
    budgets : (B,) array or float
        Each holds up to rounding, 1e-12·(L + pairs)·(largest cost).
    pair_costs : mapping of (l, h) to (K_l, K_h, B), or (K_l, K_h) for one budget
    pair_losses : mapping of (l, h) to (K_l, K_h)

    Raises
    ------
    InvalidProblem
        An empty layer, NaN, negative costs, shapes that do not fit, ...
    Infeasible
        A budget is below the cheapest choice: the message names each such budget and
        what it takes at least. Budgets that hold alone may still fail together; that
        only solving tells.

    Notes
    -----
    Methods see flat arrays: `flat_losses` (N,), `flat_costs` (N, B), and `offsets`
    (L + 1,), the options of layer l being offsets[l] .. offsets[l + 1] - 1; `limits`
    (B,) are the budgets with their rounding slack.
    """

    flat_losses: np.ndarray
    flat_costs: np.ndarray
    offsets: np.ndarray
    budgets: np.ndarray
    limits: np.ndarray
    pair_costs: Mapping[Edge, np.ndarray]
    pair_losses: Mapping[Edge, np.ndarray]

    def __init__(
        self,
        losses: Any,
        costs: Any,
        budgets: Any,
        pair_costs: Any = None,
        *,
        pair_losses: Any = None,
    ) -> None:
        budgets = _checked_budgets(budgets)
        tables = stacked(losses, costs, len(budgets))
        sizes = np.diff(tables.offsets).tolist()
        paid = pair_tables("pair_costs", pair_costs, sizes, (len(budgets),))
        for edge, table in paid.items():
            require_not_negative(f"pair_costs[{edge}]", table)
        lost = pair_tables("pair_losses", pair_losses, sizes, ())
        fields = {
            "flat_losses": tables.losses,
            "flat_costs": tables.costs,
            "offsets": tables.offsets,
            "budgets": budgets,
            "limits": frozen(budgets + _slack(tables, paid)),
            "pair_costs": MappingProxyType(paid),
            "pair_losses": MappingProxyType(lost),
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)
        _require_attainable(self)

    def with_budgets(self, budgets: Any) -> "RateAllocation":
        """Give the same program under as many other budgets; tables are shared, O(N).

        InvalidProblem and Infeasible as in the constructor.
        """
        budgets = _checked_budgets(budgets)
        if len(budgets) != len(self.budgets):
            raise InvalidProblem(
                f"budgets has {len(budgets)} entries; expected {len(self.budgets)}, "
                "one for each column of the costs"
            )
        other = object.__new__(RateAllocation)
        slack = self.limits - self.budgets
        changed = {"budgets": budgets, "limits": frozen(budgets + slack)}
        for name in (item.name for item in dataclasses.fields(self)):
            object.__setattr__(other, name, changed.get(name, getattr(self, name)))
        _require_attainable(other)
        return other

    def __reduce__(self) -> tuple[Any, ...]:
        parts = {
            name: getattr(self, name)
            for name in ("losses", "costs", "budgets", "pair_costs", "pair_losses")
        }
        return made_again(type(self), parts)

    def __repr__(self) -> str:
        pairs = f", {len(self.edges)} pairs" if self.edges else ""
        return (
            f"RateAllocation({self.n} layers, {self.size} options, "
            f"{len(self.budgets)} budgets{pairs})"
        )

    @property
    def n(self) -> int:
        """Number of layers L."""
        return len(self.offsets) - 1

    @property
    def size(self) -> int:
        """Number of options N, over all layers."""
        return len(self.flat_losses)

    @cached_property
    def sizes(self) -> np.ndarray:
        """Number of options of each layer, (L,)."""
        return frozen(np.diff(self.offsets))

    @property
    def losses(self) -> tuple[np.ndarray, ...]:
        """The losses of each layer's options, (K_l,) each."""
        return tuple(np.split(self.flat_losses, self.offsets[1:-1]))

    @property
    def costs(self) -> tuple[np.ndarray, ...]:
        """The costs of each layer's options, (K_l, B) each."""
        return tuple(np.split(self.flat_costs, self.offsets[1:-1]))

    @property
    def edges(self) -> tuple[Edge, ...]:
        """The pairs of layers that have a table, of costs or of losses."""
        return tuple(sorted({*self.pair_costs, *self.pair_losses}))

    @cached_property
    def data_scale(self) -> float:
        """The largest absolute loss."""
        tables = [self.flat_losses, *self.pair_losses.values()]
        return max(float(np.abs(table).max()) for table in tables)

    @property
    def resolution(self) -> float:
        """1e-12·(L + pairs)·s with s the data scale: less is rounding."""
        return 1e-12 * (self.n + len(self.pair_losses)) * self.data_scale

    def objective(self, x: Any, /) -> float:
        """Give the loss of a point (L,); O(L + pairs).

        InvalidProblem for another shape, or an option that does not exist.
        """
        x = self._options(x)
        terms = self.flat_losses[self.offsets[:-1] + x].tolist()
        terms += [
            float(table[x[a], x[b]]) for (a, b), table in self.pair_losses.items()
        ]
        return math.fsum(terms)

    def spent(self, x: Any, /) -> np.ndarray:
        """Give what a point (L,) costs, (B,); O((L + pairs)·B).

        InvalidProblem for another shape, or an option that does not exist.
        """
        x = self._options(x)
        paid = [self.flat_costs[self.offsets[:-1] + x]]
        paid += [table[x[a], x[b]][None] for (a, b), table in self.pair_costs.items()]
        return np.array([math.fsum(column) for column in np.concatenate(paid).T])

    def violation(self, x: Any, /) -> float:
        """Give how far a point is from feasible, 0 if it satisfies everything.

        The largest excess over a budget, in units of the dearest option; 1 and more for
        an option that does not exist, inf for NaN. InvalidProblem for a point of
        another shape.
        """
        x = self._point(x)
        if not np.isfinite(x).all():
            return math.inf
        if not np.array_equal(x, np.rint(x)):
            return float(np.abs(x - np.rint(x)).max())
        beyond = np.maximum(-1.0 * x, x - (self.sizes - 1.0)).max()
        if beyond > 0:
            return float(beyond)
        excess = self.spent(x) - self.limits
        if (excess <= 0).all():
            return 0.0
        units = np.maximum(self.flat_costs.max(axis=0), 1e-300)
        return float((excess / units).max())

    def _point(self, x: Any) -> np.ndarray:
        x = np.asarray(x)
        if x.shape != (self.n,):
            raise InvalidProblem(f"the point has shape {x.shape}; expected ({self.n},)")
        return x

    def _options(self, x: Any) -> np.ndarray:
        """Give a point as integers; InvalidProblem where layers lack an option."""
        x = self._point(x)
        # Compared this way round, so that NaN is none.
        there = (x >= 0) & (x < self.sizes) & (x == np.rint(x))
        if not there.all():
            layer = int(np.argmin(there))
            raise InvalidProblem(
                f"option {float(x[layer]):g} of layer {layer}; expected 0 to "
                f"{self.sizes[layer] - 1}, whole"
            )
        return x.astype(np.int64, copy=False)

    def cheapest(self) -> np.ndarray:
        """Give what each budget must allow at least, every one alone, (B,).

        The sum of the layers' and pairs' cheapest entries. Without pairs it is attained
        for each budget; with pairs no choice may reach it.
        """
        least = np.minimum.reduceat(self.flat_costs, self.offsets[:-1]).sum(axis=0)
        for table in self.pair_costs.values():
            least = least + table.min(axis=(0, 1))
        return least


def _slack(tables: Stacked, pairs: Mapping[Edge, np.ndarray]) -> np.ndarray:
    """Give the rounding that each budget allows, (B,)."""
    dearest = tables.costs.max(axis=0)
    for table in pairs.values():
        dearest = np.maximum(dearest, table.max(axis=(0, 1)))
    return 1e-12 * (len(tables.offsets) - 1 + len(pairs)) * dearest


def _checked_budgets(budgets: Any) -> np.ndarray:
    values = real_array("budgets", np.atleast_1d(budgets), (None,))
    if not 1 <= len(values) <= MOST_BUDGETS:
        raise InvalidProblem(
            f"budgets has {len(values)} entries; expected 1 to {MOST_BUDGETS}"
        )
    if values.min() < 0:
        raise InvalidProblem(f"budgets holds {values.min():g}; expected >= 0")
    return frozen(values)


def _require_attainable(problem: RateAllocation) -> None:
    """Name every budget that even the cheapest choice for it breaks."""
    least, limits = problem.cheapest(), problem.limits
    broken = np.flatnonzero(least > limits)
    if len(broken):
        found = "; ".join(
            f"budgets[{b}] = {problem.budgets[b]:g}, but the cheapest choice takes "
            f"{least[b]:g}"
            for b in broken
        )
        raise Infeasible(f"{found}; raise the budgets to that, or add cheaper options")
