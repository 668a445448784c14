"""A rate allocation as the kernels see it: scaled, without impossible options."""

import math
from dataclasses import dataclass

import numpy as np

from ccsolve.errors import Infeasible
from ccsolve.kernels.knapsack_pricing import Priced
from ccsolve.kernels.knapsack_tables import column_maxima, possible_options, turned
from ccsolve.problems import RateAllocation

_WHOLE = 2.0**50
"""Sums of whole losses up to here are exact, with room for their differences."""


@dataclass(frozen=True, eq=False)
class Program:
    """An allocation without pairs, losses and costs scaled by powers of two.

    Attributes
    ----------
    table : what the kernels price; its options are some of the problem's.
    options : (N',) their numbers in the problem.
    unit, units : losses and costs (B,) here are those of the problem times these.
    highest, ceiling : no point's loss exceeds the first, in the table's unit; the
        second is well above it.
    grain : what two losses differ by at least, if they differ; 0 where unknown.
    """

    problem: RateAllocation
    table: Priced
    options: np.ndarray
    unit: float
    units: np.ndarray
    highest: float
    ceiling: float
    grain: float

    @property
    def layers(self) -> int:
        """Number of layers L."""
        return self.problem.n

    def point(self, chosen: np.ndarray) -> np.ndarray:
        """Give the point (L,) that takes these options of the table, in any order."""
        return np.sort(self.options[chosen]) - self.problem.offsets[:-1]

    def bound(self, value: float) -> float:
        """Give a bound on the problem's optimum, of one in the table's unit.

        Where all losses are whole numbers it is rounded up to one.
        """
        if not math.isfinite(value):
            return value
        if self.grain:
            return float(math.ceil(value / self.unit))
        return math.nextafter(value / self.unit, -math.inf)

    def duals(self, prices: np.ndarray) -> dict[str, np.ndarray]:
        """Give prices (B,) of the problem's budgets."""
        # No price is printed as -0.
        return {"budgets": prices * self.units / self.unit + 0.0}


def prepared(problem: RateAllocation) -> Program:
    """Scale a problem, and leave out options that no point can have; O(N·B).

    Such an option breaks a budget even where all other layers take their cheapest.
    Powers of two scale without rounding.

    Raises
    ------
    Infeasible
        A layer is left without options.
    """
    options, offsets = _possible(problem)
    losses = problem.flat_losses[options]
    unit = _power_below(np.abs(losses).max())
    losses = losses * unit
    units, costs = _scaled_costs(problem, options)
    starts = offsets[:-1]
    weight = float(np.maximum.reduceat(np.abs(losses), starts).sum())
    highest = float(np.maximum.reduceat(losses, starts).sum())
    table = Priced(
        losses=losses,
        costs=costs,
        offsets=offsets,
        # Costs are below 1: more than this is never spent, and might overflow.
        limits=np.minimum(problem.limits, 2.0 * problem.n / units) * units,
        weight=weight,
    )
    return Program(
        problem=problem,
        table=table,
        options=options,
        unit=unit,
        units=units,
        highest=highest + 1e-9 * weight,
        ceiling=highest + 1e-6 * weight + 1e-6,
        grain=unit if _is_whole(problem) else 0.0,
    )


def _possible(problem: RateAllocation) -> tuple[np.ndarray, np.ndarray]:
    """Give the options that some point may have, and where each layer's begin."""
    kept = np.empty(problem.size, dtype=np.bool_)
    tables = problem.flat_costs, problem.offsets, problem.limits
    empty = possible_options(*tables, kept)
    if empty >= 0:
        raise _no_option(problem, empty)
    options = np.flatnonzero(kept)
    return options, np.searchsorted(options, problem.offsets)


def _scaled_costs(
    problem: RateAllocation, options: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Give units (B,) and costs (B, N') below 1."""
    maxima = np.empty(len(problem.limits))
    column_maxima(problem.flat_costs, options, maxima)
    units = np.array([_power_below(value) for value in maxima])
    costs = np.empty((len(units), len(options)))
    turned(problem.flat_costs, options, units, costs)
    return units, costs


def _no_option(problem: RateAllocation, layer: int) -> Infeasible:
    """Name the budgets that the options of a layer break."""
    least = np.minimum.reduceat(problem.flat_costs, problem.offsets[:-1])
    allowed = problem.limits * (1.0 + 1e-9) - least.sum(axis=0) + least[layer]
    own = problem.flat_costs[slice(*problem.offsets[layer : layer + 2])]
    broken = np.flatnonzero((own > allowed).any(axis=0))
    names = " or ".join(f"budgets[{b}] = {problem.budgets[b]:g}" for b in broken)
    return Infeasible(
        f"every option of layer {layer} breaks {names}, even with the cheapest options "
        "for that budget elsewhere; raise those budgets, or add cheaper options"
    )


def _power_below(value: float) -> float:
    """Give a power of two p with value·p in [0.5, 1) where p ≤ 2¹⁰⁰⁰; 1 for 0."""
    return float(np.ldexp(1.0, min(-np.frexp(value)[1], 1000))) if value > 0 else 1.0


def _is_whole(problem: RateAllocation) -> bool:
    losses = problem.flat_losses
    if problem.n * problem.data_scale > _WHOLE:
        return False
    return bool((losses == np.rint(losses)).all())
