"""The widths of all groups as a RateAllocation: coupled exactly by the budgets."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ccsolve.iterate import Limits
from ccsolve.problems import NetworkSelection, RateAllocation, WidthBudget, WidthTable
from ccsolve.problems.option_tables import MOST_BUDGETS
from ccsolve.solution import Solution
from ccsolve.solvers.allocation import one_budget, pairs, several_budgets

MOST_ENTRIES = 4_000_000
"""Entries of all pair tables; beyond them widths are bundled to intervals."""

Edge = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Coupling:
    """Tables of what intervals of widths cost, of some of the budgets.

    Attributes
    ----------
    rungs : by group the places on its ladder where intervals begin; an interval costs
        what its first width does, and its loss is the least within it.
    own, pairs : (K_g, B), (K_g, K_h, B).
    room : (B,) what the fixed parts leave.
    """

    problem: NetworkSelection
    active: tuple[int, ...]
    rungs: tuple[np.ndarray, ...]
    own: tuple[np.ndarray, ...]
    pairs: dict[Edge, np.ndarray]
    room: np.ndarray

    @property
    def is_exact(self) -> bool:
        """Whether every interval is a single width."""
        ladders = self.problem.widths
        return all(len(r) == len(w) for r, w in zip(self.rungs, ladders, strict=True))

    def solved(
        self, losses: Sequence[np.ndarray], limits: Limits, *, least: bool
    ) -> Solution:
        """Minimise Σ_g loss_g over widths; ``least``: of intervals the least loss."""
        tables = [
            np.minimum.reduceat(loss, rungs) if least else loss[rungs]
            for loss, rungs in zip(losses, self.rungs, strict=True)
        ]
        if not self.active:
            own = [np.zeros((len(rungs), 1)) for rungs in self.rungs]
            return one_budget.solve(RateAllocation(tables, own, 1.0), limits)
        program = RateAllocation(tables, self.own, self.room, self.pairs)
        if program.edges:
            return pairs.solve(program, limits)
        method = one_budget if len(self.active) == 1 else several_budgets
        return method.solve(program, limits)

    def places(
        self, x: np.ndarray, losses: Sequence[np.ndarray], *, least: bool
    ) -> np.ndarray:
        """Give the place on its ladder of each group's choice, (G,).

        Where its interval begins; ``least``: where the interval's loss is least.
        """
        found = []
        for loss, rungs, j in zip(losses, self.rungs, x, strict=True):
            first = int(rungs[j])
            end = int(rungs[j + 1]) if j + 1 < len(rungs) else len(loss)
            found.append(first + int(loss[first:end].argmin()) if least else first)
        return np.array(found)

    def prices(self, found: Solution) -> np.ndarray:
        """Give the prices of all budgets, (B,), 0 for those left out."""
        prices = np.zeros(len(self.problem.budgets))
        if self.active and "budgets" in found.duals:
            prices[list(self.active)] = found.duals["budgets"]
        return prices


def coupling_of(problem: NetworkSelection, active: Sequence[int]) -> Coupling:
    """Tabulate the budgets of those numbers, at most `MOST_BUDGETS` of them.

    A table of more than two groups counts by two of them, the others at their
    narrowest: less than it costs. O(entries of the tables).
    """
    assert len(active) <= MOST_BUDGETS
    budgets = [problem.budgets[t] for t in active]
    edges = {edge for budget in budgets for edge in _edges(budget)}
    rungs = _rungs(problem, edges)
    ladders = [w[r] for w, r in zip(problem.widths, rungs, strict=True)]
    sums = _Sums(ladders, len(budgets))
    for column, budget in enumerate(budgets):
        sums.add(budget, column)
    limits = problem.limits[list(active)]
    room = np.maximum(limits - sums.fixed * (1.0 - 1e-15), 0.0)
    return Coupling(problem, tuple(active), rungs, tuple(sums.own), sums.pairs, room)


class _Sums:
    """Tables to which the terms of budgets are added."""

    def __init__(self, ladders: Sequence[np.ndarray], count: int) -> None:
        self.ladders = ladders
        self.count = count
        self.fixed = np.zeros(count)
        self.own = [np.zeros((len(ladder), count)) for ladder in ladders]
        self.pairs: dict[Edge, np.ndarray] = {}

    def add(self, budget: WidthBudget, column: int) -> None:
        self.fixed[column] += budget.fixed
        for g, each in budget.linear.items():
            self.own[g][:, column] += each * self.ladders[g]
        for (g, h), each in budget.products.items():
            if g == h:
                self.own[g][:, column] += each * np.square(self.ladders[g], dtype=float)
            else:
                table = np.multiply.outer(self.ladders[g], 1.0 * self.ladders[h])
                self._pair((g, h))[..., column] += each * table
        for table in budget.tables:
            self._add_table(table, column)

    def _add_table(self, table: WidthTable, column: int) -> None:
        widths = {g: int(self.ladders[g][0]) for g in table.groups}
        match _ends(table, self.ladders):
            case []:
                self.fixed[column] += float(table.at(widths))
            case [g]:
                costs = table.at(widths | {g: self.ladders[g]})
                self.own[g][:, column] += np.broadcast_to(costs, len(self.ladders[g]))
            case [g, h]:
                grids = {g: self.ladders[g][:, None], h: self.ladders[h][None]}
                self._pair((g, h))[..., column] += table.at(widths | grids)

    def _pair(self, edge: Edge) -> np.ndarray:
        if edge not in self.pairs:
            shape = len(self.ladders[edge[0]]), len(self.ladders[edge[1]]), self.count
            self.pairs[edge] = np.zeros(shape)
        return self.pairs[edge]


def _ends(table: WidthTable, ladders: Sequence[np.ndarray]) -> list[int]:
    """Give the groups that a table counts by: all up to two, else the widest two."""
    groups = list(table.groups)
    if len(groups) > 2:
        groups.sort(key=lambda g: -len(ladders[g]))
    return sorted(groups[:2])


def _edges(budget: WidthBudget) -> list[Edge]:
    found = [(g, h) for g, h in budget.products if g != h]
    return found + [
        (table.groups[0], table.groups[-1])
        for table in budget.tables
        if len(table.groups) > 1
    ]


def _rungs(problem: NetworkSelection, edges: set[Edge]) -> tuple[np.ndarray, ...]:
    """Give all widths, bundled by twos again and again where tables grow too large."""
    rungs = [np.arange(len(ladder)) for ladder in problem.widths]
    while sum(len(rungs[g]) * len(rungs[h]) for g, h in edges) > MOST_ENTRIES:
        longest = max(range(len(rungs)), key=lambda g: len(rungs[g]))
        kept = rungs[longest]
        # The widest stays alone, so that a whole group costs what it does.
        rungs[longest] = np.union1d(kept[::2], kept[-1:])
    return tuple(rungs)
