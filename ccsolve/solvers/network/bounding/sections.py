"""One group's part of a separable function: bounds and points at every width."""

import math
from dataclasses import dataclass, field

import numpy as np

from ccsolve.iterate import Limits
from ccsolve.kernels.network_curves import least_by_count, search_by_count
from ccsolve.linalg.rounding import EPS, gamma
from ccsolve.problems import ChannelSelection
from ccsolve.solvers.network.bounding.spheres import Spheres, spheres_of
from ccsolve.solvers.selection import branch_and_bound

ENUMERABLE = 18
"""Free channels up to which every point is scored: 2¹⁸ of them in 0.1 s."""

_PATIENCE, _SEARCHED = 300, 20_000_000
"""Fruitless swaps that end the search at a width; less where n² is large."""


@dataclass(frozen=True, eq=False)
class Section:
    """min zᵀQz + qᵀz over the free channels of a group, at every width of its ladder.

    Without Q the least entries of q are the answer, and there is nothing to prove.

    Attributes
    ----------
    free, kept : places within the group of its free channels, and of those fixed to
        stay, whose part is in q and in ``constant``.
    counts : (K,) how many free channels each width of the ladder keeps.
    lower : (K,) proven bounds; they only rise.
    upper, points : (K,) values and (K, f) bool, the best points known.
    attempts : (K,) how often a proof was tried.
    """

    Q: np.ndarray | None
    q: np.ndarray
    constant: float
    free: np.ndarray
    kept: np.ndarray
    counts: np.ndarray
    error: float
    lower: np.ndarray
    upper: np.ndarray
    points: np.ndarray
    attempts: np.ndarray = field(repr=False)

    def mask(self, place: int, size: int) -> np.ndarray:
        """Give the best point known at a width, (size,) bool over the group."""
        z = np.zeros(size, dtype=bool)
        z[self.kept] = True
        z[self.free] = self.points[place]
        return z

    def finish(self, spheres: Spheres, g: int) -> None:
        """Search and bound what a hasty section leaves out; O(n²) a width and more."""
        assert self.Q is not None
        n, size = len(self.q), float(np.abs(self.Q).sum() + np.abs(self.q).sum())
        asked = np.flatnonzero((self.counts > 0) & (self.counts < n))
        raised = spheres.bounds(self.q, self.counts[asked]) + self.constant - self.error
        self.lower[asked] = np.maximum(self.lower[asked], raised)
        least, points = _searched(self.Q, self.q, size, g, hasty=False)
        found = least[self.counts] + self.constant
        better = found < self.upper
        self.upper[better] = found[better]
        self.points[better] = points[self.counts[better]]

    def support(self, slope: float, limits: Limits, seed: int) -> None:
        """Raise all bounds to the line of that slope that supports the curve.

        The least of zᵀQz + qᵀz + slope·1ᵀz over all points, found and proven by one
        branch and bound, is no more than lower + slope·count at any width.
        """
        assert self.Q is not None
        program = ChannelSelection(self.Q, self.q + slope)
        found = branch_and_bound.solve(program, limits, seed=seed, cuts=10)
        line = found.bound - slope * self.counts + self.constant
        rounding = self.error + 8.0 * EPS * abs(slope) * len(self.q)
        np.maximum(self.lower, line - rounding, out=self.lower)
        if found.x is not None:
            self.offer(found.x)

    def offer(self, z: np.ndarray) -> None:
        """Take a point where it is the best of its width."""
        for place in np.flatnonzero(self.counts == z.sum()):
            value = float(self.q @ z) + self.constant
            value += 0.0 if self.Q is None else float(z @ (self.Q @ z))
            if value < self.upper[place]:
                self.upper[place] = value
                self.points[place] = z

    def slope_at(self, place: int, wanted: float) -> float:
        """Give the slope nearest to a wanted one of which a line touches the points.

        That is, at the width of that place: value + slope·count is least there, as far
        as points are known. Where costs rise by steps their own slope says little.
        """
        drop = self.upper[place] - self.upper
        beyond = self.counts - self.counts[place]
        wider, narrower = beyond > 0, beyond < 0
        least = float((drop[wider] / beyond[wider]).max(initial=-math.inf))
        most = float((drop[narrower] / beyond[narrower]).min(initial=math.inf))
        if least > most:
            return 0.5 * (least + most)
        return min(max(wanted, least), most)

    def supported_gap(self, slope: float) -> float:
        """Give how far a line of that slope may rise from bounds to values."""
        line = slope * self.counts
        return float((self.upper + line).min() - (self.lower + line).min())

    def prove(self, place: int, limits: Limits, seed: int) -> None:
        """Raise the bound at a width by branch and bound, as the limits allow."""
        assert self.Q is not None
        keep = int(self.counts[place])
        self.attempts[place] += 1
        program = ChannelSelection(self.Q, self.q, keep=keep, constant=self.constant)
        found = branch_and_bound.solve(program, limits, seed=seed, cuts=10)
        self.lower[place] = max(self.lower[place], found.bound - self.error)
        if found.x is not None:
            self.offer(found.x)


