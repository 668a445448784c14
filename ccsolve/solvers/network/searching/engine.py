"""A search over a whole network: its program, its walk, its best point."""

import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass

import numpy as np

from ccsolve.iterate import Step
from ccsolve.kernels.network_arrays import Network, Walk
from ccsolve.kernels.network_exchange import costs_of, exchange
from ccsolve.kernels.network_moves import NEVER, Moves, look
from ccsolve.kernels.network_search import (
    FOREVER,
    chain,
    fill,
    kick,
    restart,
    search,
    shrink,
)
from ccsolve.kernels.network_state import BEST, IMPROVED, note_best
from ccsolve.problems import NetworkSelection
from ccsolve.problems.network_points import chosen
from ccsolve.solvers.network.searching.layout import network_of

_WORK = 2_000_000
"""Entries of Q that one step of the search may read: a few milliseconds."""

_EXCHANGED = 8_000_000
"""Channels that one step of exchanges may pass, times a constant: milliseconds."""

_TIGHT = 0.9
"""The share of a budget from which it has a price."""

_CHAIN = 40
"""Moves that both chains of a group are taken for."""


@dataclass(frozen=True, eq=False)
class Engine:
    """One search; the walk's arrays change, the record does not.

    Attributes
    ----------
    order : (n,) the channel that stands at each place of the kernels' program.
    state : (1,) of the random numbers.
    """

    problem: NetworkSelection
    net: Network
    order: np.ndarray
    walk: Walk
    moves: Moves
    state: np.ndarray

    @property
    def chunk(self) -> int:
        """Moves of one step."""
        per_move = self.problem.n * (4 + self.net.rows.points.shape[1]) + 100
        if self.net.coupled:
            per_move += 20 * self.problem.n + 10 * self.problem.count**2
        return max(1, _WORK // per_move)

    @property
    def is_whole(self) -> bool:
        """Whether the kernels' program holds Q as one matrix, (n, n)."""
        rows = self.net.rows
        return not rows.points.shape[1] and rows.values.size == self.problem.n**2

    @property
    def value(self) -> float:
        """The best value so far, without the constant; inf before the first point."""
        return float(self.walk.totals[BEST])

    @property
    def objective(self) -> float:
        """The objective of the best point so far; inf before the first."""
        return self.value + self.problem.constant

    def start(self, z: np.ndarray) -> None:
        """Go to a point (n,); it need not be within the budgets."""
        given = np.asarray(z, dtype=np.float64)
        sign = np.where(given[self.order] > 0.5, -1.0, 1.0)
        slope = 2.0 * self.problem.form.multiply(given) + self.problem.q
        change = self.net.own + sign * slope[self.order]
        value = self.problem.objective(given) - self.problem.constant
        restart(self.net, self.walk, self.moves, sign, change, value)
        note_best(self.net, self.walk)

    def forget(self) -> None:
        """Take no point for the best so far."""
        self.walk.totals[BEST] = np.inf

    def best(self) -> np.ndarray:
        """Give the best point so far, (n,) bool."""
        z = np.zeros(self.problem.n, dtype=bool)
        z[self.order] = self.walk.best_sign < 0
        return z

    def step(self, known: float) -> Step:
        """Report the best point where it is better than ``known``, else nothing."""
        if self.value >= known - (self.net.tolerance if known < math.inf else 0.0):
            return Step()
        z = self.best()
        if self.problem.violation(z) > 0:
            return Step()
        return Step(z, self.problem.objective(z))

    def shrunk(self) -> Iterator[Step]:
        """Shrink greedily until the budgets hold, then fill what they leave."""
        while not shrink(self.net, self.walk, self.moves, -1, self.chunk):
            yield Step()
        fill(self.net, self.walk, self.moves, -1)
        known = self.value
        note_best(self.net, self.walk)
        yield self.step(known)

    def descended(self) -> Iterator[Step]:
        """Descend by swaps and steps of width, then by chains, until none gains."""
        while True:
            yield from self.searched(0, 0)
            if not (yield from self._chained()):
                return

    def searched(self, tenure: int, patience: int) -> Iterator[Step]:
        """Make best moves: a descent where ``patience`` is 0, else a tabu search."""
        over = False
        while not over:
            known = self.value
            over = search(
                self.net,
                self.walk,
                self.moves,
                tenure,
                patience,
                self.chunk,
                self.state,
            )
            yield self.step(known)

    def _chained(self) -> Generator[Step, None, bool]:
        """Try a chain from every group, both ways; say whether any gained."""
        gained, known, every = False, self.value, max(1, self.chunk // _CHAIN)
        for g in range(self.problem.count):
            for direction in (1, -1):
                gained |= chain(self.net, self.walk, self.moves, g, direction)
            if (g + 1) % every == 0:
                yield self.step(known)
                known = self.value
        yield self.step(known)
        return gained

    def walked(self, tenure: int, patience: int) -> Iterator[Step]:
        """Search by tabu from where the walk is, until ``patience`` fruitless moves."""
        self.walk.clock[:] = 0
        self.walk.held[:] = 0
        self.walk.clock[IMPROVED] = 0
        self.moves.stale[:] = True
        yield from self.searched(tenure, patience)

    def exchanged(
        self, drops: int, tenure: int, patience: int, prices: np.ndarray | None = None
    ) -> Iterator[Step]:
        """Walk by exchanges from where the walk is, until so many bring no better."""
        self.walk.clock[:] = 0
        self.walk.held[:] = 0
        prices, over = self.prices() if prices is None else prices, False
        most = max(1, _EXCHANGED // (self.problem.n + 20 * self.problem.count))
        while not over:
            known = self.value
            over = exchange(
                self.net, self.walk, prices, drops, tenure, patience, most, self.state
            )
            yield self.step(known)

    def prices(self) -> np.ndarray:
        """Give what a unit of each budget is worth where the walk is, (B,).

        Half of what a step down adds and the step up after it would take off, in the
        median group: so that the curvature of either cancels. Budgets with room left
        are worth nothing.
        """
        net, walk, moves = self.net, self.walk, self.moves
        spent, shares = walk.spent / np.maximum(net.limit, 1e-300), []
        tight = spent > _TIGHT
        worth = np.where(tight, 1.0 / np.maximum(net.limit, 1e-300), 0.0)
        moves.stale[:] = True
        look(net, walk, moves, FOREVER, False, False)
        for gains, direction in ((moves.down, -1), (moves.up, 1)):
            costs = np.zeros(net.linear.shape)
            costs_of(net, walk, direction, costs)
            paid = worth @ costs
            told = (gains < NEVER) & (paid != 0)
            shares.append(np.where(told, -gains, np.nan) / np.where(told, paid, 1.0))
        found = 0.5 * (shares[0] + shares[1])
        found = found[np.isfinite(found)]
        return worth * max(float(np.median(found)) if len(found) else 0.0, 0.0)

    def kicked(self, count: int) -> None:
        """Go to the best point and change ``count`` groups at random."""
        self.start(self.best())
        kick(self.net, self.walk, self.moves, count, self.state)


def engine_of(problem: NetworkSelection, seed: int) -> Engine:
    """Prepare a search; it stands at the whole network, but for what is fixed."""
    net, order = network_of(problem)
    rng = np.random.default_rng(seed)
    state = rng.integers(1, 2**63, size=1, dtype=np.uint64)
    engine = Engine(problem, net, order, _walk(net), _moves(net), state)
    engine.start(whole(problem))
    return engine


def whole(problem: NetworkSelection) -> np.ndarray:
    """Give the widest network allowed, (n,) bool; it may break the budgets."""
    widest = np.array([allowed[-1] for allowed in problem.widths])
    return chosen(problem, widest, problem.form.diagonal_of_Q() + problem.q)


def _walk(net: Network) -> Walk:
    n, (budgets, groups) = len(net.q), net.linear.shape
    return Walk(
        change=np.zeros(n),
        sign=np.ones(n),
        held=np.zeros(n, dtype=np.int64),
        width=np.zeros(groups, dtype=np.int64),
        place=np.zeros(groups, dtype=np.int64),
        met=np.zeros((budgets, groups)),
        spent=np.zeros(budgets),
        timed=np.zeros(len(net.tables.budget)),
        totals=np.array([0.0, np.inf]),
        clock=np.zeros(3, dtype=np.int64),
        best_sign=np.ones(n),
    )


def _moves(net: Network) -> Moves:
    n, groups = len(net.q), net.linear.shape[1]
    return Moves(
        swap=np.zeros(groups),
        out=np.zeros(groups, dtype=np.int64),
        into=np.zeros(groups, dtype=np.int64),
        down=np.zeros(groups),
        up=np.zeros(groups),
        leave=np.zeros(n, dtype=np.int64),
        enter=np.zeros(n, dtype=np.int64),
        barred=np.zeros(n, dtype=bool),
        stale=np.ones(groups, dtype=bool),
        fitting=np.full((groups + 1, groups + 1), -1, dtype=np.int8),
    )
