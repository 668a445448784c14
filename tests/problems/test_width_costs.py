"""WidthTable and WidthBudget: what widths cost, and what is refused."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from ccsolve import WidthBudget, WidthTable
from ccsolve.errors import InvalidProblem

VALUES = [[1.0, 2.0, 4.0], [1.0, 3.0, 6.0]]


def table(**changes: Any) -> WidthTable:
    given: dict[str, Any] = {
        "values": VALUES,
        "inputs": {0: 2},
        "outputs": {1: 1},
        "read": [4, 8],
        "made": [1, 2, 5],
    }
    return WidthTable(**(given | changes))


def test_a_table_costs_what_the_next_point_upwards_does():
    assert table().at([2, 1]) == 1.0
    assert table().at([2, 2]) == 2.0
    assert table().at([3, 3]) == 6.0
    assert table().at([0, 0]) == 1.0
    assert table(inputs={0: 1, 1: 1}).at([4, 1]) == 1.0
    grid = {0: np.arange(5)[:, None], 1: np.arange(6)[None]}
    every = table().at(grid)
    assert every.shape == (5, 6)
    assert every[3, 3] == table().at([3, 3])


def test_a_budget_is_the_sum_of_its_terms():
    budget = WidthBudget(
        9.0, {0: 2.0, 1: 0.0}, {(1, 0): 3.0, (0, 1): 1.0, (1, 1): 0.5}, (table(),), 7.0
    )
    assert budget.products == {(0, 1): 4.0, (1, 1): 0.5}
    assert budget.at([3, 2]) == 7.0 + 6.0 + 24.0 + 2.0 + 3.0
    assert budget.groups == {0, 1}
    assert WidthBudget(1.0, np.array([1.0, 2.0])).at([3, 4]) == 11.0


@pytest.mark.parametrize(
    "again", [copy.deepcopy, lambda b: pickle.loads(pickle.dumps(b))]
)
def test_copies_are_equal_and_protected(again: Any):
    made = WidthBudget(9.0, {0: 2.0}, {(0, 1): 3.0}, (table(),), 7.0, "macs")
    other = again(made)
    assert other.at([3, 2]) == made.at([3, 2]) and other.name == "macs"
    assert not other.tables[0].values.flags.writeable


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"values": [[1.0, 2.0]]}, r"values has shape \(1, 2\); expected \(2, 3\)"),
        ({"values": [[2.0, 1, 1], [2, 1, 1]]}, "falls along an axis"),
        ({"values": [[-1.0, 1, 1], [2, 2, 2]]}, "down to -1; expected costs >= 0"),
        ({"read": [4, 4]}, "read = .* expected rising whole numbers"),
        ({"made": [1.5, 2, 5]}, "made = .* expected rising whole numbers"),
        ({"inputs": {0: 0}}, r"inputs\[0\] = 0; expected a whole number"),
        ({"inputs": {-1: 1}}, "inputs names the group -1"),
        ({"outputs": [1]}, "outputs is a list"),
    ],
)
def test_malformed_tables_are_refused(changes: dict[str, Any], message: str):
    with pytest.raises(InvalidProblem, match=message):
        table(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"limit": np.nan}, "limit = nan; expected a finite number"),
        ({"linear": {0: -1.0}}, r"linear\[0\] = -1"),
        ({"linear": {"a": 1.0}}, "linear names the group 'a'"),
        ({"products": {0: 1.0}}, "products has the key 0; expected two"),
        ({"products": {(0, 1): -1.0}}, r"products\[\(0, 1\)\] = -1"),
        ({"products": [1.0]}, "products is a list"),
        ({"tables": [3]}, "expected WidthTables"),
        ({"fixed": -1.0}, "fixed = -1"),
    ],
)
def test_malformed_budgets_are_refused(changes: dict[str, Any], message: str):
    with pytest.raises(InvalidProblem, match=message):
        given: dict[str, Any] = {"limit": 1.0}
        WidthBudget(**(given | changes))
