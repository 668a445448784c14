"""Marginal analysis: the steps that pay least go first; a good point, no bound."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ccsolve.recipes.bills import Bills
from ccsolve.recipes.ladders import Ladder, ladders
from ccsolve.recipes.steps import admissible_steps, require_attainable
from ccsolve.statistics import Statistics

Array = NDArray[np.float64]
Places = NDArray[np.int64]


def marginal_widths(
    stats: Statistics,
    limits: Mapping[str, float],
    losses: Mapping[str, Array],
    *,
    multiple_of: int = 1,
    min_keep: int = 1,
    fixed: Mapping[str, int] | None = None,
    between: Mapping[str, tuple[int, int]] | None = None,
) -> dict[str, int]:
    """Give widths k that keep Σ_g loss_g(k_g) small within the budgets.

    Marginal analysis: from the dense network down, the step goes that raises the loss
    least per cost saved, until every budget holds; then the step that lowers the loss
    most per cost is put back, until none fits. Savings are exact at the present
    widths, for costs are products of widths. A saving counts relative to what its
    budget still lacks; budgets that hold do not count. For one budget and constant
    savings these are the points of the Lagrangian. There is no bound.

    Losses are made convex first, see `Ladder`.

    Parameters
    ----------
    stats
        The groups and the cost model.
    limits
        By resource ("macs", "params"): the absolute amount that may remain.
    losses
        By group: (size + 1,) the loss when 0, 1, ..., size classes have gone.
    multiple_of, min_keep, fixed, between
        See `admissible_steps`.

    Returns
    -------
    A width for every group. O(G²) per step that goes, for G groups.

    Raises
    ------
    Infeasible
        A budget is below the cost of the narrowest network allowed.
    """
    steps = admissible_steps(stats, multiple_of, min_keep, fixed, between)
    require_attainable(stats, limits, {name: step[0] for name, step in steps.items()})
    rungs = list(ladders(steps, losses).values())
    budget = _Budget(stats, limits, Bills.of(stats, list(limits), steps))
    return _filled_up(budget, rungs, _cut_down(budget, rungs))


def filled_up(
    stats: Statistics,
    limits: Mapping[str, float],
    rungs: Mapping[str, Ladder],
    widths: Mapping[str, int],
) -> dict[str, int]:
    """Put back what fits: the step that lowers the loss most per cost, until none does.

    `widths` are on the ladders and within the limits.
    """
    steps = {name: ladder.widths.tolist() for name, ladder in rungs.items()}
    budget = _Budget(stats, limits, Bills.of(stats, list(limits), steps))
    places = np.array(
        [np.searchsorted(rungs[name].widths, widths[name]) for name in stats.groups]
    )
    return _filled_up(budget, list(rungs.values()), places)


@dataclass(frozen=True, eq=False)
class _Budget:
    """What widths cost, and what may be spent."""

    stats: Statistics
    limits: Mapping[str, float]
    bills: Bills

    def named(self, k: Places) -> dict[str, int]:
        """Give the widths by group."""
        return dict(zip(self.stats.groups, k.tolist(), strict=True))

    def excess(self, k: Places) -> Array:
        """Give by how much each limit is exceeded, (B,)."""
        found = self.bills.at(k) - np.array(list(self.limits.values()))
        if (found > 0).any():
            return found
        # That was quick, up to rounding; this is how the plan will count.
        cost = self.stats.cost(self.named(k))
        return np.array([cost.of(name) - most for name, most in self.limits.items()])


@dataclass(frozen=True, eq=False)
class _Moves:
    """One step of every group alone: width now, its change, the loss's change.

    Both changes are NaN where the group has no further step.
    """

    k: Places
    by: Array
    rises: Array

    @classmethod
    def of(cls, rungs: Sequence[Ladder], places: Places, step: int) -> "_Moves":
        moves = [
            _move(ladder, int(place), int(place) + step)
            for ladder, place in zip(rungs, places, strict=True)
        ]
        k, by, rises = zip(*moves, strict=True)
        return cls(np.array(k, dtype=np.int64), np.array(by), np.array(rises))


def _move(ladder: Ladder, place: int, to: int) -> tuple[int, float, float]:
    width = int(ladder.widths[place])
    if not 0 <= to < len(ladder.widths):
        return width, np.nan, np.nan
    return width, ladder.widths[to] - width, ladder.losses[to] - ladder.losses[place]


def _cut_down(budget: _Budget, rungs: Sequence[Ladder]) -> Places:
    """Let the step go that raises the loss least per saving, until all budgets hold."""
    places = np.array([len(ladder.widths) - 1 for ladder in rungs])
    moves = _Moves.of(rungs, places, -1)
    while ((excess := budget.excess(moves.k)) > 0).any():
        saved = -budget.bills.changes(moves.k, moves.by)[excess > 0]
        worth = (saved / excess[excess > 0, None]).sum(axis=0)
        rates = np.divide(
            moves.rises, worth, out=np.full(len(worth), np.nan), where=worth > 0
        )
        if np.isnan(rates).all():
            # On a plateau of latency, or with two steps at the peak, none saves alone.
            rates = moves.rises
        places[np.nanargmin(rates)] -= 1
        moves = _Moves.of(rungs, places, -1)
    return places


def _filled_up(
    budget: _Budget, rungs: Sequence[Ladder], places: Places
) -> dict[str, int]:
    """Put the step back that lowers the loss most per cost, until none fits."""
    scales = np.maximum(list(budget.limits.values()), 1e-300)[:, None]
    closed = np.zeros(len(rungs), dtype=bool)
    while True:
        moves = _Moves.of(rungs, places, 1)
        # Costs only grow with what is put back: what does not fit never fits later.
        closed |= np.isnan(moves.rises)
        if closed.all():
            return budget.named(moves.k)
        prices = (budget.bills.changes(moves.k, moves.by) / scales).sum(axis=0)
        rates = np.where(closed, np.inf, moves.rises / np.maximum(prices, 1e-300))
        chosen = int(rates.argmin())
        wider = moves.k.copy()
        wider[chosen] += int(moves.by[chosen])
        if (budget.excess(wider) > 0).any():
            closed[chosen] = True
        else:
            places[chosen] += 1
