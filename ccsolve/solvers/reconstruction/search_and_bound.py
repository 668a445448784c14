"""A point first, then a bound, then better points for as long as there is time."""

from collections.abc import Iterator

import numpy as np

from ccsolve.iterate import Limits, Step
from ccsolve.problems import ReconstructionSelection
from ccsolve.problems.checks import whole_number
from ccsolve.solution import Solution
from ccsolve.solvers.reconstruction.answers import answered, first_step, is_settled
from ccsolve.solvers.reconstruction.perspective import bounds
from ccsolve.solvers.reconstruction.relaxing.all_kept import all_kept_bound
from ccsolve.solvers.reconstruction.searching.descents import (
    descended_point,
    descended_state,
    greedy_state,
)
from ccsolve.solvers.reconstruction.searching.working_form import (
    WorkingForm,
    working_form,
)

SHARE = 16
"""A kick changes one kept channel in so many."""


def solve(
    problem: ReconstructionSelection,
    limits: Limits,
    *,
    seed: int = 0,
    kicks: int = 50,
) -> Solution:
    """Search by swaps, bound by the perspective relaxation, then search on.

    First the loss of keeping all, which bounds every choice; then what `swap_search`
    does from the greedy removal; then the bound of `perspective`, in one enlargement of
    its separable part; then descents from the best point with one kept channel in 16
    changed at random (iterated local search). The point is a heuristic's, the bound is
    proven.

    Parameters
    ----------
    kicks : descents after the bound.
    """
    whole_number("kicks", kicks, 0, 2**31)
    return answered(problem, _steps(problem, seed, kicks), limits)


def _steps(problem: ReconstructionSelection, seed: int, kicks: int) -> Iterator[Step]:
    yield first_step(problem)
    if is_settled(problem):
        yield from bounds(problem, 1, 0.0)
        return
    form, rng = working_form(problem), np.random.default_rng(seed)
    yield Step(bound=all_kept_bound(problem, form.V))
    state = yield from greedy_state(problem, form)
    best = yield from _best_of(descended_state(problem, form, state))
    yield from bounds(problem, 1, 1e-3)
    for _ in range(kicks):
        best = yield from _kicked(problem, form, best, rng)


def _kicked(
    problem: ReconstructionSelection,
    form: WorkingForm,
    best: Step,
    rng: np.random.Generator,
) -> Iterator[Step]:
    """Descend from a point near the best; return the better of both."""
    x = best.x.copy()
    count = min(1 + problem.keep // SHARE, problem.keep, problem.n - problem.keep)
    leaving = rng.choice(np.flatnonzero(best.x), count, replace=False)
    entering = rng.choice(np.flatnonzero(~best.x), count, replace=False)
    x[leaving], x[entering] = False, True
    found = yield from _best_of(descended_point(problem, form, x))
    return found if found.objective < best.objective else best


def _best_of(steps: Iterator[Step]) -> Iterator[Step]:
    """Pass steps on; return the one of the least objective."""
    best = Step()
    for step in steps:
        best = min(best, step, key=lambda step: step.objective)
        yield step
    return best
