"""RateAllocation: tables checked and stacked, points scored, budgets explained."""

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ccsolve
from ccsolve.errors import Infeasible, InvalidFile, InvalidProblem
from ccsolve.problems import RateAllocation
from ccsolve.problems.allocation_points import cheap_point, feasible_point

LOSSES = [[3.0, 1.0, 0.0], [2.0, 0.5], [1.0]]
COSTS = [[[0, 1], [2, 2], [5, 9]], [[1, 0], [2, 4]], [[1, 1]]]
PAIRS = {(1, 0): np.arange(12.0).reshape(2, 3, 2)}


def problem(**changes: Any) -> RateAllocation:
    given = {"losses": LOSSES, "costs": COSTS, "budgets": [20.0, 25.0]}
    return RateAllocation(**given | changes)


def test_tables_are_stacked_and_protected():
    made = problem()
    assert (made.n, made.size) == (3, 6)
    assert made.offsets.tolist() == [0, 3, 5, 6]
    assert [own.tolist() for own in made.losses] == LOSSES
    assert [paid.tolist() for paid in made.costs] == COSTS
    with pytest.raises(ValueError, match="read-only"):
        made.flat_losses[0] = 1.0


@pytest.mark.parametrize("seed", range(5))
def test_points_are_scored_by_the_tables(seed: int):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 5, 4)
    losses = [rng.standard_normal(size) for size in sizes]
    costs = [rng.random((size, 2)) for size in sizes]
    paid, lost = rng.random((sizes[0], sizes[2], 2)), rng.random((sizes[3], sizes[1]))
    made = RateAllocation(
        losses, costs, [9.0, 9.0], {(0, 2): paid}, pair_losses={(3, 1): lost}
    )
    x = np.array([rng.integers(size) for size in sizes])
    spent = sum(table[j] for table, j in zip(costs, x, strict=True))
    assert made.spent(x) == pytest.approx(spent + paid[x[0], x[2]])
    value = sum(table[j] for table, j in zip(losses, x, strict=True))
    assert made.objective(x) == pytest.approx(value + lost[x[3], x[1]])
    assert made.violation(x) == 0
    assert made.edges == ((0, 2), (1, 3))


def test_a_reversed_pair_is_turned():
    made = problem(pair_costs=PAIRS)
    assert list(made.pair_costs) == [(0, 1)]
    assert made.pair_costs[0, 1].shape == (3, 2, 2)
    np.testing.assert_array_equal(made.pair_costs[0, 1][2, 1], PAIRS[1, 0][1, 2])


def test_one_budget_needs_no_last_axis():
    flat = RateAllocation(
        [[1, 0], [1, 0]], [[0, 2], [0, 3]], 4, {(0, 1): np.ones((2, 2))}
    )
    assert flat.flat_costs.shape == (4, 1)
    assert flat.spent(np.array([1, 0])).tolist() == [3.0]


def test_violations_name_what_is_broken():
    made = problem(budgets=[4.0, 7.0])
    assert made.violation([0, 0, 0]) == 0
    assert made.violation([2, 1, 0]) == pytest.approx(max(4 / 5, 7 / 9))
    assert made.violation([3, 0, 0]) == 1 and made.violation([-2, 0, 0]) == 2
    assert made.violation([0.5, 0, 0]) == 0.5
    with pytest.raises(InvalidProblem, match=r"shape \(2,\); expected \(3,\)"):
        made.violation([0, 0])


@pytest.mark.parametrize("point", [[np.nan, 0, 0], [0, np.inf, 0], [0, 0, -np.inf]])
def test_points_that_are_no_numbers_are_infinitely_far(point: list[float]):
    assert problem().violation(point) == np.inf


@pytest.mark.parametrize(
    ("point", "message"),
    [
        ([-1, 0, 0], "option -1 of layer 0; expected 0 to 2"),
        ([0, 2, 0], "option 2 of layer 1; expected 0 to 1"),
        ([0, 0, 1e300], "option 1e.300 of layer 2; expected 0 to 0"),
        ([0.5, 0, 0], "option 0.5 of layer 0"),
        ([np.nan, 0, 0], "option nan of layer 0"),
        ([0, 0], r"shape \(2,\); expected \(3,\)"),
        (0, r"shape \(\); expected \(3,\)"),
    ],
)
def test_options_that_do_not_exist_have_no_value(point: Any, message: str):
    """A negative option does not wrap round, nor one too many reach the next layer."""
    made = problem(pair_costs=PAIRS, pair_losses={(0, 2): np.ones((3, 1))})
    with pytest.raises(InvalidProblem, match=message):
        made.objective(point)
    with pytest.raises(InvalidProblem, match=message):
        made.spent(point)


@pytest.mark.parametrize("kind", [float, np.uint8, np.int32])
def test_options_may_come_as_any_whole_numbers(kind: type):
    made = problem(pair_costs=PAIRS, pair_losses={(0, 2): np.ones((3, 1))})
    x = np.array([2, 1, 0], dtype=kind)
    assert made.objective(x) == made.objective([2, 1, 0])
    assert (made.spent(x) == made.spent([2, 1, 0])).all()
    assert made.violation(x) == made.violation([2, 1, 0])


def test_a_budget_holds_up_to_rounding():
    tenth = RateAllocation([[0.0]] * 10, [[0.1]] * 10, 1.0)
    assert tenth.violation(np.zeros(10, dtype=int)) == 0
    made = RateAllocation([[0.0, 1.0]], [[1.0, 0.0]], 1.0 - 1e-9)
    assert made.violation([0]) > 0


