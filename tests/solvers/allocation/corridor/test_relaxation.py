import math

import numpy as np
import pytest

from ccsolve.problems.generate_allocation import netlike, pisinger
from ccsolve.solvers.allocation.corridor.breakpoints import breakpoints
from ccsolve.solvers.allocation.corridor.hulls import prepare
from ccsolve.solvers.allocation.corridor.relaxation import relax
from ccsolve.solvers.allocation.corridor.search import scored, searches
from ccsolve.solvers.allocation.corridor.survivors import survivors

PROBLEMS = [
    netlike(8, 50),
    netlike(8, 50, seed=1, share=0.2),
    pisinger("strong", 6, 12),
    pisinger("weak", 9, 20),
    pisinger("subset_sum", 5, 30),
]


@pytest.fixture(params=range(len(PROBLEMS)))
def problem(request):
    return PROBLEMS[request.param]


def test_the_bound_is_the_relaxations_value(problem):
    tables, limit = prepare(problem), float(problem.limits[0])
    relaxed, front = relax(tables, limit), breakpoints(problem)
    value = float(np.interp(limit, front.costs, front.losses))
    assert value - 1e-9 * abs(value) <= relaxed.bound <= value + 1e-12 * abs(value)


def test_base_and_greedy_choice_are_affordable(problem):
    tables, limit = prepare(problem), float(problem.limits[0])
    relaxed = relax(tables, limit)
    for options in (relaxed.base, relaxed.greedy):
        assert math.fsum(tables.costs[options].tolist()) <= limit
    values = tables.losses[relaxed.base] + relaxed.price * tables.costs[relaxed.base]
    assert values == pytest.approx(relaxed.least)
    losses = [tables.losses[part].sum() for part in (relaxed.greedy, relaxed.base)]
    assert losses[0] <= losses[1]


@pytest.mark.parametrize("most", [10, 10**9])
def test_survivors_are_the_near_options_on_a_grid(problem, most):
    tables = prepare(problem)
    relaxed = relax(tables, float(problem.limits[0]))
    gap = scored(tables, relaxed.greedy).objective - relaxed.bound
    found = survivors(relaxed, gap, most)
    layer = np.repeat(np.arange(problem.n), problem.sizes)
    above = tables.losses + relaxed.price * tables.costs - relaxed.least[layer]
    inside = np.zeros(problem.size, dtype=bool)
    inside[found.options] = True
    assert inside[relaxed.base].all() and found.left_out <= gap
    assert (above[~inside] >= found.left_out).all()
    base = relaxed.base[found.layer]
    for grid, values in ((found.cost, tables.costs), (found.loss, tables.losses)):
        exact = values[found.options] - values[base]
        assert np.array_equal(grid.values, np.rint(grid.values))
        off = exact - grid.values * grid.unit
        scale = np.abs(exact).max()
        assert (np.abs(off) <= 1e-13 * scale).all() and grid.error <= 1e-12 * scale


def test_every_search_proves_more(problem):
    tables = prepare(problem)
    relaxed = relax(tables, float(problem.limits[0]))
    start = scored(tables, relaxed.greedy)
    found = [f for f in searches(problem, relaxed, start, 2**12) if f is not None]
    objectives = [start.objective, *(f.incumbent.objective for f in found)]
    assert all(np.diff(objectives) <= 0) and found[-1].complete
    last = found[-1]
    assert last.incumbent.objective - last.bound <= problem.resolution
    assert all(f.bound <= last.incumbent.objective for f in found)
