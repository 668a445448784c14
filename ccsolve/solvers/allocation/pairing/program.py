"""A RateAllocation in flat arrays, and what is left once options are ruled out."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ccsolve.kernels.tree_sweep import price
from ccsolve.problems import RateAllocation


@dataclass(frozen=True, eq=False)
class PairProgram:
    """One option per layer, priced alone and in pairs; E pairs with P entries in all.

    Attributes
    ----------
    losses, costs : (N,), (N, B) of the options, layer after layer.
    offsets : (L + 1,) first option of each layer.
    edges : (E, 2) layers (a, b), a < b, no pair twice, each with two options or more.
    pair_losses, pair_costs : (P,), (P, B) tables (K_a, K_b) row by row, pair by pair.
    pair_offsets : (E + 1,) first entry of each pair.
    limits : (B,) budgets with their rounding slack.
    options : (N,) the number of each option in the problem's layer.
    """

    losses: np.ndarray
    costs: np.ndarray
    offsets: np.ndarray
    edges: np.ndarray
    pair_losses: np.ndarray
    pair_costs: np.ndarray
    pair_offsets: np.ndarray
    limits: np.ndarray
    options: np.ndarray

    @property
    def layers(self) -> int:
        """Number of layers L; a layer that is decided keeps its one option."""
        return len(self.offsets) - 1

    @property
    def sizes(self) -> np.ndarray:
        """Options of each layer, (L,)."""
        return np.diff(self.offsets)

    @property
    def entries(self) -> int:
        """N + P, what one sweep reads."""
        return len(self.losses) + len(self.pair_losses)

    def at(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Give the loss and the cost (B,) of a point (L,) of this program."""
        own = self.offsets[:-1] + x
        met = self.entry_of(x)
        loss = self.losses[own].sum() + self.pair_losses[met].sum()
        return float(loss), self.costs[own].sum(axis=0) + self.pair_costs[met].sum(
            axis=0
        )

    def entry_of(self, x: np.ndarray) -> np.ndarray:
        """Give the entry of each pair at a point, (E,)."""
        first, second = self.edges.T
        return self.pair_offsets[:-1] + x[first] * self.sizes[second] + x[second]

    def original(self, x: np.ndarray) -> np.ndarray:
        """Give a point of the problem for one of this program, (L,)."""
        return self.options[self.offsets[:-1] + x]

    def priced(
        self, weight: float, prices: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Give weight·loss + prices·cost of options (N,) and entries (P,)."""
        own, met = np.empty(len(self.losses)), np.empty(len(self.pair_losses))
        price(weight, self.losses, prices, self.costs, own)
        price(weight, self.pair_losses, prices, self.pair_costs, met)
        return own, met

    @cached_property
    def largest(self) -> tuple[float, np.ndarray]:
        """Bounds of the absolute loss and of the cost (B,) of any point, or of a part.

        The sum over layers and pairs of the largest entry.
        """
        loss = _sum_of_largest(self.losses, self.offsets, signed=False)
        loss += _sum_of_largest(self.pair_losses, self.pair_offsets, signed=False)
        cost = _sum_of_largest(self.costs, self.offsets)
        cost += _sum_of_largest(self.pair_costs, self.pair_offsets)
        return float(loss), cost

    @cached_property
    def highest_loss(self) -> float:
        """A bound of the loss of any point."""
        loss = _sum_of_largest(self.losses, self.offsets)
        return float(loss + _sum_of_largest(self.pair_losses, self.pair_offsets))


def _sum_of_largest(
    values: np.ndarray, offsets: np.ndarray, signed: bool = True
) -> np.ndarray:
    if not len(values):
        return np.zeros(values.shape[1:])
    largest = np.maximum.reduceat(values, offsets[:-1])
    if not signed:
        largest = np.maximum(largest, -np.minimum.reduceat(values, offsets[:-1]))
    return largest.sum(axis=0)


def from_problem(problem: RateAllocation) -> PairProgram:
    """Give the program of a problem; pairs that decide nothing are put into layers."""
    sizes, budgets = problem.sizes, len(problem.budgets)
    edges = problem.edges
    tables = []
    for a, b in edges:
        shape = (sizes[a], sizes[b])
        loss = problem.pair_losses.get((a, b))
        cost = problem.pair_costs.get((a, b))
        tables.append(
            (
                np.zeros(shape) if loss is None else loss,
                np.zeros((*shape, budgets)) if cost is None else cost,
            )
        )
    options = np.concatenate([np.arange(size) for size in sizes])
    layers = (problem.flat_losses, problem.flat_costs, problem.offsets, options)
    return _assembled(layers, edges, tables, problem.limits)


def restricted(program: PairProgram, alive: np.ndarray) -> PairProgram:
    """Keep the options with ``alive`` (N,) true, at least one per layer; O(N + P)."""
    sizes, offsets = program.sizes, program.offsets
    kept = np.add.reduceat(alive.astype(np.int64), offsets[:-1])
    tables = []
    for e, (a, b) in enumerate(program.edges):
        part = slice(program.pair_offsets[e], program.pair_offsets[e + 1])
        rows = np.flatnonzero(alive[offsets[a] : offsets[a + 1]])
        columns = np.flatnonzero(alive[offsets[b] : offsets[b + 1]])
        met = (rows[:, None] * sizes[b] + columns).ravel()
        shape = (len(rows), len(columns))
        tables.append(
            (
                program.pair_losses[part][met].reshape(shape),
                program.pair_costs[part][met].reshape(*shape, -1),
            )
        )
    layers = (
        program.losses[alive],
        program.costs[alive],
        np.concatenate([[0], np.cumsum(kept)]),
        program.options[alive],
    )
    edges = [(int(a), int(b)) for a, b in program.edges]
    return _assembled(layers, edges, tables, program.limits)


_Layers = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Losses, costs, offsets and numbers of the options."""

_Tables = list[tuple[np.ndarray, np.ndarray]]
"""Losses (K_a, K_b) and costs (K_a, K_b, B) of each pair."""


def _assembled(
    layers: _Layers,
    edges: Iterable[tuple[int, int]],
    tables: _Tables,
    limits: np.ndarray,
) -> PairProgram:
    """Put tables of one row or column, and empty ones, into the layers."""
    losses, costs, offsets, options = layers
    losses, costs = losses.copy(), costs.copy()
    kept = []
    for (a, b), (loss, cost) in zip(edges, tables, strict=True):
        if min(loss.shape) > 1:
            if loss.any() or cost.any():
                kept.append(((a, b), loss, cost))
            continue
        layer = a if loss.shape[1] == 1 else b
        own = slice(offsets[layer], offsets[layer + 1])
        losses[own] += loss.ravel()
        costs[own] += cost.reshape(loss.size, -1)
    budgets = len(limits)
    counts = [loss.size for _, loss, _ in kept]
    return PairProgram(
        losses=losses,
        costs=np.ascontiguousarray(costs),
        # Copies, because kernels are compiled anew for read-only arrays.
        offsets=np.array(offsets, dtype=np.int64),
        edges=np.array([edge for edge, _, _ in kept], dtype=np.int64).reshape(-1, 2),
        pair_losses=_joined([loss.ravel() for _, loss, _ in kept], (0,)),
        pair_costs=_joined(
            [cost.reshape(-1, budgets) for _, _, cost in kept], (0, budgets)
        ),
        pair_offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        limits=limits.copy(),
        options=options,
    )


def _joined(parts: list[np.ndarray], empty: tuple[int, ...]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.zeros(empty)