def test_budgets_below_the_cheapest_are_all_named():
    with pytest.raises(Infeasible, match=r"budgets\[0\] = 1, .*takes 2; budgets\[1\]"):
        problem(budgets=[1.0, 1.0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"losses": [], "costs": []}, "0 tables of losses and 0 of costs"),
        ({"losses": LOSSES[:2]}, "2 tables of losses and 3 of costs"),
        ({"losses": [[], [1, 2], [1]]}, r"losses\[0\] is empty"),
        ({"losses": [[np.nan, 1, 2], *LOSSES[1:]]}, r"losses\[0\] holds 1 NaN"),
        ({"losses": 3}, "losses is a int; expected a list"),
        ({"costs": [[[0, -1], [2, 2], [5, 9]], *COSTS[1:]]}, r"costs\[0\] has .* -1"),
        ({"costs": [[1, 2, 3], *COSTS[1:]]}, r"costs\[0\] has shape \(3,\)"),
        ({"budgets": [1, 2, 3, 4, 5]}, "budgets has 5 entries; expected 1 to 4"),
        ({"budgets": [-1, 2]}, "budgets holds -1"),
        ({"pair_costs": [1]}, "pair_costs is a list; expected a mapping"),
        ({"pair_costs": {(0, 0): 1}}, r"the pair \(0, 0\); expected two different"),
        ({"pair_costs": {(0, 9): 1}}, r"the pair \(0, 9\)"),
        ({"pair_costs": {**PAIRS, (0, 1): np.ones((3, 2, 2))}}, r"\(0, 1\) twice"),
        ({"pair_costs": {(0, 1): -np.ones((3, 2, 2))}}, "expected costs >= 0"),
        ({"pair_costs": {(0, 1): np.ones((2, 2, 2))}}, r"expected \(3, 2, 2\)"),
    ],
)
def test_malformed_data_are_refused(changes: dict[str, Any], message: str):
    with pytest.raises(InvalidProblem, match=message):
        problem(**changes)


def pickled(record: Any) -> Any:
    return pickle.loads(pickle.dumps(record))


@pytest.mark.parametrize("again", [copy.deepcopy, pickled])
def test_copies_are_equal_and_protected(again: Any):
    made = problem(pair_costs=PAIRS, pair_losses={(0, 2): np.ones((3, 1))})
    other = again(made)
    for name in ("flat_losses", "flat_costs", "offsets", "budgets", "limits"):
        np.testing.assert_array_equal(getattr(other, name), getattr(made, name))
        assert not getattr(other, name).flags.writeable
    assert other.edges == made.edges


def test_other_budgets_share_the_tables():
    made = problem(pair_costs=PAIRS)
    other = made.with_budgets([9.0, 14.0])
    assert other.flat_losses is made.flat_losses
    fresh = problem(pair_costs=PAIRS, budgets=[9.0, 14.0])
    np.testing.assert_allclose(other.limits, fresh.limits, rtol=1e-15)
    with pytest.raises(InvalidProblem, match="1 entries; expected 2"):
        made.with_budgets(3.0)
    with pytest.raises(Infeasible, match="the cheapest choice takes"):
        made.with_budgets([0.0, 0.0])


def test_files_give_the_same_problem(tmp_path: Path):
    made = problem(pair_costs=PAIRS, pair_losses={(0, 2): np.ones((3, 1))})
    ccsolve.write(tmp_path / "p.npz", made)
    other = ccsolve.read(tmp_path / "p.npz")
    np.testing.assert_array_equal(other.flat_costs, made.flat_costs)
    np.testing.assert_array_equal(other.pair_costs[0, 1], made.pair_costs[0, 1])
    np.testing.assert_array_equal(other.pair_losses[0, 2], made.pair_losses[0, 2])
    solution = ccsolve.solve(other)
    ccsolve.write(tmp_path / "s.npz", solution)
    ccsolve.verify(made, ccsolve.read(tmp_path / "s.npz"))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("offsets", np.array([0, 9]), "offsets do not cut 6 options"),
        ("offsets", np.array([0, 5, 3, 6]), "offsets do not cut"),
        ("losses", None, "no array 'losses'"),
        ("costs", np.full((6, 2), np.inf), "infinite"),
        ("more", np.zeros(2), "unknown array 'more'"),
        ("pair_costs/0-9", np.zeros((3, 1, 2)), r"pair \(0, 9\)"),
    ],
)
def test_damaged_files_are_refused(
    tmp_path: Path, field: str, value: Any, message: str
):
    ccsolve.write(tmp_path / "p.npz", problem())
    arrays = dict(np.load(tmp_path / "p.npz"))
    arrays[field] = value
    np.savez(
        tmp_path / "bad.npz",
        **{name: array for name, array in arrays.items() if array is not None},
    )
    with pytest.raises(InvalidFile, match=message):
        ccsolve.read(tmp_path / "bad.npz")


@pytest.mark.parametrize("budgets", [1, 3])
@pytest.mark.parametrize("seed", range(6))
def test_points_without_search(budgets: int, seed: int):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 6, 5)
    losses = [rng.random(size) for size in sizes]
    costs = [rng.integers(0, 4, (size, budgets)) for size in sizes]
    cheap = np.array([table[:, 0].argmin() for table in costs])
    made = RateAllocation(losses, costs, np.full(budgets, 40.0))
    first = np.eye(budgets)[0]
    np.testing.assert_array_equal(cheap_point(made, first), cheap)
    x = feasible_point(made)
    assert x is not None and made.violation(x) == 0


def test_where_cheap_choices_contradict_none_is_known():
    """What is cheap for one budget is dear for the other: only a mixture holds both."""
    made = RateAllocation([[0.0, 0.0]] * 2, [[[0, 3], [3, 0]]] * 2, [3.0, 3.0])
    found = feasible_point(made)
    assert found is None or made.violation(found) == 0
    solution = ccsolve.solve(made)
    assert made.violation(solution.x) == 0
