"""The bound of a fit, of what is known of its cuts so far."""

import math
from collections.abc import Mapping

import numpy as np

from ccsolve.problems import LowRankFit
from ccsolve.solution import FEASIBILITY_TOLERANCE
from ccsolve.solvers.low_rank.bounding.cuts import Cut
from ccsolve.solvers.low_rank.bounding.unfoldings import (
    CutLosses,
    whitening_error,
)

Known = Mapping[Cut, CutLosses]


def lower_bound(problem: LowRankFit, known: Known) -> float:
    """Give a proven lower bound of the objective; cuts that are missing weaken it.

    - Given ranks: the largest loss that a cut has at its rank, a product of two of a
      ring.
    - A tolerance: the cost of the ranks that the cuts need within it. Points that
      `verify` lets pass, beyond it by 1e-9, are within the bound.
    - A budget: the least loss whose ranks it affords. A better point would have every
      rank at least as large as its loss asks for, and cost no more.
    """
    if problem.asks == "ranks":
        return max(
            (losses.at(_rank(problem, cut)) for cut, losses in known.items()),
            default=0.0,
        )
    if problem.asks == "tolerance":
        return cost_floor(problem, known, _allowed_loss(problem))
    return _least_affordable(problem, known)


def _allowed_loss(problem: LowRankFit) -> float:
    """Give at least the loss that the tolerance allows: norms are rounded, too."""
    assert problem.tolerance is not None
    rounding = whitening_error(problem.tensor, problem.blocks)
    norm = math.sqrt(2.0 * problem.energy) * (1.0 + 1e-8) + rounding
    return 0.5 * ((problem.tolerance + 1.01 * FEASIBILITY_TOLERANCE) * norm) ** 2


def _rank(problem: LowRankFit, cut: Cut) -> int:
    assert problem.ranks is not None
    return int(np.prod([problem.ranks[bond] for bond in set(cut.bonds)]))


def cost_floor(problem: LowRankFit, known: Known, loss: float) -> float:
    """Give what factors with no more than that loss cost at least.

    A core of a ring has r_{k-1}·m_k·r_k entries, at least m_k times the rank of the
    k-th mode's unfolding.
    """
    needs = {cut: losses.rank_within(loss) for cut, losses in known.items()}
    if problem.format == "tr":
        ranks = np.ones(len(problem.modes))
        for cut, need in needs.items():
            ranks[cut.side[0]] = need
        return float(problem.costs @ (ranks * np.array(problem.modes)))
    least = list(problem.least_ranks)
    for cut, need in needs.items():
        least[cut.bonds[0]] = need
    return problem.cost_of(tuple(least))


def _least_affordable(problem: LowRankFit, known: Known) -> float:
    """Give the least loss, among those where a rank changes, that is affordable."""
    if not known:
        return 0.0
    steps = np.unique(np.concatenate([losses.proven for losses in known.values()]))
    low, high = 0, len(steps) - 1
    while low < high:
        middle = (low + high) // 2
        if cost_floor(problem, known, float(steps[middle])) <= problem.limit:
            high = middle
        else:
            low = middle + 1
    return float(steps[low])
