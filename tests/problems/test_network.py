"""NetworkSelection: forms that agree, budgets on widths, files, and bad input."""

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ccsolve
from ccsolve import NetworkSelection, WidthBudget, WidthTable
from ccsolve.errors import Infeasible, InvalidFile, InvalidProblem
from ccsolve.problems.generate_network import FAMILIES, chain
from ccsolve.problems.network_points import (
    feasible_point,
    natural_scale,
    random_point,
    rounded,
)

LABELS = [1, 0, 1, 0, 1]
MEMBERS = [[1, 3], [0, 2, 4]]


def problem(**changes: Any) -> NetworkSelection:
    given = {"Q": np.eye(5), "q": np.arange(5.0), "groups": LABELS}
    return NetworkSelection(**(given | changes))


def parts() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    blocks = [np.diag(rng.random(2)), rng.random((3, 3))]
    blocks[1] = blocks[1] + blocks[1].T
    return {
        "Q": None,
        "blocks": blocks,
        "factor": rng.standard_normal((2, 5)),
        "diagonal": rng.random(5),
    }


def test_all_forms_score_as_the_dense_one():
    given = parts()
    made = problem(**given)
    dense = given["factor"].T @ given["factor"] + np.diag(given["diagonal"])
    for own, block in zip(MEMBERS, given["blocks"], strict=True):
        dense[np.ix_(own, own)] += block
    np.testing.assert_allclose(made.form.dense(), dense)
    np.testing.assert_allclose(made.form.diagonal_of_Q(), np.diagonal(dense))
    other = problem(Q=0.5 * (dense + dense.T))
    for seed in range(5):
        z = np.random.default_rng(seed).integers(0, 2, 5)
        assert made.objective(z) == pytest.approx(other.objective(z))
        np.testing.assert_allclose(made.form.multiply(z * 1.0), dense @ z)
    for g, own in enumerate(MEMBERS):
        np.testing.assert_allclose(made.form.block(g), dense[np.ix_(own, own)])
        np.testing.assert_allclose(other.form.block(g), dense[np.ix_(own, own)])
    assert not made.form.is_separable and not other.form.is_separable
    assert problem(**(given | {"factor": None})).form.is_separable


def test_groups_come_as_labels_or_as_members():
    for groups in (LABELS, np.array(LABELS), MEMBERS, [np.array(m) for m in MEMBERS]):
        made = problem(groups=groups)
        assert [own.tolist() for own in made.members] == MEMBERS
        assert made.groups.tolist() == LABELS


def test_budgets_bind_products_and_tables_of_widths():
    table = WidthTable([[1.0, 5.0]], {}, {1: 1}, made=[1, 3])
    budget = WidthBudget(12.0, {0: 1.0}, {(0, 1): 2.0, (1, 1): 0.5}, (table,), 1.0)
    made = problem(budgets=[budget])
    z = np.array([1, 1, 1, 0, 0])
    assert made.widths_of(z).tolist() == [1, 2]
    assert made.spent(z).tolist() == [1.0 + 1.0 + 4.0 + 2.0 + 5.0]
    assert made.violation(z) > 0
    assert made.violation([1, 1, 0, 0, 0]) == 0
    assert problem(budgets=budget).budgets == (budget,)


def test_a_budget_holds_to_the_last_unit():
    made = problem(budgets=[WidthBudget(3.0, {0: 1.0, 1: 1.0})])
    assert made.violation([1, 1, 1, 0, 0]) == 0
    assert made.violation([1, 1, 1, 1, 0]) >= 1
    large = problem(budgets=[WidthBudget(4e9 - 1.0, {0: 1e9, 1: 1e9})])
    assert large.violation([1, 1, 1, 1, 0]) > 1e-9


