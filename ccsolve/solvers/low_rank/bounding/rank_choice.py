"""Ranks for a budget or a tolerance, chosen by the tails of all bonds at once."""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ccsolve.problems import LowRankFit
from ccsolve.problems.tensor_formats import Ranks, fitting_ranks
from ccsolve.solvers.low_rank.bounding.cuts import Cut, cuts_of
from ccsolve.solvers.low_rank.bounding.unfoldings import CutLosses, losses_of

MOST_ROUNDS = 20
"""Rounds over all pairs of bonds; a few suffice."""


def chosen_ranks(
    problem: LowRankFit, known: Mapping[Cut, CutLosses] | None = None
) -> Ranks:
    """Give the ranks asked for, or those that the tails of the unfoldings suggest.

    For methods that fit given ranks. The spectra take one decomposition for each bond,
    unless they are ``known``. A ring has no such losses: its ranks are alike, the
    largest affordable, or with a tolerance the least within which its single modes are.
    """
    if problem.ranks is not None:
        return problem.ranks
    if problem.format != "tr":
        losses = bond_losses(problem, known)
        return ranks_by_tails(problem, losses, problem.tolerance)
    if problem.asks == "budget":
        even = (even_ranks(problem, r) for r in range(max(problem.full_ranks), 0, -1))
        return next(r for r in even if problem.cost_of(r) <= problem.limit)
    known = known or {cut: losses_of(problem, cut) for cut in cuts_of(problem)}
    loss = (problem.tolerance or 0.0) ** 2 * problem.energy
    most = max((cut.rank_within(loss) for cut in known.values()), default=1)
    return even_ranks(problem, math.ceil(math.sqrt(most)))


def even_ranks(problem: LowRankFit, rank: int) -> Ranks:
    """Give ranks that are all alike, as far as the bonds have them."""
    ranks = tuple(min(rank, full) for full in problem.full_ranks)
    return fitting_ranks(problem.format, problem.modes, ranks, problem.whole)


def bond_losses(
    problem: LowRankFit, known: Mapping[Cut, CutLosses] | None = None
) -> list[np.ndarray]:
    """Give for each bond what its ranks 0..R lose alone, ½ the tails, (R + 1,)."""
    if known is None:
        known = {cut: losses_of(problem, cut) for cut in cuts_of(problem)}
    losses = [np.zeros(full + 1) for full in problem.full_ranks]
    for cut, found in known.items():
        losses[cut.bonds[0]] = _of_length(found.found, len(losses[cut.bonds[0]]))
    return losses


def _of_length(losses: np.ndarray, length: int) -> np.ndarray:
    """Give no loss for ranks beyond those that a singular covariance leaves."""
    return np.concatenate([losses, np.zeros(max(0, length - len(losses)))])


def ranks_by_tails(
    problem: LowRankFit, losses: Sequence[np.ndarray], tolerance: float | None
) -> Ranks:
    """Give ranks that lose little by the sum of their tails, cheap or affordable.

    That sum is what a TT-SVD or HOSVD loses at most, and not more often than there are
    bonds what any tensor of those ranks does. With a tolerance the cost is least under
    a sum of tolerance²·½‖TC^½‖²; without one the sum is least under the budget. Of one
    bond and of two exactly; of more, two bonds at a time are chosen anew, the others
    being as they are, until no pair is better: from a greedy choice, and from the ranks
    that leave most room.
    """
    room = math.inf if tolerance is None else tolerance**2 * problem.energy
    program = _Program(problem, losses, room)
    roomy = problem.full_ranks if program.seeks_cost else problem.least_ranks
    found = [_by_pairs(program, ranks) for ranks in (_greedy(program), roomy)]
    best = min(found, key=problem.cost_of if program.seeks_cost else program.loss)
    return fitting_ranks(problem.format, problem.modes, best, problem.whole)


@dataclass(frozen=True)
class _Program:
    """Losses (R_k + 1,) by bond and rank; ``room`` is finite with a tolerance."""

    problem: LowRankFit
    losses: Sequence[np.ndarray]
    room: float

    @property
    def seeks_cost(self) -> bool:
        return math.isfinite(self.room)

    def loss(self, ranks: Ranks) -> float:
        return math.fsum(
            float(loss[r]) for loss, r in zip(self.losses, ranks, strict=True)
        )


