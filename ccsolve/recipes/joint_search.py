"""From budgets to widths and ranks: a coarse program, a finer one, and what still fits.

The coarse program is set up once for all budgets.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ccsolve.criteria import refit_removal
from ccsolve.errors import Infeasible
from ccsolve.problems.checks import whole_number
from ccsolve.recipes.compression.sites import left_out
from ccsolve.recipes.joint_layers import narrow_layers
from ccsolve.recipes.joint_options import Grid
from ccsolve.recipes.joint_program import Decision, Network, Program
from ccsolve.recipes.steps import admissible_steps
from ccsolve.solution import Solution
from ccsolve.statistics import Statistics

RECIPE = "joint"


@dataclass(frozen=True)
class Found:
    """What was decided within budgets, what it loses and costs, and what is proven.

    `bound` is over what the coarse program offers, -inf without one; `coarse` is that
    program's decision, and `solution` how it was found (None with nothing to choose).
    """

    decision: Decision
    loss: float
    cost: Mapping[str, float]
    bound: float
    prices: Mapping[str, float]
    coarse: Decision
    solution: Solution | None


@dataclass(frozen=True, eq=False)
class Search:
    """A network, the ranks on offer, and the widths of the coarse program."""

    network: Network
    grid: Grid

    @classmethod
    def of(
        cls,
        stats: Statistics,
        kinds: tuple[str, ...],
        *,
        levels: int | None = 12,
        leave_out: Collection[str] | None = None,
        rank_multiple: int = 1,
        multiple_of: int = 1,
        min_keep: int = 1,
        fixed: Mapping[str, int] | None = None,
    ) -> "Search":
        """Prepare the search under budgets of these kinds; options as `joint.plan`."""
        grid = Grid(
            kinds=kinds,
            levels=None if levels is None else whole_number("levels", levels, 2, 10**6),
            multiple=whole_number("rank_multiple", rank_multiple, 1, 10**9),
            chosen={},
        )
        steps = admissible_steps(stats, multiple_of, min_keep, fixed)
        whole = left_out(stats, leave_out)
        removals = {name: refit_removal(stats, name) for name in stats.groups}
        layers = narrow_layers(stats, steps, removals, whole)
        return cls(Network(stats, steps, removals, layers), grid)

    @cached_property
    def coarse(self) -> Program:
        """The program over some widths of every group and some ranks at each."""
        steps, levels = self.network.steps, self.grid.levels
        widths = {name: _some(step, levels) for name, step in steps.items()}
        return Program(self.network, self.grid, widths)

    @cached_property
    def narrowest(self) -> Decision:
        """The decision of least widths and ranks."""
        widths = {name: step[0] for name, step in self.network.steps.items()}
        least = {
            name: (outs[0], ins[0])
            for name, layer in self.network.layers.items()
            for ins, outs in [self.grid.pairs(layer, widths)]
        }
        return self.network.sound(widths, least)

    def within(
        self, limits: Mapping[str, float], *, time_limit: float, seed: int
    ) -> Found:
        """Decide within the limits; each of two programs has half of the seconds."""
        self._require_attainable(limits)
        search = {"time_limit": 0.5 * time_limit, "seed": seed}
        coarse, solution = self.coarse.solved(limits, **search)
        decision = self._put_back(limits, self._refined(limits, coarse, search))
        loss = self.network.loss(decision)
        bound, prices = _proven(solution, limits, loss)
        cost = self.network.cost(decision)
        return Found(decision, loss, cost, bound, prices, coarse, solution)

    def _refined(
        self, limits: Mapping[str, float], coarse: Decision, search: dict[str, Any]
    ) -> Decision:
        """Choose ranks again at the widths found, next to those found as well."""
        network = self.network
        widths = {name: [width] for name, width in coarse.widths.items()}
        near = replace(self.grid, chosen=coarse.ranks)
        again, solution = Program(network, near, widths).solved(limits, **search)
        good = solution is not None and network.fits(limits, again)
        if not network.fits(limits, coarse):
            return again if good else self.narrowest
        better = good and network.loss(again) <= network.loss(coarse)
        return again if better else coarse

    def _put_back(self, limits: Mapping[str, float], decision: Decision) -> Decision:
        """Put back the step of a group that lowers the loss most, until none fits."""
        network, closed = self.network, set[str]()
        loss = network.loss(decision)
        while True:
            best, chosen = loss, None
            for name, width in decision.widths.items():
                wider = next((k for k in network.steps[name] if k > width), None)
                if wider is None or name in closed:
                    continue
                moved = network.sound({**decision.widths, name: wider}, decision.ranks)
                if not network.fits(limits, moved):
                    closed.add(name)  # costs only grow with what is put back
                elif (after := network.loss(moved)) <= best:
                    best, chosen = after, moved
            if chosen is None:
                return decision
            loss, decision = best, chosen

    def _require_attainable(self, limits: Mapping[str, float]) -> None:
        cost = self.network.cost(self.narrowest)
        for name, limit in limits.items():
            if cost[name] > limit:
                raise Infeasible(
                    f"budget {name} = {limit:.0f}, but the narrowest network that "
                    f"{RECIPE!r} makes takes {cost[name]:.0f}; raise the budget to "
                    "that, lower min_keep, multiple_of or rank_multiple, or leave "
                    "fewer layers out"
                )


def _some(step: list[int], levels: int | None) -> list[int]:
    if levels is None or len(step) <= levels:
        return step
    places = np.linspace(0, len(step) - 1, levels).round().astype(int)
    return [step[place] for place in places]


def _proven(
    solution: Solution | None, limits: Mapping[str, float], loss: float
) -> tuple[float, dict[str, float]]:
    """Give bound and prices; where there was nothing to choose there are none.

    Nor is there a bound where finer ranks lose less than it: it is not over those.
    """
    paid = None if solution is None else solution.duals.get("budgets")
    prices = {} if paid is None else dict(zip(limits, paid.tolist(), strict=True))
    if solution is None or solution.bound > loss + solution.resolution:
        return -math.inf, prices
    return min(solution.bound, loss), prices
