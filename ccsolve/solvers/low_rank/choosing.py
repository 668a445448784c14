"""Fits whose ranks are chosen: by tails first, then by trying neighbouring ranks."""

import itertools
import math
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ccsolve.problems import LowRankFit
from ccsolve.problems.low_rank import ROUNDING
from ccsolve.problems.tensor_formats import Ranks, fitting_ranks
from ccsolve.solvers.low_rank.bounding.cuts import Cut
from ccsolve.solvers.low_rank.bounding.rank_choice import (
    bond_losses,
    chosen_ranks,
    even_ranks,
    ranks_by_tails,
)
from ccsolve.solvers.low_rank.bounding.unfoldings import CutLosses
from ccsolve.solvers.low_rank.given_ranks import fits

TRIAL_SWEEPS = 4
"""Sweeps by which a fit of other ranks is judged."""

GAINED = 1e-6
"""Relative gain for which other ranks are taken: less may be one sweep more."""

NOISE = 3e-8
"""Relative error that the eigenvalues of a Gram matrix cannot tell from none."""

MOST_WORK = 1e10
"""Multiplications of a sweep over a ring beyond which rings are left to trains."""

_HALVINGS = 4

Factors = list[np.ndarray]


@dataclass(frozen=True)
class Fitted:
    """Factors with what they are worth: inf where a tolerance is missed."""

    ranks: Ranks
    x: Factors
    value: float


def chosen_fits(
    problem: LowRankFit, known: Mapping[Cut, CutLosses], sweeps: int, trials: int
) -> Iterator[Fitted]:
    """Give factors of chosen ranks, sweep by sweep, then of better ranks.

    Parameters
    ----------
    known : the losses of the problem's cuts.
    sweeps : most sweeps of the first fits and of the last.
    trials : most fits in between.
    """
    best = yield from _best_of(_first_fits(problem, known, sweeps))
    if best is None or math.isinf(best.value) or len(problem.full_ranks) < 2:
        return
    best = yield from _improved(problem, best, trials)
    yield from _fitted(problem, best.ranks, sweeps)


Fits = Generator[Fitted, None, Fitted]
"""Gives every sweep's factors, and at its end the best."""


def _best_of(fits: Iterator[Fitted]) -> Generator[Fitted, None, Fitted | None]:
    best = None
    for fit in fits:
        yield fit
        if best is None or fit.value < best.value:
            best = fit
    return best


def _first_fits(
    problem: LowRankFit, known: Mapping[Cut, CutLosses], sweeps: int
) -> Iterator[Fitted]:
    if problem.asks == "budget":
        if problem.format == "tr":
            yield from _fitted(problem, _as_train(problem), sweeps)
        ranks = chosen_ranks(problem, known)
        if not _is_slow(problem, ranks):
            yield from _fitted(problem, ranks, sweeps)
    elif problem.format == "tr":
        yield from _even_fits(problem, sweeps)
    else:
        losses = bond_losses(problem, known)
        yield from _fits_within(problem, losses, sweeps)


def _is_slow(problem: LowRankFit, ranks: Ranks) -> bool:
    """Say whether a ring is too large for sweeps: equations of r_{k-1}·r_k unknowns."""
    if problem.format != "tr" or ranks[0] == 1:
        return False
    pairs = zip(ranks, (*ranks[1:], ranks[0]), problem.modes, strict=True)
    work = sum(problem.tensor.size / m * (a * b) ** 2 for a, b, m in pairs)
    return work > MOST_WORK


def _as_train(problem: LowRankFit) -> Ranks:
    """Give the ranks of a ring with r_0 = 1, a train, by the train's tails."""
    train = LowRankFit(
        problem.tensor,
        "tt",
        budget=problem.budget,
        tolerance=problem.tolerance,
        covariance=problem.covariance,
        costs=problem.costs,
    )
    return (1, *chosen_ranks(train))