def section_of(
    Q: np.ndarray,
    q: np.ndarray,
    fixed: np.ndarray,
    widths: np.ndarray,
    spheres: dict[int, Spheres],
    g: int,
    *,
    hasty: bool = False,
) -> Section:
    """Give the section of group g: points by descents, bounds by spectrum or count.

    ``spheres`` holds the spectra of the free channels' blocks; what is missing is put
    there. ``hasty``: one way up without tabu search, and no bound of a box; what lacks
    is `Section.finish`'s.
    """
    free, kept = np.flatnonzero(fixed == -1), np.flatnonzero(fixed == 1)
    own = np.ascontiguousarray(Q[np.ix_(free, free)])
    linear = q[free] + 2.0 * Q[np.ix_(free, kept)].sum(axis=1)
    constant = float(Q[np.ix_(kept, kept)].sum() + q[kept].sum())
    size = float(np.abs(Q).sum() + np.abs(q).sum())
    n, counts = len(free), widths - len(kept)
    error = 4.0 * gamma(2 * len(q) + 16) * size
    least, points = _searched(own, linear, size, g, hasty=hasty)
    lower = np.full(n + 1, -math.inf)
    if 0 < n <= ENUMERABLE:
        least_by_count(own, linear, least, points)
        lower = least - _drift(own, linear)
    elif n:
        if g not in spheres:
            spheres[g] = spheres_of(own)
        asked = np.unique(counts[(counts > 0) & (counts < n)])
        lower[asked] = spheres[g].bounds(linear, asked, boxes=not hasty)
    # No and all channels leave no choice: the values stand, but for their rounding.
    lower[[0, n]] = least[[0, n]] - error
    return Section(
        own,
        linear,
        constant,
        free,
        kept,
        counts,
        error,
        lower[counts] + constant - error,
        least[counts] + constant,
        points[counts],
        np.zeros(len(counts), dtype=np.int64),
    )


def linear_section_of(q: np.ndarray, fixed: np.ndarray, widths: np.ndarray) -> Section:
    """Give the section of a group without a block: the least entries; O(K·n)."""
    free, kept = np.flatnonzero(fixed == -1), np.flatnonzero(fixed == 1)
    linear, counts = q[free], widths - len(kept)
    order = np.argsort(linear, kind="stable")
    rank = np.empty(len(free), dtype=np.int64)
    rank[order] = np.arange(len(free))
    totals = np.concatenate([[0.0], np.cumsum(linear[order])])
    error = 4.0 * gamma(2 * len(q) + 16) * float(np.abs(q).sum())
    values = totals[counts] + float(q[kept].sum())
    return Section(
        None,
        linear,
        float(q[kept].sum()),
        free,
        kept,
        counts,
        error,
        values - error,
        values,
        rank < counts[:, None],
        np.zeros(len(counts), dtype=np.int64),
    )


def _searched(
    Q: np.ndarray, q: np.ndarray, size: float, g: int, *, hasty: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Give values (n + 1,) and points (n + 1, n) of every count; ``size`` Σ|data|."""
    n = len(q)
    least, points = np.full(n + 1, math.inf), np.zeros((n + 1, n), dtype=bool)
    state = np.array([g + 1], dtype=np.uint64)
    patience = 0 if hasty else max(20, min(_PATIENCE, _SEARCHED // max(n, 1) ** 2))
    ways = 1 if hasty else 3
    search_by_count(Q, q, least, points, 1e-14 * size, patience, ways, state)
    return least, points


def _drift(Q: np.ndarray, q: np.ndarray) -> float:
    """Bound the rounding in a running value, as for `enumerate_all` of selections."""
    n = len(q)
    gradient = float((2.0 * np.abs(Q).sum(axis=1) + np.abs(q)).max(initial=0.0))
    return (960 + 32 * n + 2 * n * n) * 0.5 * EPS * gradient
