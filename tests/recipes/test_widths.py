"""Uniform widths: within budgets, nothing more fits, one ratio for all."""

import itertools
from typing import Any

import pytest

from ccsolve.errors import Infeasible, InvalidProblem
from ccsolve.recipes.widths import uniform_widths
from ccsolve.statistics import Group, Operation, Statistics, Term
from ccsolve.statistics.generate import random_chain
from tests.recipes.budgets import assert_used_up, limits_of

STATS = random_chain((16, 24, 9, 32))
SIZES = {name: group.size for name, group in STATS.groups.items()}


@pytest.mark.parametrize("multiple", [1, 4, 8])
@pytest.mark.parametrize("resource", ["macs", "params", "both"])
@pytest.mark.parametrize("fraction", [0.31, 0.5, 0.75, 0.99, 1.0])
def test_budgets_hold_and_nothing_more_fits(
    fraction: float, resource: str, multiple: int
):
    limits = limits_of(STATS, fraction, resource)
    widths = uniform_widths(STATS, limits, multiple_of=multiple)
    assert_used_up(STATS, limits, widths, multiple)


@pytest.mark.parametrize("fraction", [0.2, 0.4, 0.6, 0.8])
def test_one_ratio_for_all(fraction: float):
    widths = uniform_widths(STATS, {"macs": fraction * STATS.cost().macs})
    lowest = max((width - 1) / SIZES[name] for name, width in widths.items())
    highest = min((width + 1) / SIZES[name] for name, width in widths.items())
    # Up to one channel either way, and what the last fill-up added.
    assert lowest <= highest + 0.05


def test_all_of_the_budget_keeps_the_network():
    dense = STATS.cost()
    assert uniform_widths(STATS, {"macs": dense.macs, "params": dense.params}) == SIZES
    assert uniform_widths(STATS, {"macs": 2 * dense.macs}) == SIZES


def test_narrowest_networks_are_found_and_named():
    least = STATS.cost(dict.fromkeys(SIZES, 2)).macs
    widths = uniform_widths(STATS, {"macs": least}, min_keep=2)
    assert set(widths.values()) == {2}
    with pytest.raises(Infeasible, match=rf"macs = {least - 1}, .* takes {least}"):
        uniform_widths(STATS, {"macs": least - 1}, min_keep=2)


def test_each_group_keeps_its_own_minimum():
    term = Term(("g", "h"), 1, 1)
    groups = {"g": Group("g", 6, min_keep=4), "h": Group("h", 6)}
    operation = Operation("o", "conv", ("g",), "h", (term,))
    stats = Statistics(groups, operations=(operation,))
    assert uniform_widths(stats, {"macs": 5}) == {"g": 5, "h": 1}
    assert uniform_widths(stats, {"macs": 36}, min_keep=9) == {"g": 6, "h": 6}


def test_groups_that_cost_nothing_stay_dense():
    groups = {"g": Group("g", 6), "h": Group("h", 6)}
    operation = Operation("o", "conv", (), "g", (Term(("g",), 1, 1),))
    stats = Statistics(groups, operations=(operation,))
    assert uniform_widths(stats, {"macs": 3}) == {"g": 3, "h": 6}


@pytest.mark.parametrize(
    "options",
    list(
        itertools.chain(
            ({"multiple_of": value} for value in (0, -1, 1.5, True)),
            ({"min_keep": value} for value in (-1, 0.5, True)),
        )
    ),
)
def test_bad_options_are_refused(options: dict[str, Any]):
    with pytest.raises(InvalidProblem, match=next(iter(options))):
        uniform_widths(STATS, {"macs": STATS.cost().macs}, **options)
