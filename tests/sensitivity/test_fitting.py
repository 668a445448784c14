"""Fits: least squares by definition, envelopes by their properties, refusals."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccsolve.errors import InvalidProblem
from ccsolve.sensitivity import (
    PiecewiseLinear,
    convex_envelope,
    exponential_fit,
    isotonic_fit,
)
from ccsolve.sensitivity.fitting import RIDGE

FITS: list[Callable[..., Any]] = [exponential_fit, isotonic_fit, convex_envelope]

points = st.lists(
    st.tuples(
        st.integers(0, 8).map(lambda k: k / 8), st.floats(-3, 3, allow_subnormal=False)
    ),
    min_size=1,
    max_size=12,
)


def random_points(seed: int, count: int = 30) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    rates = rng.uniform(-0.1, 0.95, count)
    return rates, np.exp(4 * rates) * rng.uniform(0.5, 1.5, count)


def weighted_error(rates: np.ndarray, losses: np.ndarray, a: float, b: float) -> float:
    """Give what the published fit minimises, on points of positive rate."""
    shares = (losses / losses[rates > 0].max())[rates > 0]
    residuals = np.log(shares + RIDGE) - np.log(a) - b * rates[rates > 0]
    return float(np.sqrt(shares) @ residuals**2)


def test_an_exponential_is_found_again():
    rates = np.linspace(0.05, 0.95, 12)
    fit = exponential_fit(rates, 0.2 * np.exp(5 * rates), normalised=False)
    assert fit.scale == pytest.approx(0.2, rel=1e-6)
    assert fit.rate == pytest.approx(5, rel=1e-6)
    normalised = exponential_fit(rates, 0.2 * np.exp(5 * rates))
    assert normalised(0.95) == pytest.approx(1, rel=1e-6)


def test_the_exponential_fit_is_the_weighted_least_squares():
    for seed in range(5):
        rates, losses = random_points(seed)
        fit = exponential_fit(rates, losses)
        best = weighted_error(rates, losses, fit.scale, fit.rate)
        for a, b in ((1.001, 0.0), (0.999, 0.0), (1.0, 1e-3), (1.0, -1e-3)):
            assert weighted_error(rates, losses, a * fit.scale, fit.rate + b) > best
        root = np.sqrt(losses[rates > 0] / losses[rates > 0].max())
        logs = np.log(root**2 + RIDGE)
        # polyfit squares its weights: theirs are of the squares already.
        slope, intercept = np.polyfit(rates[rates > 0], logs, 1, w=np.sqrt(root))
        assert fit.rate == pytest.approx(slope)
        assert fit.scale == pytest.approx(np.exp(intercept))


def test_points_that_save_nothing_and_their_order_play_no_part():
    rates, losses = random_points(3)
    fit = exponential_fit(rates, losses)
    more = exponential_fit([-0.5, 0.0, *rates[::-1]], [99.0, 98.0, *losses[::-1]])
    assert more.rate == pytest.approx(fit.rate)
    assert more.scale == pytest.approx(fit.scale)


def test_the_unit_of_losses_scales_the_unnormalised_fit_alone():
    rates, losses = random_points(4)
    fit = exponential_fit(rates, losses)
    assert exponential_fit(rates, 1e-7 * losses).scale == pytest.approx(fit.scale)
    small = exponential_fit(rates, 1e-7 * losses, normalised=False)
    top = 1e-7 * losses[rates > 0].max()
    assert small.scale == pytest.approx(top * fit.scale)
    assert small.rate == pytest.approx(fit.rate)


@pytest.mark.parametrize(("slope", "wanted"), [(-3.0, 0.5), (20.0, 8.0)])
def test_rates_outside_the_range_are_fitted_by_its_end(slope: float, wanted: float):
    rates = np.linspace(0.1, 0.9, 9)
    losses = np.exp(slope * rates)
    fit = exponential_fit(rates, losses, least_rate=0.5, most_rate=8.0)
    assert fit.rate == wanted
    best = weighted_error(rates, losses, fit.scale, wanted)
    for factor in (0.99, 1.01):
        assert weighted_error(rates, losses, factor * fit.scale, wanted) > best


def test_a_jump_at_the_end_leaves_a_curve_that_allocations_take():
    losses = [0.0] * 63 + [1e-9, 1.0]
    fit = exponential_fit(np.arange(65) / 64, losses, normalised=False)
    assert fit.rate == 100
    assert 1e-60 < fit.scale < 1


@settings(max_examples=60, deadline=None)
@given(points)
def test_isotonic_fits_rise_and_no_rising_curve_is_nearer(
    drawn: list[tuple[float, float]],
):
    rates, losses = np.array(drawn).T
    fit = isotonic_fit(rates, losses)
    assert (np.diff(fit.losses) >= 0).all()
    assert (fit.rates == np.unique(rates)).all()
    error = np.sum((fit(rates) - losses) ** 2)
    rng = np.random.default_rng(0)
    for _ in range(20):
        other = np.sort(fit.losses + 0.3 * rng.standard_normal(fit.losses.size))
        curve = PiecewiseLinear(fit.rates, other)
        assert np.sum((curve(rates) - losses) ** 2) >= error - 1e-9


def test_isotonic_weights_count_as_repetitions():
    rates, losses = [0.4, 0.1, 0.2, 0.2], [1.0, 3.0, 2.0, 5.0]
    weighted = isotonic_fit(rates, losses, weights=[1.0, 2.0, 1.0, 3.0])
    repeated = isotonic_fit([0.4, 0.1, 0.1, *[0.2] * 4], [1, 3, 3, 2, 5, 5, 5])
    np.testing.assert_allclose(weighted.losses, repeated.losses)
    rising = isotonic_fit([0.2, 0.1], [5.0, 4.0], weights=[7.0, 2.0])
    np.testing.assert_array_equal(rising.losses, [4, 5])


@settings(max_examples=100, deadline=None)
@given(points)
def test_envelopes_are_below_convex_and_made_of_points(
    drawn: list[tuple[float, float]],
):
    rates, losses = np.array(drawn).T
    hull = convex_envelope(rates, losses)
    assert (hull(rates) <= losses + 1e-12).all()
    slopes = np.diff(hull.losses) / np.diff(hull.rates)
    assert (np.diff(slopes) > 0).all()
    assert hull.rates[0] == rates.min()
    assert hull.rates[-1] == rates.max()
    given_points = set(zip(rates.tolist(), losses.tolist(), strict=True))
    corners = zip(hull.rates.tolist(), hull.losses.tolist(), strict=True)
    assert set(corners) <= given_points
    again = convex_envelope(hull.rates, hull.losses)
    np.testing.assert_array_equal(again.rates, hull.rates)


def test_an_envelope_holds_the_best_point_of_every_price():
    rates, losses = random_points(7)
    hull = convex_envelope(rates, losses)
    for price in np.linspace(-5, 60, 40):
        assert (losses - price * rates).min() == pytest.approx(
            (hull.losses - price * hull.rates).min()
        )


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize(
    ("rates", "losses", "message"),
    [
        ([], [], "rates is empty; expected at least one point"),
        ([0.1, 0.2], [1.0], r"losses has shape \(1,\); expected \(2,\)"),
        ([0.1, np.nan], [1.0, 2.0], "rates holds 1 NaN"),
        ([0.1, 0.2], [1.0, np.nan], "losses holds 1 NaN"),
        ([[0.1, 0.2]], [1.0, 2.0], r"rates has shape \(1, 2\)"),
        (["a"], [1.0], "rates is not an array of real numbers"),
    ],
)
def test_bad_points_are_refused(
    fit: Callable[..., Any], rates: Any, losses: Any, message: str
):
    with pytest.raises(InvalidProblem, match=message):
        fit(rates, losses)


@pytest.mark.parametrize(
    ("rates", "losses", "message"),
    [
        ([0.1, 0.2], [1.0, -1.0], "losses has entries down to -1.*isotonic_fit"),
        ([0.1, 0.2], [0.0, 0.0], "0 different rates > 0 with a loss above 0"),
        ([0.0, -0.1, 0.2], [1.0, 1.0, 1.0], "1 different rates > 0"),
        ([0.2, 0.2, 0.3], [1.0, 2.0, 0.0], "1 different rates > 0.*at least 2"),
    ],
)
def test_what_no_exponential_fits_is_refused(rates: Any, losses: Any, message: str):
    with pytest.raises(InvalidProblem, match=message):
        exponential_fit(rates, losses)


def test_bad_options_are_refused():
    with pytest.raises(
        InvalidProblem, match=r"least_rate = -1; expected .* at least 0"
    ):
        exponential_fit([0.1, 0.2], [1.0, 2.0], least_rate=-1)
    with pytest.raises(InvalidProblem, match=r"most_rate = 1; expected .* least 2"):
        exponential_fit([0.1, 0.2], [1.0, 2.0], least_rate=2, most_rate=1)
    with pytest.raises(InvalidProblem, match="weights has entries down to 0; expec"):
        isotonic_fit([0.1, 0.2], [1.0, 2.0], weights=[1.0, 0.0])
    with pytest.raises(InvalidProblem, match=r"weights has shape \(1,\)"):
        isotonic_fit([0.1, 0.2], [1.0, 2.0], weights=[1.0])
