"""Curve records: evaluation, continuation, copies, refusals."""

import copy
import pickle

import numpy as np
import pytest

from ccsolve.errors import InvalidProblem
from ccsolve.sensitivity import Exponential, PiecewiseLinear


def test_an_exponential_is_its_formula():
    curve = Exponential(0.5, 3.0)
    rates = np.linspace(-0.2, 1, 7)
    np.testing.assert_allclose(curve(rates), 0.5 * np.exp(3 * rates))
    assert curve(0.0) == 0.5
    assert curve == Exponential(0.5, 3)


@pytest.mark.parametrize("bad", [np.nan, np.inf, "steep", None, True])
def test_an_exponential_of_no_numbers_is_refused(bad: object):
    with pytest.raises(InvalidProblem, match=r"rate = .*; expected a finite number"):
        Exponential(1.0, bad)  # pyright: ignore[reportArgumentType]


def test_pieces_meet_the_points_and_go_on_beyond_them():
    curve = PiecewiseLinear([0.0, 0.2, 1.0], [1.0, 2.0, 2.0])
    np.testing.assert_allclose(curve([0.0, 0.2, 1.0]), [1, 2, 2])
    np.testing.assert_allclose(curve([-0.2, 0.1, 0.6, 2.0]), [0, 1.5, 2, 2])
    assert curve(0.1) == pytest.approx(1.5)
    assert curve(np.zeros((2, 3))).shape == (2, 3)


def test_one_point_is_a_constant():
    curve = PiecewiseLinear([0.3], [4.0])
    assert (curve([-1.0, 0.3, 9.0]) == 4).all()


@pytest.mark.parametrize(
    ("rates", "losses", "message"),
    [
        ([], [], "rates is empty"),
        ([0.0, 0.0], [1.0, 2.0], "do not rise strictly"),
        ([1.0, 0.0], [1.0, 2.0], "do not rise strictly"),
        ([0.0, 1.0], [1.0], r"losses has shape \(1,\); expected \(2,\)"),
        ([0.0, np.nan], [1.0, 2.0], "rates holds 1 NaN"),
        ([0.0, 1.0], [1.0, np.inf], "losses holds 1 NaN or infinite"),
        ([0.0, 1.0], [1.0, 1e300], "losses has entries up to 1e.300"),
    ],
)
def test_bad_points_are_refused(rates: list, losses: list, message: str):
    with pytest.raises(InvalidProblem, match=message):
        PiecewiseLinear(rates, losses)


def test_copies_are_equal_and_read_only():
    curve = PiecewiseLinear([0.0, 0.5], [1.0, 3.0])
    for copied in (copy.deepcopy(curve), pickle.loads(pickle.dumps(curve))):
        np.testing.assert_array_equal(copied.losses, curve.losses)
        assert not copied.rates.flags.writeable
    assert pickle.loads(pickle.dumps(Exponential(1.0, 2.0))) == Exponential(1.0, 2.0)
