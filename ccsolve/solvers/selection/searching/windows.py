"""Search on factors too large to form Q: windows of channels, and sweeps on the image.

A window is a set of channels whose program, with all others held, is formed densely:
Q_WW = P_W·P_Wᵀ + diag and q_W such that both programs change alike.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ccsolve.kernels.annealing import FactorProgram, FactorWalk, anneal_factored
from ccsolve.kernels.search_state import BEST, Program
from ccsolve.problems import ChannelSelection
from ccsolve.problems.checks import frozen
from ccsolve.solvers.selection.searching.dense_program import program_from, value_of
from ccsolve.solvers.selection.searching.moves import Incumbent, Search

WINDOW = 1024
"""Channels of a window: 8 MB, and 0.3 Gflop to form at m = 256."""

_FRUITLESS = 4
"""Windows in a row that bring nothing before a search of them ends."""

HOTTEST, COLDEST = 0.5, 0.005
"""Temperatures of an annealing run, in units of the mean |change| of a random move."""

_PROPOSALS = 16_384
_SAMPLED_MOVES = 256

WindowSearch = Callable[[Program, Incumbent, np.ndarray], Search]


@dataclass
class FactorPoint:
    """A point with its image under the factor, which makes its gradient cheap.

    Attributes
    ----------
    z : (n,) bool; image : (m,) factor·z; value : zᵀQz + qᵀz.
    """

    z: np.ndarray
    image: np.ndarray
    value: float

    def flip(self, points: np.ndarray, channels: np.ndarray, by: float) -> None:
        """Flip channels, which changes the value by ``by``; O(m) each."""
        sign = np.where(self.z[channels], -1.0, 1.0)
        self.image = self.image + sign @ points[channels]
        self.z = self.z.copy()
        self.z[channels] = ~self.z[channels]
        self.value += by


def factor_point(problem: ChannelSelection, z: np.ndarray) -> FactorPoint:
    """Give a point with its image; O(mn)."""
    image = problem.factor @ z.astype(np.float64)  # pyright: ignore
    return FactorPoint(z, image, problem.objective(z) - problem.constant)


def changes(
    problem: ChannelSelection, point: FactorPoint, own: np.ndarray
) -> np.ndarray:
    """Give what flipping each channel alone adds, from ``own`` = Q_ii (n,); O(mn)."""
    _, points, diagonal, q = problem.arrays()
    gradient = 2.0 * (points @ point.image + diagonal * point.z) + q
    return own + np.where(point.z, -gradient, gradient)


def search_windows(
    problem: ChannelSelection,
    incumbent: Incumbent,
    z: np.ndarray,
    search: WindowSearch,
    rng: np.random.Generator,
) -> Search:
    """Search window after window until several in a row bring nothing.

    The first windows hold the channels that flip most cheaply on both sides; after one
    that brought nothing half of the channels are drawn at random.
    """
    point, fruitless = factor_point(problem, z), 0
    tolerance, own = incumbent.tolerance, problem.diagonal_of_Q()
    while fruitless < _FRUITLESS:
        channels = _choose(changes(problem, point, own), point.z, fruitless > 0, rng)
        program = window_program(problem, point, channels, tolerance)
        inner = Incumbent(problem, value=-np.inf)
        before = value_of(program, point.z[channels])
        found, value = yield from search(program, inner, point.z[channels])
        if value < before - tolerance:
            moved = channels[found != point.z[channels]]
            point.flip(problem.arrays().points, moved, value - before)
            fruitless = 0
        else:
            fruitless += 1
        yield incumbent.offer(point.z, point.value)
    return point.z, point.value


def _choose(
    change: np.ndarray, z: np.ndarray, mixed: bool, rng: np.random.Generator
) -> np.ndarray:
    """Give the channels of a window: from each side the cheapest, or half at random."""
    half = WINDOW // 2
    cheap = half // 2 if mixed else half
    chosen = []
    for side in (np.flatnonzero(z), np.flatnonzero(~z)):
        if side.size > half:
            order = np.argpartition(change[side], cheap)
            extra = rng.choice(order[cheap:], half - cheap, replace=False)
            side = side[np.concatenate([order[:cheap], extra])]
        chosen.append(side)
    return np.sort(np.concatenate(chosen))


def window_program(
    problem: ChannelSelection,
    point: FactorPoint,
    channels: np.ndarray,
    tolerance: float,
) -> Program:
    """Give the program of some channels with all others held; O(m·w²)."""
    _, points, diagonal, q = problem.arrays()
    rows, inside = points[channels], point.z[channels]
    Q = rows @ rows.T + np.diag(diagonal[channels])
    gradient = 2.0 * (rows @ point.image + diagonal[channels] * inside) + q[channels]
    cost = np.zeros(problem.n) if problem.cost is None else problem.cost
    outside = float(cost[point.z].sum() - cost[channels][inside].sum())
    return program_from(
        Q,
        gradient - 2.0 * (Q @ inside),
        cost[channels],
        problem.budget_limit - outside,
        None if problem.keep is None else int(inside.sum()),
        tolerance,
    )


def anneal_on_factor(
    problem: ChannelSelection,
    incumbent: Incumbent,
    z: np.ndarray,
    sweeps: int,
    state: np.ndarray,
) -> Search:
    """Cool from a point over ``sweeps`` times n proposals; O(m) each."""
    point = factor_point(problem, z)
    program, walk = _factor_program(problem, incumbent.tolerance), _walk(problem, point)
    scale = float(np.abs(_sampled_changes(problem, point, state)).mean())
    rounds = -(-problem.n // _PROPOSALS) * sweeps
    for temperature in scale * np.geomspace(HOTTEST, COLDEST, rounds):
        anneal_factored(program, walk, np.array([temperature]), _PROPOSALS, state)
        yield incumbent.offer(*_best(walk))
    return _best(walk)


def _factor_program(problem: ChannelSelection, tolerance: float) -> FactorProgram:
    _, points, diagonal, q = problem.arrays()
    cost = np.zeros(problem.n) if problem.cost is None else problem.cost
    return FactorProgram(
        points=points,
        linear=frozen(diagonal + q),
        cost=frozen(cost),
        limit=problem.budget_limit,
        counted=problem.keep is not None,
        tolerance=tolerance,
    )


def _walk(problem: ChannelSelection, point: FactorPoint) -> FactorWalk:
    cost = 0.0 if problem.cost is None else float(problem.cost[point.z].sum())
    order, kept = np.argsort(~point.z, kind="stable"), np.array([int(point.z.sum())])
    return FactorWalk(
        image=point.image.copy(),
        order=order,
        kept=kept,
        totals=np.array([point.value, point.value, cost]),
        best_order=order.copy(),
        best_kept=kept.copy(),
    )


def _best(walk: FactorWalk) -> tuple[np.ndarray, float]:
    z = np.zeros(walk.order.size, dtype=bool)
    z[walk.best_order[: walk.best_kept[0]]] = True
    return z, float(walk.totals[BEST])


def _sampled_changes(
    problem: ChannelSelection, point: FactorPoint, state: np.ndarray
) -> np.ndarray:
    """Give the changes of random swaps, or of random flips; O(m) each."""
    _, points, _, _ = problem.arrays()
    change = changes(problem, point, problem.diagonal_of_Q())
    rng = np.random.default_rng(state)
    kept, removed = np.flatnonzero(point.z), np.flatnonzero(~point.z)
    if problem.keep is None or kept.size == 0 or removed.size == 0:
        return change[rng.integers(problem.n, size=_SAMPLED_MOVES)]
    i, j = rng.choice(kept, _SAMPLED_MOVES), rng.choice(removed, _SAMPLED_MOVES)
    pair = np.einsum("ij,ij->i", points[i], points[j])
    return change[i] + change[j] - 2.0 * pair
