"""Dives: a relaxed point is rounded entry by entry, the rest making up for each.

Rounding all at once adds what the errors have to do with each other. Here the channels
of the largest Q_ii are closed first, while many others are open that can take back the
error along every direction in which Q is steep: decision feedback, as detectors of
integer least squares have it (Foschini's V-BLAST, 1996; Babai's nearest plane, 1986).
"""

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from ccsolve.iterate import Step
from ccsolve.kernels.network_boxes import close_entries, descend_matrix
from ccsolve.problems import NetworkSelection, WidthBudget
from ccsolve.problems.network_points import rounded
from ccsolve.solvers.network.searching.engine import Engine

SETTLED, SWEEPS = 5, 2
"""Sweeps before the first entry is closed, and after each."""

CHUNK, _WORK = 8, 8_000_000
"""Entries closed at most before prices are looked at; entries of Q read by then."""

SPREAD = 0.5
"""What is drawn at most is added to the rank -log Q_ii: no dive is like another."""

_MOST = 2.0
"""The factor by which prices rise or fall at most between entries."""


@dataclass(frozen=True, eq=False)
class Diver:
    """Dives in the program of a search, whose Q is laid out whole.

    Attributes
    ----------
    prices : (B,) what a unit of each budget is worth.
    """

    engine: Engine
    prices: np.ndarray

    def dived(
        self, y: np.ndarray, free: np.ndarray, rng: np.random.Generator
    ) -> Generator[Step, None, np.ndarray]:
        """Give a point (n,) bool near to y (n,); channels not ``free`` stay.

        The price of the costs follows what the open widths cost, so that the budgets
        are just kept; a point may still break them by a little. O(n²) a sweep at most.
        """
        problem, order = self.engine.problem, self.engine.order
        Q, own = _matrix(self.engine), self.engine.net.own
        at, groups = y[order].astype(np.float64), problem.groups[order]
        open_ = free[order] & ~self.engine.net.locked
        priced = self._slopes(_widths(problem, groups, at))
        linear = self.engine.net.q + priced[groups]
        slope = problem.form.multiply(y.astype(np.float64))[order]
        rank = SPREAD * rng.random(len(at)) - np.log(np.maximum(own, 1e-300))
        for _ in range(SETTLED):
            descend_matrix(Q, 0.0, linear, open_, at, slope, 1)
            yield Step()
        scale, chunk = 1.0, max(1, min(CHUNK, _WORK // problem.n**2))
        while True:
            parts = (Q, linear, open_, at, slope, rank)
            if close_entries(*parts, SWEEPS, chunk) < chunk:
                break
            yield Step()
            k = _widths(problem, groups, at)
            scale *= np.clip(_used(problem, k), 1.0 / _MOST, _MOST)
            priced, before = scale * self._slopes(k), priced
            linear += (priced - before)[groups]
        found = np.empty(problem.n)
        # Where a ladder asks for more or fewer, the gradient says which.
        gain = 2.0 * slope + linear
        found[order] = (at > 0.5) - 1e-3 * gain / max(np.abs(gain).sum(), 1e-300)
        return rounded(problem, found)

    def _slopes(self, k: np.ndarray) -> np.ndarray:
        """Give what a channel of each group costs at widths k, at the prices, (G,)."""
        net, found = self.engine.net, np.zeros(len(k))
        for t in np.flatnonzero(self.prices):
            budget = self.engine.problem.budgets[t]
            if budget.tables:
                found += self.prices[t] * _differences(budget, self.engine.problem, k)
            else:
                found += self.prices[t] * (net.linear[t] + 2.0 * net.square[t] @ k)
        return found


def _matrix(engine: Engine) -> np.ndarray:
    n = engine.problem.n
    return engine.net.rows.values.reshape(n, n)


def _widths(problem: NetworkSelection, groups: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.bincount(groups, weights=y, minlength=problem.count)


def _used(problem: NetworkSelection, k: np.ndarray) -> float:
    """Give the largest share of a budget that widths use; of those that have room."""
    room = problem.limits > 0.0
    shares = problem.spent_at(k)[room] / problem.limits[room]
    return float(shares.max(initial=0.0))


def _differences(
    budget: WidthBudget, problem: NetworkSelection, k: np.ndarray
) -> np.ndarray:
    """Give the slope of the costs over an eighth of each group, for costs by steps."""
    found = np.zeros(len(k))
    for g, ladder in enumerate(problem.widths):
        reach, ends = max(1.0, ladder[-1] / 8.0), [k.copy(), k.copy()]
        ends[0][g] = max(k[g] - reach, 0.0)
        ends[1][g] = min(k[g] + reach, float(ladder[-1]))
        if ends[1][g] > ends[0][g]:
            rise = budget.at(ends[1]) - budget.at(ends[0])
            found[g] = rise / (ends[1][g] - ends[0][g])
    return found