def _fits_within(
    problem: LowRankFit, losses: list[np.ndarray], sweeps: int
) -> Iterator[Fitted]:
    """Fit ranks whose tails sum up to more and more than the tolerance allows.

    The sum may be as many times the loss as there are bonds: what is still within is
    found by bisection. First, what rounding makes of no loss counts as none. Where it,
    or a covariance of several modes, makes even one time too much, it is less and less.
    """
    tolerance = problem.tolerance or 0.0

    def at(share: float, noise: float = 0.0) -> Fits:
        ranks = ranks_by_tails(problem, losses, tolerance * share + noise)
        return _fitted(problem, ranks, sweeps)

    low = 0.0
    trials = (1.0, NOISE), (1.0, ROUNDING), (1.0 - 1e-6, 0.0), (0.7, 0.0), (0.3, 0.0)
    for low, noise in trials:
        fit = yield from at(low, noise)
        if math.isfinite(fit.value):
            break
    high = math.sqrt(max(1, len(losses) - len(problem.whole)))
    if low < 1.0 or high == 1.0:
        return
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        fit = yield from at(middle)
        low, high = (middle, high) if math.isfinite(fit.value) else (low, middle)


def _even_fits(problem: LowRankFit, sweeps: int) -> Iterator[Fitted]:
    """Fit rings whose ranks are alike, more and more, until one is within."""
    yield from _fitted(problem, _as_train(problem), sweeps)
    ranks = even_ranks(problem, 1)
    for rank in itertools.count(1):
        before, ranks = ranks, even_ranks(problem, rank)
        if _is_slow(problem, ranks) or (rank > 1 and ranks == before):
            return
        fit = yield from _fitted(problem, ranks, sweeps)
        if math.isfinite(fit.value):
            return


def _fitted(problem: LowRankFit, ranks: Ranks, sweeps: int) -> Fits:
    """Fit until sweeps end, or until the tolerance is met."""
    best = None
    for x in fits(problem.with_ranks(ranks), sweeps):
        value = math.inf if problem.violation(x) > 0 else problem.objective(x)
        fit = Fitted(ranks, x, value)
        best = fit if best is None or value < best.value else best
        yield fit
        if problem.asks == "tolerance" and math.isfinite(value):
            break
    assert best is not None
    return best


def _improved(problem: LowRankFit, best: Fitted, trials: int) -> Fits:
    """Fit neighbouring ranks, going on from each that is better, until none is."""
    tried = {best.ranks}
    fresh = _neighbours(problem, best.ranks)
    while len(tried) <= trials and (ranks := next(fresh, None)) is not None:
        if ranks in tried or _is_slow(problem, ranks):
            continue
        tried.add(ranks)
        fit = yield from _fitted(problem, ranks, TRIAL_SWEEPS)
        if fit.value < (1.0 - GAINED) * best.value:
            best, fresh = fit, _neighbours(problem, fit.ranks)
    return best


def _neighbours(problem: LowRankFit, ranks: Ranks) -> Iterator[Ranks]:
    """Give ranks one of which is higher, and another lower so that they are cheap.

    Under a budget: affordable. With a tolerance: cheaper than these ranks, among them
    those of which one is lower.
    """
    full, least = problem.full_ranks, problem.least_ranks
    seeks_cost = problem.asks == "tolerance"
    limit = math.nextafter(problem.cost_of(ranks), 0.0) if seeks_cost else problem.limit
    lowered = [k for k in range(len(ranks)) if ranks[k] > least[k]]
    if seeks_cost:
        for k in lowered:
            yield _fitting(problem, _moved(ranks, k, -1))
    for up in range(len(ranks)):
        for step in sorted({1, max(1, ranks[up] // 8)}, reverse=True):
            if ranks[up] + step > full[up]:
                continue
            higher = _moved(ranks, up, step)
            for down in lowered:
                found = _lowered(problem, higher, down, limit) if down != up else None
                if found is not None:
                    yield found


def _lowered(
    problem: LowRankFit, ranks: Ranks, bond: int, limit: float
) -> Ranks | None:
    """Lower one rank just until the cost is within the limit; None if it never is."""
    for rank in range(ranks[bond], 0, -1):
        found = (*ranks[:bond], rank, *ranks[bond + 1 :])
        if problem.cost_of(found) <= limit:
            return _fitting(problem, found)
    return None


def _moved(ranks: Ranks, bond: int, step: int) -> Ranks:
    return (*ranks[:bond], ranks[bond] + step, *ranks[bond + 1 :])


def _fitting(problem: LowRankFit, ranks: Ranks) -> Ranks:
    return fitting_ranks(problem.format, problem.modes, ranks, problem.whole)
