"""Widths allocated over the groups: the steps that pay least go first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ccsolve.recipes.bills import Bills
from ccsolve.recipes.steps import admissible_steps, require_attainable
from ccsolve.statistics import Statistics

Array = NDArray[np.float64]
Places = NDArray[np.int64]


def allocated_widths(
    stats: Statistics,
    limits: Mapping[str, float],
    losses: Mapping[str, Array],
    *,
    multiple_of: int = 1,
    min_keep: int = 1,
) -> dict[str, int]:
    """Give widths k that keep Σ_g loss_g(k_g) small within the budgets.

    Marginal analysis: from the dense network down, the step goes that raises the loss
    least per cost saved, until every budget holds; then the step that lowers the loss
    most per cost is put back, until none fits. Savings are exact at the present
    widths, for costs are products of widths. A saving counts relative to what its
    budget still lacks; budgets that hold do not count. For one budget and constant
    savings these are the points of the Lagrangian. There is no bound.

    A step never counts for less than the steps before it in its group, and not below
    0: a quadratic loss may fall again as a group empties, far from where it was
    fitted, and an allocation that believes it empties the group.

    Parameters
    ----------
    stats
        The groups and the cost model.
    limits
        By resource ("macs", "params"): the absolute amount that may remain.
    losses
        By group: (size + 1,) the loss when 0, 1, ..., size classes have gone.
    multiple_of, min_keep
        See `admissible_steps`.

    Returns
    -------
    A width for every group. O(G²) per step that goes, for G groups.

    Raises
    ------
    Infeasible
        A budget is below the cost of the narrowest network allowed.
    """
    steps = admissible_steps(stats, multiple_of, min_keep)
    require_attainable(stats, limits, {name: step[0] for name, step in steps.items()})
    ladders = [
        _Ladder.of(np.array(widths), np.asarray(losses[name], dtype=float))
        for name, widths in steps.items()
    ]
    budget = _Budget(stats, limits, Bills.of(stats, list(limits)))
    return _filled_up(budget, ladders, _cut_down(budget, ladders))


@dataclass(frozen=True, eq=False)
class _Ladder:
    """The widths that a group may have, rising, and the loss at each, convex."""

    widths: NDArray[np.int64]
    losses: Array

    @classmethod
    def of(cls, widths: NDArray[np.int64], losses: Array) -> "_Ladder":
        """Take the losses by classes gone; each further one counts for no less."""
        rises = np.maximum.accumulate(np.maximum(np.diff(losses), 0.0))
        convex = np.concatenate([[0.0], np.cumsum(rises)])
        return cls(widths, convex[widths[-1] - widths])


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
        return np.array(
            [getattr(cost, name) - most for name, most in self.limits.items()]
        )


@dataclass(frozen=True, eq=False)
class _Moves:
    """One step of every group alone: width now, its change, the loss's change.

    Both changes are NaN where the group has no further step.
    """

    k: Places
    by: Array
    rises: Array

    @classmethod
    def of(cls, ladders: Sequence[_Ladder], places: Places, step: int) -> "_Moves":
        moves = [
            _move(ladder, int(place), int(place) + step)
            for ladder, place in zip(ladders, places, strict=True)
        ]
        k, by, rises = zip(*moves, strict=True)
        return cls(np.array(k, dtype=np.int64), np.array(by), np.array(rises))


def _move(ladder: _Ladder, place: int, to: int) -> tuple[int, float, float]:
    width = int(ladder.widths[place])
    if not 0 <= to < len(ladder.widths):
        return width, np.nan, np.nan
    return width, ladder.widths[to] - width, ladder.losses[to] - ladder.losses[place]


def _cut_down(budget: _Budget, ladders: Sequence[_Ladder]) -> Places:
    """Let the step go that raises the loss least per saving, until all budgets hold."""
    places = np.array([len(ladder.widths) - 1 for ladder in ladders])
    moves = _Moves.of(ladders, places, -1)
    while ((excess := budget.excess(moves.k)) > 0).any():
        saved = -budget.bills.changes(moves.k, moves.by)[excess > 0]
        worth = (saved / excess[excess > 0, None]).sum(axis=0)
        rates = np.divide(
            moves.rises, worth, out=np.full(len(worth), np.nan), where=worth > 0
        )
        places[np.nanargmin(rates)] -= 1
        moves = _Moves.of(ladders, places, -1)
    return places


def _filled_up(
    budget: _Budget, ladders: Sequence[_Ladder], places: Places
) -> dict[str, int]:
    """Put the step back that lowers the loss most per cost, until none fits."""
    scales = np.maximum(list(budget.limits.values()), 1e-300)[:, None]
    closed = np.zeros(len(ladders), dtype=bool)
    while True:
        moves = _Moves.of(ladders, places, 1)
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