def test_widths_follow_multiples_floors_and_fixings():
    assert [w.tolist() for w in problem(multiple_of=2).widths] == [[0, 2], [0, 2, 3]]
    assert [w.tolist() for w in problem(min_keep=[1, 2]).widths] == [[1, 2], [2, 3]]
    assert [w.tolist() for w in problem(max_keep=[0, 2]).widths] == [[0], [0, 1, 2]]
    both = problem(multiple_of=2, min_keep=[0, 5], max_keep=[1, 9])
    assert [w.tolist() for w in both.widths] == [[0], [3]]
    assert problem(max_keep=1).violation([1, 1, 0, 1, 0]) > 0
    fixed = [1, -1, 0, 0, -1]
    made = problem(fixed=fixed)
    assert [w.tolist() for w in made.widths] == [[0, 1], [1, 2]]
    assert made.violation([1, 1, 0, 0, 1]) == 0
    assert made.violation([0, 1, 0, 0, 1]) == 1
    assert problem(multiple_of=2).violation([1, 1, 0, 1, 0]) == 1
    assert problem().violation([0.5, 1, 0, 0, 1]) == 0.5


@pytest.mark.parametrize("family", FAMILIES)
def test_points_without_search_are_feasible(family: str):
    for seed in range(3):
        made = FAMILIES[family](seed)
        assert made.violation(feasible_point(made)) == 0
        rng = np.random.default_rng(seed)
        for _ in range(5):
            assert made.violation(random_point(made, rng)) == 0
        assert natural_scale(made) > 0


def test_relaxed_points_round_to_widths_of_the_ladders():
    made = FAMILIES["twos"](0)
    y = np.random.default_rng(0).random(made.n)
    z = rounded(made, y)
    for own, ladder in zip(made.members, made.widths, strict=True):
        width = int(z[own].sum())
        assert width in ladder
        assert abs(width - y[own].sum()) <= abs(ladder - y[own].sum()).min() + 1e-9
        assert y[own][z[own]].min(initial=1.0) >= y[own][~z[own]].max(initial=0.0)


def test_the_narrowest_network_must_keep_its_budgets():
    budgets = [WidthBudget(5.0, {0: 1.0}), WidthBudget(1.0, {1: 1.0}, name="macs")]
    with pytest.raises(Infeasible, match=r"budget macs = 1, but the narrowest .* 2;"):
        problem(budgets=budgets, min_keep=2)
    with pytest.raises(Infeasible, match=r"group '1': no width of 3 channels"):
        problem(multiple_of=2, fixed=[1, -1, 0, -1, 0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"groups": None}, "groups is missing"),
        ({"groups": [0, 0, 1]}, "groups has 3 labels; expected 5"),
        ({"groups": [0, 0, 2, 2, 2]}, "expected 0 to G - 1, each of them taken"),
        ({"groups": [-1, 0, 0, 0, 0]}, "labels -1 to 0"),
        ({"groups": [1, 1, 1, 1, 1]}, "labels 1 to 1"),
        ({"Q": None, "q": None, "groups": []}, "groups is empty"),
        ({"groups": [0.5, 0, 0, 0, 0]}, "expected a vector of whole numbers"),
        (
            {"groups": [[0, 1], [1, 2, 3, 4]]},
            r"groups\[1\] is empty or holds a channel",
        ),
        ({"groups": [[0, 1], [2, 3]]}, "channel 4 is in no group"),
        ({"groups": [[0, 1, 9], [2, 3]]}, r"groups\[0\] holds channels 0 to 9"),
        ({"Q": np.full((5, 5), np.nan)}, "Q holds 25 NaN"),
        ({"Q": None}, "give Q, or blocks, or factor"),
        ({"blocks": [np.eye(2), np.eye(3)]}, "give Q alone"),
        ({"Q": None, "blocks": [np.eye(2)]}, "1 blocks; expected 2"),
        ({"Q": None, "blocks": [np.eye(3), np.eye(2)]}, r"blocks\[0\] has shape"),
        ({"Q": np.eye(4), "q": None}, "groups has 5 labels; expected 4"),
        ({"q": np.ones(4)}, r"q has shape \(4,\)"),
        ({"budgets": [3]}, r"budgets\[0\] is a int; expected a WidthBudget"),
        ({"budgets": [WidthBudget(1.0, {2: 1.0})]}, "names the group 2; expected 0 to"),
        (
            {"budgets": [WidthBudget(9.0, tables=(WidthTable([[1.0]], {1: 1}),))]},
            "grid ends at 0; expected at least 3",
        ),
        ({"multiple_of": 0}, "multiple_of = 0"),
        ({"multiple_of": [1]}, "multiple_of = .* one for each of the 2 groups"),
        ({"min_keep": -1}, "min_keep = -1"),
        ({"max_keep": [1.5, 2]}, "max_keep is float64"),
        ({"fixed": [2, 0, 0, 0, 0]}, "fixed holds other values"),
        ({"names": ["a", "a"]}, "names holds 2 names; expected 2, each another"),
        ({"Q": np.eye(5) * 1e199}, "rescale the problem"),
    ],
)
def test_malformed_data_are_refused(changes: dict[str, Any], message: str):
    with pytest.raises(InvalidProblem, match=message):
        problem(**changes)


