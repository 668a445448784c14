import numpy as np
import pytest

from ccsolve.errors import InvalidProblem
from ccsolve.problems.generate_allocation import netlike, pisinger

KINDS = ["uncorrelated", "weak", "strong", "subset_sum"]


@pytest.mark.parametrize("budgets", [1, 4])
def test_the_smallest_ranks_meet_every_budget(budgets):
    problem = netlike(5, 50, budgets, seed=3, share=0.0)
    assert problem.sizes.tolist() == [49] * 5
    assert problem.violation(np.zeros(5, dtype=int)) == 0
    assert problem.flat_losses.min() >= 0


def test_larger_shares_allow_more():
    few, many = (netlike(4, 30, 2, share=share).budgets for share in (0.2, 0.7))
    assert (few < many).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("budgets", [1, 3])
def test_pisingers_data_are_whole_and_feasible(kind, budgets):
    problem = pisinger(kind, 6, 9, budgets, seed=1, largest=50)
    for part in (problem.flat_losses, problem.flat_costs, problem.budgets):
        assert np.array_equal(part, np.rint(part))
    if budgets > 1:
        assert problem.violation(np.full(6, 4)) == 0


def test_strong_layers_have_no_dominated_option():
    problem = pisinger("strong", 4, 12, seed=2)
    for loss, cost in zip(problem.losses, problem.costs, strict=True):
        assert (np.diff(cost[:, 0]) > 0).all() and (np.diff(loss) < 0).all()


@pytest.mark.parametrize("make", [netlike, lambda *sizes: pisinger("weak", *sizes)])
def test_the_seed_decides(make):
    first, again, other = make(3, 8, 1, 5), make(3, 8, 1, 5), make(3, 8, 1, 6)
    assert np.array_equal(first.flat_losses, again.flat_losses)
    assert not np.array_equal(first.flat_losses, other.flat_losses)


def test_bad_sizes_are_refused():
    with pytest.raises(InvalidProblem, match="kind = 'hard'; expected one of"):
        pisinger("hard", 2, 3)  # pyright: ignore
    with pytest.raises(InvalidProblem, match="share"):
        netlike(2, 3, share=1.5)
    with pytest.raises(InvalidProblem, match="layers = 0"):
        netlike(0, 3)
