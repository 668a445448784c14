import numpy as np
import pytest
import scipy.optimize

from ccsolve.problems import RateAllocation
from ccsolve.problems.generate_allocation import netlike, pisinger
from ccsolve.solvers.allocation.corridor.breakpoints import breakpoints
from ccsolve.solvers.allocation.corridor.hulls import prepare


def relaxed_value(problem, budget):
    """The linear relaxation's value by HiGHS."""
    layers = np.repeat(np.arange(problem.n), problem.sizes)
    unit = problem.flat_costs.max()
    found = scipy.optimize.linprog(
        problem.flat_losses,
        A_ub=problem.flat_costs.T / unit,
        b_ub=[budget / unit],
        A_eq=np.equal.outer(np.arange(problem.n), layers).astype(float),
        b_eq=np.ones(problem.n),
    )
    return found.fun


@pytest.mark.parametrize(
    "problem", [netlike(5, 30), pisinger("strong", 4, 8), pisinger("weak", 6, 9)]
)
def test_the_front_is_the_relaxations_value_over_the_budget(problem):
    front = breakpoints(problem)
    assert (np.diff(front.costs) > 0).all() and (np.diff(front.losses) < 0).all()
    falls = -np.diff(front.losses) / np.diff(front.costs)
    assert np.allclose(falls, front.prices[:-1]) and front.prices[-1] == 0
    for share in (0.0, 0.2, 0.7, 1.0):
        budget = front.costs[0] + share * (front.costs[-1] - front.costs[0])
        value = np.interp(budget, front.costs, front.losses)
        assert value == pytest.approx(relaxed_value(problem, budget), abs=1e-6)


def test_breakpoints_are_attained():
    problem = netlike(6, 40, seed=2)
    front = breakpoints(problem, prepare(problem))
    previous = None
    for p in range(len(front.costs)):
        x = front.point(p)
        assert problem.objective(x) == pytest.approx(front.losses[p])
        assert problem.spent(x)[0] == pytest.approx(front.costs[p])
        if previous is not None:
            assert np.flatnonzero(x != previous).tolist() == [front.layers[p]]
            assert x[front.layers[p]] == front.options[p]
        previous = x


def test_a_front_of_single_options_is_a_point():
    front = breakpoints(RateAllocation([[2.0], [3.0]], [[1.0], [4.0]], 5.0))
    assert front.costs.tolist() == [5.0] and front.losses.tolist() == [5.0]
    assert front.prices.tolist() == [0.0] and front.point(0).tolist() == [0, 0]


@pytest.mark.parametrize(("loss", "cost"), [(1e150, 1e-150), (1e-150, 1e150)])
def test_extreme_data_are_scaled_and_their_prices_are_not(loss, cost):
    losses = [[4.0 * loss, loss, 0.0]]
    problem = RateAllocation(losses, [[0.0, cost, 2.0 * cost]], cost)
    tables = prepare(problem)
    assert 0.1 <= tables.scale <= 1.0 and 0.1 <= tables.costs.max() <= 1.0
    expected = [3.0 * (loss / cost), loss / cost, 0.0]
    assert breakpoints(problem, tables).prices == pytest.approx(expected)