def test_a_point_of_another_shape_is_refused():
    with pytest.raises(InvalidProblem, match=r"shape \(3,\); expected \(5,\)"):
        problem().violation([0, 0, 1])
    assert not problem().violation([np.nan, 0, 0, 0, 0]) <= 0


def assert_same(first: NetworkSelection, second: NetworkSelection) -> None:
    for seed in range(4):
        z = np.random.default_rng(seed).integers(0, 2, first.n)
        assert first.objective(z) == second.objective(z)
        assert first.violation(z) == second.violation(z)
    assert first.names == second.names and repr(first) == repr(second)
    np.testing.assert_array_equal(first.limits, second.limits)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("again", ["copy", "pickle", "file"])
def test_copies_and_files_give_the_same_problem(
    family: str, again: str, tmp_path: Path
):
    made = FAMILIES[family](1)
    if again == "file":
        ccsolve.write(tmp_path / "p.npz", made)
        assert_same(made, ccsolve.read(tmp_path / "p.npz"))
    else:
        other = (
            copy.deepcopy(made) if again == "copy" else pickle.loads(pickle.dumps(made))
        )
        assert_same(made, other)
        assert not other.q.flags.writeable


def test_files_hold_every_part(tmp_path: Path):
    made = problem(
        **parts(),
        names=["stem", "tail"],
        multiple_of=[1, 2],
        constant=2.0,
        max_keep=[2, 2],
    )
    ccsolve.write(tmp_path / "p.npz", made)
    assert_same(made, ccsolve.read(tmp_path / "p.npz"))
    solution = ccsolve.solve(made)
    ccsolve.write(tmp_path / "s.npz", solution)
    ccsolve.verify(made, ccsolve.read(tmp_path / "s.npz"))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("groups", None, "no array 'groups'"),
        ("groups", np.zeros(3), "groups is float64; expected whole numbers"),
        ("names", np.zeros(3), "names is float64"),
        ("budget_count", np.asarray(5), "no array 'budgets/3/linear'"),
        ("budget_count", np.asarray(-1), "budget_count is -1"),
        ("budgets/0/limit", None, "no number 'budgets/0/limit'"),
        ("budgets/0/products", np.full((1, 3), 0.5), "terms of budgets/0"),
        ("budgets/0/name", np.zeros(2), "budgets/0/name is float64"),
        ("budgets/2/tables/0/inputs", np.zeros((1, 3), int), "rows of a group"),
        ("more", np.zeros(2), "unknown array 'more'"),
    ],
)
def test_damaged_files_are_refused(
    tmp_path: Path, field: str, value: Any, message: str
):
    ccsolve.write(tmp_path / "p.npz", chain([4, 5, 4], tables=True, share=0.6))
    arrays = dict(np.load(tmp_path / "p.npz")) | {field: value}
    kept = {name: array for name, array in arrays.items() if array is not None}
    np.savez(tmp_path / "bad.npz", **kept)
    with pytest.raises(InvalidFile, match=message):
        ccsolve.read(tmp_path / "bad.npz")
