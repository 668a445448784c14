"""Leaps and bounds over the channels that go, under the perspective bound."""

from collections.abc import Iterator

import numpy as np

from ccsolve.errors import Unsupported
from ccsolve.iterate import Limits, Step
from ccsolve.problems import ReconstructionSelection
from ccsolve.solution import Solution
from ccsolve.solvers.reconstruction.answers import answered, first_step, is_settled
from ccsolve.solvers.reconstruction.branching.tree import Tree, plant
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

STARTS = 4
"""Swap descents before the tree, besides that from the greedy removal."""

MOST_BYTES = 4e9
"""What the matrices of a path through the tree may take."""

WORK = 20_000_000
"""Multiplications between two looks at the clock, about 20 ms."""


def solve(
    problem: ReconstructionSelection, limits: Limits, *, seed: int = 0
) -> Solution:
    """Find the best point and prove it; n up to about 40.

    First points, by greedy removal and swaps; then a bound for all of them, the
    perspective relaxation's; then a tree over the channels that go: of a set that has
    lost some, the loss rises by at least what the dearest of the others to go would
    raise it by alone, and by at least a sum of separable parts (Furnival and Wilson's
    leaps and bounds, 1974, for groups of columns and weighted outputs). It proves the
    optimum to 1e-9 of its rise above the loss of keeping all, and to the rounding in
    ill-conditioned moments, both of which the bound tells.

    Cost: O(d²·group) a node and less, some 10⁵ nodes a second at d = 30; exponential:
    half of 24 channels take under a second as a rule, half of 40 minutes.

    Raises
    ------
    Unsupported
        Where the matrices of a path, 16·(n - keep)·d² bytes, would take over 4 GB.
    """
    _require_room(problem)
    return answered(problem, _steps(problem, seed), limits)


def _require_room(problem: ReconstructionSelection) -> None:
    size = 16.0 * (problem.n - problem.keep) * problem.d**2
    if size > MOST_BYTES:
        raise Unsupported(
            f"n = {problem.n}, {problem.d} columns: the tree would take "
            f"{size / 1e9:.1f} GB (limit {MOST_BYTES / 1e9:g}); use 'search_and_bound'"
        )


def _steps(problem: ReconstructionSelection, seed: int) -> Iterator[Step]:
    yield first_step(problem)
    if is_settled(problem):
        yield from bounds(problem, 1, 0.0)
        return
    form = working_form(problem)
    yield Step(bound=all_kept_bound(problem, form.V))
    best = yield from _points(problem, form, seed)
    yield from bounds(problem, 4, 1e-3)
    tree = plant(problem, best)
    nodes = max(1, WORK // (problem.d**2 * problem.group + 1))
    growing = True
    while growing:
        growing = tree.grow(nodes)
        yield _step(problem, tree)


def _points(
    problem: ReconstructionSelection, form: WorkingForm, seed: int
) -> Iterator[Step]:
    """Give the steps of a few descents; return the least objective."""
    best, rng = np.inf, np.random.default_rng(seed)
    state = yield from greedy_state(problem, form)
    runs = [descended_state(problem, form, state)]
    for _ in range(STARTS):
        runs.append(descended_point(problem, form, problem.random_point(rng)))
    for run in runs:
        for step in run:
            best = min(best, step.objective)
            yield step
    return best


def _step(problem: ReconstructionSelection, tree: Tree) -> Step:
    x = tree.best()
    if x is None:
        return Step(bound=tree.bound())
    return Step(x, problem.objective(x), tree.bound())
