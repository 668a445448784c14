"""Weights as tensors and back; which entry goes where; covariances in that order."""

import math

import numpy as np
import pytest

from ccsolve.errors import InvalidProblem
from ccsolve.problems.low_rank import LowRankFit
from ccsolve.problems.tensorisation import Tensorisation, balanced_modes

FORMS = [
    Tensorisation.of_convolution((6, 4, 3), (2, 3), (2, 2)),
    Tensorisation.of_convolution((6, 4, 3, 3), (3, 2), (4,)),
    Tensorisation.of_convolution((4, 6, 2, 3, 2), None, (2, 3)),
    Tensorisation.of_convolution((4, 6, 1, 1), (2, 2), (3, 2)),
    Tensorisation.of_linear((6, 8), (3, 2), (2, 2, 2)),
    Tensorisation.of_lstm((24, 10), (2, 3), (5, 2)),
    Tensorisation.of_lstm((18, 10), (2, 3), (5, 2), gates=3),
]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: str(form.modes))
def test_weights_come_back(form: Tensorisation):
    weight = np.random.default_rng(0).standard_normal(form.shape)
    tensor = form.tensor(weight)
    assert tensor.shape == form.modes
    assert math.prod(form.modes) == weight.size
    np.testing.assert_array_equal(form.weight(tensor), weight)


def test_outputs_come_first_the_kernel_between_and_inputs_last():
    form = Tensorisation.of_convolution((6, 4, 3, 5), (2, 3), (2, 2))
    assert form.modes == (2, 3, 15, 2, 2)
    weight = np.arange(6 * 4 * 15.0).reshape(6, 4, 3, 5)
    tensor = form.tensor(weight)
    # Output 4 = 1·3 + 1, kernel position (2, 3) = 13, input 2 = 1·2 + 0.
    assert tensor[1, 1, 13, 1, 0] == weight[4, 2, 2, 3]


def test_gates_are_part_of_the_first_mode():
    form = Tensorisation.of_lstm((4 * 6, 5), (2, 3), (5,))
    assert form.modes == (8, 3, 5)
    weight = np.arange(120.0).reshape(24, 5)
    # Gate 3, unit 4 = 1·3 + 1 of it.
    assert form.tensor(weight)[3 * 2 + 1, 1, 2] == weight[3 * 6 + 4, 2]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: str(form.modes))
def test_the_loss_in_the_tensors_order_is_that_of_the_outputs(form: Tensorisation):
    rng = np.random.default_rng(1)
    weight = rng.standard_normal(form.shape)
    matrix = weight.reshape(len(weight), -1)
    inputs = rng.standard_normal((50, matrix.shape[1]))
    moments = inputs.T @ inputs / 50
    covariance = form.covariance(moments)
    problem = LowRankFit(form.tensor(weight), ranks=1, covariance=covariance)
    power = ((inputs @ matrix.T) ** 2).sum() / 50
    assert problem.energy == pytest.approx(0.5 * power)


@pytest.mark.parametrize("size", [1, 7, 64, 512, 25088, 57600])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_balanced_modes_multiply_to_the_size(size: int, count: int):
    modes = balanced_modes(size, count)
    assert len(modes) == count
    assert math.prod(modes) == size


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Tensorisation.of_convolution((4, 4), (4,), (4,)), "kernel"),
        (lambda: Tensorisation.of_convolution((4, 4, 3), (3,)), "expected 4"),
        (lambda: Tensorisation.of_convolution((4, 4, 3), None, (2,)), "expected 4"),
        (lambda: Tensorisation.of_linear((4, 4, 3), (4,), (4,)), "inputs"),
        (lambda: Tensorisation.of_linear((4, 4), (), (4,)), "expected 4"),
        (lambda: Tensorisation.of_linear((4, 4), (4,), (0, 4)), "whole number"),
        (lambda: Tensorisation.of_lstm((10, 4), (5,), (4,)), "4 gates"),
        (lambda: Tensorisation.of_lstm((8, 4), (4,), (4,)), "expected 2"),
        (lambda: Tensorisation((4,), (4,), ()), "shape"),
        (lambda: FORMS[0].tensor(np.zeros((6, 4))), "shape"),
        (lambda: FORMS[0].weight(np.zeros((6, 4))), "modes"),
        (lambda: FORMS[0].covariance(np.zeros((3, 3))), "moments"),
        (lambda: balanced_modes(0, 2), "size"),
    ],
)
def test_what_does_not_fit_is_refused(make, match: str):
    with pytest.raises(InvalidProblem, match=match):
        make()