def _by_pairs(program: _Program, ranks: Ranks) -> Ranks:
    """Choose the ranks of two bonds at a time until no pair is better."""
    whole = program.problem.whole
    free = [k for k in range(len(ranks)) if k not in whole]
    for _ in range(MOST_ROUNDS):
        before = ranks
        for pair in itertools.combinations(free, 2):
            ranks = _pair(program, ranks, *pair)
        if ranks == before:
            break
    return ranks


def _greedy(program: _Program) -> Ranks:
    """Lower the rank that loses least per cost, from the full ones on.

    Until the budget holds, or with a tolerance as long as the room lasts.
    """
    problem, ranks = program.problem, program.problem.full_ranks
    while program.seeks_cost or problem.cost_of(ranks) > problem.limit:
        lower = [
            (_rise(program, ranks, moved), moved)
            for moved in _one_less(problem, ranks)
            if program.loss(moved) <= program.room
        ]
        if not lower:
            break
        ranks = min(lower)[1]
    return ranks


def _one_less(problem: LowRankFit, ranks: Ranks) -> Iterator[Ranks]:
    for k, least in enumerate(problem.least_ranks):
        if ranks[k] > least:
            yield (*ranks[:k], ranks[k] - 1, *ranks[k + 1 :])


def _rise(program: _Program, ranks: Ranks, moved: Ranks) -> float:
    """Give the loss per cost saved."""
    saved = program.problem.cost_of(ranks) - program.problem.cost_of(moved)
    return (program.loss(moved) - program.loss(ranks)) / saved


def _pair(program: _Program, ranks: Ranks, i: int, j: int) -> Ranks:
    """Choose the ranks of two bonds best, those of the others given."""
    first = np.arange(1, len(program.losses[i]))
    cost = _bilinear(program.problem, ranks, i, j)
    if program.seeks_cost:
        alone = program.loss(_with(ranks, {i: -1, j: -1}))
        second = _within(
            program.losses[j], program.room - alone - program.losses[i][first]
        )
        value = cost(first, second)
    else:
        second = _affordable(cost, first, program)
        second = np.minimum(second, len(program.losses[j]) - 1)
        value = program.losses[i][first] + program.losses[j][second]
    value = np.where(second >= 1, value, np.inf)
    at = int(value.argmin())
    # Not to another choice of the same value: rounds would not end.
    now = cost(ranks[i], ranks[j]) if program.seeks_cost else program.loss(ranks)
    found = _with(ranks, {i: int(first[at]), j: int(second[at])})
    new = value[at] if program.seeks_cost else program.loss(found)
    return found if new < now else ranks


def _with(ranks: Ranks, changed: dict[int, int]) -> Ranks:
    return tuple(changed.get(k, rank) for k, rank in enumerate(ranks))


def _within(losses: np.ndarray, room: np.ndarray) -> np.ndarray:
    """Give the least rank >= 1 that loses no more than the room; 0 where none does."""
    rising = losses[::-1]
    rank = len(losses) - np.searchsorted(rising, room, side="right")
    return np.where(rank < len(losses), np.maximum(rank, 1), 0)


def _affordable(
    cost: Callable[[Any, Any], Any], first: np.ndarray, program: _Program
) -> np.ndarray:
    """Give the largest other rank under the budget; 0 where none is."""
    fixed = cost(first, 0)
    room = (program.problem.limit - fixed) / (cost(first, 1) - fixed)
    # The quotient may be rounded up to a whole number.
    rank = np.floor(np.maximum(0.0, room)).astype(np.int64)
    return np.where(cost(first, rank) <= program.problem.limit, rank, rank - 1)


def _bilinear(
    problem: LowRankFit, ranks: Ranks, i: int, j: int
) -> Callable[[Any, Any], Any]:
    """Give the cost as a function of the ranks of two bonds.

    Every factor's size is a product in which a bond's rank stands at most once.
    """
    at = {
        (a, b): problem.cost_of(_with(ranks, {i: a, j: b}))
        for a in (0, 1)
        for b in (0, 1)
    }
    none, by_i, by_j = at[0, 0], at[1, 0] - at[0, 0], at[0, 1] - at[0, 0]
    both = at[1, 1] - at[1, 0] - at[0, 1] + at[0, 0]
    return lambda a, b: none + by_i * a + by_j * b + both * a * b
