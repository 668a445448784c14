import numpy as np
import pytest

from ccsolve.problems import RateAllocation
from ccsolve.solvers.allocation.pairing.program import from_problem, restricted

EDGES = [(0, 1), (1, 2), (2, 3), (0, 4)]


def test_a_point_counts_as_in_the_problem(random_problem, points_of):
    problem = random_problem(EDGES, 2, 0)
    program = from_problem(problem)
    for x in points_of(program):
        loss, spent = program.at(x)
        assert loss == pytest.approx(problem.objective(x))
        np.testing.assert_allclose(spent, problem.spent(x))
        assert abs(loss) <= program.largest[0] + 1e-12
        assert loss <= program.highest_loss + 1e-12
        assert (spent <= program.largest[1] + 1e-12).all()


@pytest.mark.parametrize("seed", range(5))
def test_what_is_left_counts_as_before(random_problem, points_of, seed):
    problem = random_problem(EDGES, 2, seed)
    program, rng = from_problem(problem), np.random.default_rng(seed)
    alive = rng.random(problem.size) < 0.6
    alive[program.offsets[:-1]] = True
    part = restricted(restricted(program, alive), np.ones(alive.sum(), dtype=bool))
    assert len(part.losses) == alive.sum()
    for x in points_of(part):
        loss, spent = part.at(x)
        assert loss == pytest.approx(problem.objective(part.original(x)))
        np.testing.assert_allclose(spent, problem.spent(part.original(x)))


def test_pairs_of_a_decided_layer_are_put_into_the_other(random_problem):
    program = from_problem(random_problem(EDGES, 1, 1))
    alive = np.ones(len(program.losses), dtype=bool)
    alive[program.offsets[1] + 1 : program.offsets[2]] = False
    assert restricted(program, alive).edges.tolist() == [[0, 4], [2, 3]]


def test_empty_tables_are_no_pairs():
    tables = {(0, 1): np.zeros((2, 2)), (1, 2): np.ones((2, 2))}
    losses = costs = [[0.0, 1.0]] * 3
    program = from_problem(RateAllocation(losses, costs, 5.0, tables))
    assert program.edges.tolist() == [[1, 2]]


def test_priced_entries_are_weighed_sums(random_problem):
    program = from_problem(random_problem(EDGES, 3, 2))
    prices = np.array([0.5, 0.0, 2.0])
    own, met = program.priced(1.0, prices)
    np.testing.assert_allclose(own, program.losses + program.costs @ prices)
    expected = program.pair_losses + program.pair_costs @ prices
    np.testing.assert_allclose(met, expected)
