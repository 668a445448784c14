"""Beams: near a relaxed point, the program as integer least squares, by K-best.

Where the loss joins groups, what is removed must cancel. Rounding a relaxed point adds
what the errors have to do with each other, and walks find no way back; deciding channel
by channel, the rest making up for each, keeps it in sight. On 0 and 1 multiples of
z_i² - z_i are nothing: they keep open channels from going astray, as the noise does in
the detectors that this is from (least mean squares V-BLAST: Hassibi, 2000). Channels
that the relaxation closes or keeps have multiples of their own, their bounds' prices:
with these, the relaxed point is best without bounds, too.
"""

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from scipy.linalg import get_lapack_funcs, solve_triangular

from ccsolve.iterate import Step
from ccsolve.kernels.integer_squares import order_by_variance
from ccsolve.problems.network_points import rounded
from ccsolve.problems.network_relaxed import relaxed_widths, slopes_at
from ccsolve.solvers.network.searching.engine import Engine
from ccsolve.solvers.network.searching.k_best import k_best
from ccsolve.solvers.network.searching.priced import Priced

TRIED = 256
"""Points of a beam that are held against the budgets."""

FEWEST, MOST = 48, 2_000
"""Channels that a beam decides at least, where there are so many, and at most."""

OPENED = (1.5, 2.0)
"""For each channel that the relaxation leaves open, how many a beam opens."""

OPEN = 1e-4
"""How far from 0 and 1 an entry of a relaxed point is open."""

HEAT = 1.8
"""Over the variance of the noise: the ridge, before chance has it more or less."""

SHUFFLED = 0.05
"""The part of the order by which a channel is decided later at most, at random."""


@dataclass(frozen=True, eq=False)
class Guide:
    """A relaxed point (n,), and what a unit of each budget is worth there, (B,).

    `value` is its objective, without the constant; `aims` (B,) is about what beams near
    it spend of each budget. Widths are whole, so a budget can seldom be spent exactly;
    aimed at the budget itself, many of a beam's points would break it.
    """

    point: np.ndarray
    prices: np.ndarray
    value: float
    aims: np.ndarray

    @property
    def inner(self) -> np.ndarray:
        """Say which entries are neither 0 nor 1, (n,)."""
        return (self.point > OPEN) & (self.point < 1.0 - OPEN)


@dataclass(frozen=True, eq=False)
class Beams:
    """Beams in the program of a search, whose Q is laid out whole."""

    engine: Engine

    def nearest(
        self, guide: Guide, part: float, drawn: float, rng: np.random.Generator
    ) -> np.ndarray:
        """Say which channels (n,) to open near a guide: open there, or nearly so.

        A ``part`` of `OPENED`. What is ``drawn`` at most is added to reduced costs in
        units of their median.
        """
        y, inner = guide.point, guide.inner
        reduced = self._pushes(guide)
        middle = float(np.median(reduced[~inner])) if not inner.all() else 0.0
        unit = middle or float(reduced.max()) or 1.0
        count = max(FEWEST, int(part * rng.uniform(*OPENED) * inner.sum()))
        order = np.argsort(reduced / unit + drawn * rng.random(len(y)))
        opened = np.zeros(len(y), dtype=bool)
        opened[order[: min(count, MOST)]] = True
        return opened

    def beamed(
        self,
        y: np.ndarray,
        opened: np.ndarray,
        guide: Guide,
        excess: float,
        kept: int,
        rng: np.random.Generator,
    ) -> Generator[Step, None, np.ndarray]:
        """Give a point (n,) bool that decides the ``opened`` channels anew.

        The others are as y (n,) rounds; budgets are priced (`Priced`) at the widths of
        y; at the end they may be broken by a little. ``excess`` is what the best point
        loses more than the guide: so much noise, over the channels that are open there,
        the search has to bear. Where that leaves the program not convex, it bears more
        (`Priced.root`). O(n² + m³ + ``kept``·m²) for m channels.
        """
        order, net = self.engine.order, self.engine.net
        noise = max(excess, 0.0) / max(int(guide.inner.sum()), 1)
        ridge = (
            HEAT * noise * 2.0 ** rng.uniform(-0.5, 0.5) + self._pushes(guide)[order]
        )
        free = opened[order] & ~net.locked
        free[rng.permutation(np.flatnonzero(free))[MOST:]] = False
        stays, open_ = (y[order] > 0.5) & ~free, np.flatnonzero(free)
        if not len(open_):
            return rounded(self.engine.problem, y)
        model = Priced.near(self.engine, y, guide.prices, guide.aims)
        block, ridge = model.block(open_), ridge[open_]
        R, ridge = model.root(block, ridge)
        yield Step()
        last = _last_to_first(R, rng)
        yield Step()
        block, ridge = block[np.ix_(last, last)], ridge[last]
        points = yield from _decided(model, stays, open_[last], block, ridge, kept)
        return self._settled(points, model)

    def _pushes(self, guide: Guide) -> np.ndarray:
        """Give how hard a guide is held at 0 or 1 by each channel's bounds, (n,).

        These are the multipliers of z_i² - z_i ≤ 0; where the guide is not optimal, and
        would leave a bound, as large as what draws it off.
        """
        problem, y = self.engine.problem, guide.point
        costs = guide.prices @ slopes_at(problem, relaxed_widths(problem, y))
        gradient = 2.0 * problem.form.multiply(y) + problem.q
        return np.where(guide.inner, 0.0, np.abs(gradient + costs[problem.groups]))

    def _settled(self, points: np.ndarray, model: Priced) -> np.ndarray:
        """Give the first of points within the budgets, else the first, on the ladders.

        Where a ladder asks for more channels or fewer, the gradient says which.
        """
        problem, order = self.engine.problem, self.engine.order
        z, gain = np.empty(points.shape, dtype=bool), np.empty(problem.n)
        z[:, order] = points
        within = (
            at for at, point in enumerate(z) if problem.fits(problem.widths_of(point))
        )
        at = next(within, 0)
        gain[order] = model.slope(points[at])
        wanted = z[at] - 1e-3 * gain / max(np.abs(gain).sum(), 1e-300)
        return rounded(problem, wanted)


def _decided(
    model: Priced,
    stays: np.ndarray,
    open_: np.ndarray,
    block: np.ndarray,
    ridge: np.ndarray,
    kept: int,
) -> Generator[Step, None, np.ndarray]:
    """Give points (·, n), cheapest first, whose channels in some places are decided.

    ``block`` (m, m) is the model's of these places, ``ridge`` (m,) what is added.
    """
    R, ridge = model.root(block, ridge)
    linear = model.slope(stays)[open_] - ridge
    target = -0.5 * solve_triangular(R, solve_triangular(R, linear, trans=1))
    found, _ = yield from k_best(R, target, kept, TRIED)
    points = np.repeat(stays[None], len(found), axis=0)
    points[:, open_] = found
    return points


def _last_to_first(R: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Give an order (m,) for RᵀR whose last entry is best decided first, about."""
    m = len(R)
    (inverse_of_root,) = get_lapack_funcs(("potri",), (R,))
    upper, _ = inverse_of_root(R)
    rank, order = np.empty(m), np.empty(m, dtype=np.int64)
    variances = np.ascontiguousarray(upper.T) / upper.diagonal().max(initial=0.0)
    order_by_variance(variances, order)
    rank[order] = np.arange(m)
    return np.argsort(-(rank + SHUFFLED * m * rng.random(m)))
