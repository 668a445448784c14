"""The cost model against networks counted by hand."""

import itertools

import pytest

from ccsolve.errors import InvalidProblem, InvalidStatistics
from ccsolve.statistics import Cost, Group, Operation, Statistics, Term
from ccsolve.statistics.generate import random_chain


def concatenated() -> Statistics:
    """Count a network by hand: two branches, concatenated, squared, classified.

    Input 3 x 8 x 8. a = conv3x3(input), b = conv1x1(input) with bias; the
    concatenation of a and b goes through conv3x3 into a itself (one group twice,
    a residual sum); flattened 8 x 8 positions of a and b go into 10 classes.
    """
    return Statistics(
        groups={"a": Group("a", 4), "b": Group("b", 6)},
        operations=(
            Operation("to_a", "conv", (), "a", (Term(("a",), 27 * 64, 27),)),
            Operation("to_b", "conv", (), "b", (Term(("b",), 3 * 64, 3 + 1),)),
            Operation(
                "joint",
                "conv",
                ("a", "b"),
                "a",
                (Term(("a", "a"), 9 * 64, 9), Term(("b", "a"), 9 * 64, 9)),
            ),
            Operation("norm", "batch_norm", ("a",), "a", (Term(("a",), 0, 2),)),
            Operation(
                "classifier",
                "linear",
                ("a", "b"),
                None,
                (
                    Term(("a",), 640, 640),
                    Term(("b",), 640, 640),
                    Term((), 0, 10),
                ),
            ),
        ),
    )


@pytest.mark.parametrize(("a", "b"), [*itertools.product(range(5), range(7))])
def test_cost_is_what_layer_by_layer_counting_gives(a: int, b: int):
    convolutions = 64 * (27 * a + 3 * b + 9 * (a + b) * a)
    weights = 27 * a + 3 * b + 9 * (a + b) * a
    cost = concatenated().cost({"a": a, "b": b})
    assert cost.macs == convolutions + 64 * (a + b) * 10
    assert cost.params == weights + b + 2 * a + 64 * (a + b) * 10 + 10
    assert isinstance(cost.macs, int)


def test_groups_not_named_stay_dense():
    stats = concatenated()
    assert stats.cost() == stats.cost({"a": 4, "b": 6}) == stats.cost({"b": 6})


def test_fractions_make_floats():
    term = Term(("g",), 0.5, 1)
    operation = Operation("o", "conv", (), "g", (term,))
    stats = Statistics({"g": Group("g", 3)}, operations=(operation,))
    assert stats.cost() == Cost(1.5, 3)


def test_integers_stay_exact_beyond_two_to_the_53():
    term = Term(("g", "g"), 2**53 + 1, 1)
    operation = Operation("o", "conv", (), "g", (term,))
    stats = Statistics({"g": Group("g", 3)}, operations=(operation,))
    assert stats.cost().macs == 9 * (2**53 + 1)


def test_the_random_chain_costs_what_its_layers_hold():
    stats = random_chain((6, 8, 5))
    weights = sum(layer.weight.size for layer in stats.layers.values())
    assert stats.cost().params == weights + 2 * (6 + 8 + 5) + 10


@pytest.mark.parametrize("width", [-1, 5, 2.0, True, None])
def test_widths_outside_the_group_are_refused(width: object):
    with pytest.raises(InvalidProblem, match="width"):
        concatenated().cost({"a": width})  # pyright: ignore[reportArgumentType]


def test_unknown_groups_are_refused():
    with pytest.raises(InvalidProblem, match="no group 'c'"):
        concatenated().cost({"c": 1})


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), True, "1"])
def test_bad_coefficients_are_refused(value: float):
    with pytest.raises(InvalidStatistics, match="macs coefficient"):
        Term((), value, 0)


def test_terms_of_three_groups_are_refused():
    with pytest.raises(InvalidStatistics, match="0, 1 or 2"):
        Term(("a", "b", "c"), 1, 1)
