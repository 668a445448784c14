"""Greedy choice: add or delete one channel at a time, whichever changes it best."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ccsolve.errors import InvalidProblem
from ccsolve.iterate import Limits, Step, run
from ccsolve.kernels.greedy_choice import Choices, Growth, greedy_block, score
from ccsolve.kernels.swap_search import NEVER
from ccsolve.problems import ChannelSelection
from ccsolve.problems.checks import frozen
from ccsolve.solution import Solution
from ccsolve.solvers.selection.searching.dense_program import FORMED_LIMIT

Direction = Literal["add", "delete", "best"]

_SHORTLIST, _BLOCK = 1024, 128
"""On large factors 128 decisions are taken among 1,024 channels of a full gradient."""

_WORK = 2_000_000
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
    progress = _Progress.start(problem, adding)
    while progress.decide():
        yield Step()
    kept = progress.growth.kept
    if problem.violation(kept) == 0:
        yield Step(kept, problem.objective(kept))


@dataclass(frozen=True, eq=False)
class _Progress:
    """A choice in progress; the kernel writes into ``growth`` and ``choices``.

    Attributes
    ----------
    choices : every channel, with the gradient of the last full look.
    image : (m,) factor·kept, kept up on large factors.
    block : decisions between two looks at the clock, or between two full gradients.
    """

    problem: ChannelSelection
    growth: Growth
    choices: Choices
    image: np.ndarray
    block: int

    @staticmethod
    def start(problem: ChannelSelection, adding: bool) -> "_Progress":
        n, factor = problem.n, problem.factor
        cost = np.zeros(n) if problem.cost is None else problem.cost
        keep = -1 if problem.keep is None else problem.keep
        kept = np.full(n, not adding)
        by_cost = np.argsort(cost, kind="stable")
        work = n * (problem.rank if problem.is_factored else 1)
        return _Progress(
            problem=problem,
            growth=Growth(
                frozen(cost), by_cost, problem.budget_limit, keep, adding, kept
            ),
            choices=_every_channel(problem, cost, kept),
            image=np.zeros(0) if factor is None else factor @ kept,
            block=max(1, _WORK // (work + 1)),
        )

    def decide(self) -> bool:
        """Take a block of decisions; False once no flip is allowed."""
        if not (self.problem.is_factored and self.problem.n > FORMED_LIMIT):
            return greedy_block(self.choices, self.growth, self.block) == self.block
        before = self.growth.kept.copy()
        made = greedy_block(self._shortlist(), self.growth, _BLOCK)
        moved = np.flatnonzero(before != self.growth.kept)
        self.choices.open[moved] = False
        change = self.choices.points[moved].sum(axis=0)
        self.image[:] += change if self.growth.adding else -change
        return made > 0

    def _shortlist(self) -> Choices:
        """Give the best channels by a full gradient, and as many without it; O(mn).

        Where channels cancel, the gradient turns within a block: then those of small
        Q_ii + q_i are the ones wanted, not those that fit the gradient of its start.
        """
        problem, growth, every = self.problem, self.growth, self.choices
        every.gradient[:] = 2.0 * (
            every.points @ self.image + every.diagonal * growth.kept
        )
        every.gradient[:] += problem.q
        scores = np.empty(problem.n)
        spent = float(growth.cost[growth.kept].sum())
        score(every, growth, int(growth.kept.sum()), spent, scores)
        alone = (every.own + problem.q) * (1.0 if growth.adding else -1.0)
        alone = np.where(scores < NEVER, alone, NEVER)
        half = _SHORTLIST // 2
        best = [np.argpartition(part, half)[:half] for part in (scores, alone)]
        return _among(every, np.unique(np.concatenate(best)))


def _every_channel(
    problem: ChannelSelection, cost: np.ndarray, kept: np.ndarray
) -> Choices:
    Q, points, diagonal, q = problem.arrays()
    return Choices(
        Q=Q,
        points=points,
        diagonal=diagonal,
        own=problem.diagonal_of_Q(),
        cost=frozen(cost),
        gradient=2.0 * problem.multiply(kept.astype(np.float64)) + q,
        open=np.ones(problem.n, dtype=bool),
        channels=np.arange(problem.n),
    )


def _among(every: Choices, channels: np.ndarray) -> Choices:
    """Give some channels of a factored form, in one piece; O(am)."""
    return Choices(
        Q=every.Q,
        points=frozen(every.points[channels]),
        diagonal=frozen(every.diagonal[channels]),
        own=every.own[channels],
        cost=frozen(every.cost[channels]),
        gradient=every.gradient[channels],
        open=every.open[channels],
        channels=channels,
    )
