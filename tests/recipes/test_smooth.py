"""Smooth widths: within the budget, and those of CC's program where costs add up."""

import numpy as np
import pytest

from ccsolve.criteria import taylor_removal
from ccsolve.errors import Infeasible
from ccsolve.recipes.smooth import smooth_widths
from ccsolve.recipes.steps import admissible_steps, fits
from ccsolve.statistics import Group, Operation, Statistics, Term
from ccsolve.statistics.generate import random_chain

STATS = random_chain((16, 24, 9, 32))
LOSSES = {name: taylor_removal(STATS, name).loss for name in STATS.groups}


@pytest.mark.parametrize("multiple", [1, 4])
@pytest.mark.parametrize("fraction", [0.31, 0.5, 0.75, 1.0])
def test_the_budget_holds_and_nothing_can_be_put_back(fraction: float, multiple: int):
    limits = {"macs": fraction * STATS.cost().macs}
    widths = smooth_widths(STATS, limits, LOSSES, multiple_of=multiple)
    assert fits(STATS, limits, widths)
    for name, steps in admissible_steps(STATS, multiple).items():
        assert widths[name] in steps
        for wider in [step for step in steps if step > widths[name]][:1]:
            assert not fits(STATS, limits, widths | {name: wider})


def test_equal_groups_share_alike():
    groups = {name: Group(name, 50) for name in "ab"}
    operations = tuple(
        Operation(name, "conv", (), name, (Term((name,), 10, 1),)) for name in "ab"
    )
    stats = Statistics(groups, operations=operations)
    losses = dict.fromkeys("ab", np.expm1(3 * np.linspace(0, 1, 51)))
    widths = smooth_widths(stats, {"macs": 600}, losses)
    assert widths == {"a": 30, "b": 30}


def test_what_is_not_missed_goes_first():
    groups = {name: Group(name, 40) for name in "ab"}
    operations = tuple(
        Operation(name, "conv", (), name, (Term((name,), 10, 1),)) for name in "ab"
    )
    stats = Statistics(groups, operations=operations)
    losses = {"a": np.zeros(41), "b": np.expm1(np.linspace(0, 4, 41))}
    widths = smooth_widths(stats, {"macs": 500}, losses)
    assert widths["b"] == 40 and widths["a"] == 10


def test_below_the_narrowest_network_is_infeasible():
    with pytest.raises(Infeasible, match="the narrowest network allowed takes"):
        smooth_widths(STATS, {"macs": 1}, LOSSES)
