"""Cost tables add up to the cost, at every choice of widths."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccsolve.errors import InvalidProblem
from ccsolve.statistics import Group, Operation, Statistics, Term
from ccsolve.statistics.generate import random_chain
from ccsolve.statistics.tables import cost_tables

RESOURCES = ("params", "macs")


@st.composite
def networks(draw: st.DrawFn) -> Statistics:
    names = [f"g{place}" for place in range(draw(st.integers(1, 4)))]
    groups = {name: Group(name, draw(st.integers(1, 5))) for name in names}
    named = st.lists(st.sampled_from(names), max_size=2).map(tuple)
    amounts = st.integers(0, 2**20)
    terms = tuple(
        Term(draw(named), draw(amounts), draw(amounts))
        for _ in range(draw(st.integers(0, 6)))
    )
    return Statistics(groups, operations=(Operation("o", "conv", (), None, terms),))


@settings(max_examples=60, deadline=None)
@given(networks(), st.data())
def test_the_tables_add_up_to_the_cost(stats: Statistics, data: st.DataObject):
    grids = {
        name: data.draw(
            st.lists(st.integers(0, group.size), min_size=1, max_size=3, unique=True)
        )
        for name, group in stats.groups.items()
    }
    tables = cost_tables(stats, RESOURCES, grids)
    for places in itertools.product(*(range(len(grid)) for grid in grids.values())):
        at = dict(zip(grids, places, strict=True))
        cost = stats.cost({name: grids[name][place] for name, place in at.items()})
        assert tables.at(at).tolist() == [cost.params, cost.macs]


def test_pairs_stand_where_two_widths_vary_and_in_the_order_of_the_groups():
    stats = random_chain((6, 8, 5))
    every = {name: range(1, group.size + 1) for name, group in stats.groups.items()}
    tables = cost_tables(stats, RESOURCES, every)
    assert list(tables.pairs) == [("conv1", "conv2"), ("conv2", "conv3")]
    assert tables.pairs["conv1", "conv2"].shape == (6, 8, 2)
    one = cost_tables(stats, RESOURCES, {**every, "conv2": [3]})
    assert not one.pairs and not one.own["conv2"].any() and one.fixed[0] > 0


def test_a_group_squared_is_the_groups_own():
    term = Term(("g", "g"), 7, 3)
    operation = Operation("o", "conv", ("g",), "g", (term,))
    stats = Statistics({"g": Group("g", 3)}, operations=(operation,))
    tables = cost_tables(stats, RESOURCES, {"g": [1, 3]})
    np.testing.assert_array_equal(tables.own["g"], [[3, 7], [27, 63]])
    assert not tables.pairs


def test_groups_without_a_grid_stay_dense():
    stats = random_chain((6, 8))
    cost = stats.cost()
    tables = cost_tables(stats, RESOURCES, {})
    assert tables.fixed.tolist() == [cost.params, cost.macs]


@pytest.mark.parametrize(
    ("resources", "grids", "message"),
    [
        (["speed"], {}, "resource 'speed'"),
        (["macs"], {"other": [1]}, "group 'other'"),
        (["macs"], {"conv1": []}, "grid of group 'conv1'"),
        (["macs"], {"conv1": [7]}, "from 0 to 6"),
        (["macs"], {"conv1": [0.5]}, "expected integers"),
    ],
)
def test_what_is_wrong_is_named(
    resources: list[str], grids: dict[str, list[int]], message: str
):
    with pytest.raises(InvalidProblem, match=message):
        cost_tables(random_chain((6, 8)), resources, grids)
