"""Greedy choice: add or delete one channel at a time, whichever changes it best."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ccsolve.errors import InvalidProblem
from ccsolve.iterate import Limits, Step, run
from ccsolve.kernels.greedy_choice import NEVER, greedy_block, scores
from ccsolve.problems import ChannelSelection
from ccsolve.problems.checks import frozen
from ccsolve.solution import Solution
from ccsolve.solvers.selection.searching.dense_program import FORMED_LIMIT

Direction = Literal["add", "delete", "best"]

_SHORTLIST, _BLOCK = 1024, 128
"""On large factors 128 decisions are taken among 1,024 channels of a full gradient."""

_WORK = 500_000
"""Multiplications of one step, about 2 ms."""


def solve(
    problem: ChannelSelection,
    limits: Limits,
    *,
    direction: Direction = "best",
) -> Solution:
    """Add channels to none, or delete them from all, one by one; a heuristic, no bound.

    Every decision takes the channel that changes the objective best, exactly; under a
    budget without ``keep``, per unit of cost. A channel that would leave the rest
    unaffordable is passed over. O(n) per decision, O(mn) on a factor; factors of more
    than 4,096 channels look at a shortlist, refreshed every 128 decisions.

    Parameters
    ----------
    direction : "add", "delete", or "best" for both and the better answer.

    Raises
    ------
    InvalidProblem
        For another direction.
    """
    if direction not in ("add", "delete", "best"):
        raise InvalidProblem(
            f"direction = {direction!r}; expected 'add', 'delete' or 'best'"
        )
    return run(steps(problem, direction), limits)


def steps(problem: ChannelSelection, direction: Direction = "best") -> Iterator[Step]:
    """Give empty steps while a choice grows and one step with each finished point."""
    for adding in (True, False):
        if direction in ("best", "add" if adding else "delete"):
            yield from _choice(problem, adding)


def _choice(problem: ChannelSelection, adding: bool) -> Iterator[Step]:
    """Grow from nothing, or shrink from everything, until no flip is allowed."""
    growth = _Growth.start(problem, adding)
    while growth.decide():
        yield Step()
    if problem.violation(growth.kept) == 0:
        yield Step(growth.kept, problem.objective(growth.kept))


@dataclass(frozen=True, eq=False)
class _Growth:
    """A choice in progress; the kernel writes into ``gradient`` and ``kept``.

    Attributes
    ----------
    own, cost, by_cost : (n,) Q_ii, costs, channels by rising cost.
    image : (m,) factor·kept, as of the last full gradient of a large factor.
    block : decisions between two looks at the clock, or between two full gradients.
    """

    problem: ChannelSelection
    adding: bool
    own: np.ndarray
    cost: np.ndarray
    by_cost: np.ndarray
    gradient: np.ndarray
    kept: np.ndarray
    image: np.ndarray
    score: np.ndarray
    block: int

    @staticmethod
    def start(problem: ChannelSelection, adding: bool) -> "_Growth":
        n, factor = problem.n, problem.factor
        cost = np.zeros(n) if problem.cost is None else problem.cost
        kept = np.full(n, not adding)
        work = n * (problem.rank if problem.is_factored else 1)
        return _Growth(
            problem=problem,
            adding=adding,
            own=problem.diagonal_of_Q(),
            cost=frozen(cost),
            by_cost=np.argsort(cost, kind="stable"),
            gradient=2.0 * problem.multiply(kept.astype(np.float64)) + problem.q,
            kept=kept,
            image=np.zeros(0) if factor is None else factor @ kept,
            score=np.empty(n),
            block=max(1, _WORK // (work + 1)),
        )

    def decide(self) -> bool:
        """Take a block of decisions; False once no flip is allowed."""
        if self.problem.is_factored and self.problem.n > FORMED_LIMIT:
            active, before = self._shortlist(), self.kept.copy()
            made = self._decide_among(active, _BLOCK)
            moved = self.problem.arrays().points[before != self.kept].sum(axis=0)
            self.image[:] += moved if self.adding else -moved
            return made > 0
        return self._decide_among(np.arange(self.problem.n), self.block) == self.block

    def _decide_among(self, active: np.ndarray, decisions: int) -> int:
        Q, points, diagonal, _ = self.problem.arrays()
        return greedy_block(
            Q,
            points,
            diagonal,
            self.own,
            self.cost,
            self.by_cost,
            self.problem.budget_limit,
            -1 if self.problem.keep is None else self.problem.keep,
            self.adding,
            active,
            self.gradient,
            self.kept,
            decisions,
            self.score,
        )

    def _shortlist(self) -> np.ndarray:
        """Give the best channels by a full gradient, and as many without it; O(mn).

        Where channels cancel, the gradient turns within a block: then those of small
        Q_ii + q_i are the ones wanted, not those that fit the gradient of its start.
        """
        problem = self.problem
        _, points, diagonal, q = problem.arrays()
        self.gradient[:] = 2.0 * (points @ self.image + diagonal * self.kept) + q
        scores(
            self.own,
            self.cost,
            self.by_cost,
            problem.budget_limit,
            -1 if problem.keep is None else problem.keep,
            self.adding,
            np.arange(problem.n),
            self.gradient,
            self.kept,
            float(self.cost[self.kept].sum()),
            int(self.kept.sum()),
            self.score,
        )
        alone = self.own + q if self.adding else -self.own - q
        alone = np.where(self.score < NEVER, alone, NEVER)
        half = _SHORTLIST // 2
        best = [np.argpartition(score, half)[:half] for score in (self.score, alone)]
        return np.unique(np.concatenate(best))
