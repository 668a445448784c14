"""Curves of real statistics, and from curves to rates."""

import numpy as np
import pytest

import ccsolve
from ccsolve import data
from ccsolve.criteria import taylor_removal
from ccsolve.iterate import Limits
from ccsolve.problems import SmoothRateAllocation
from ccsolve.sensitivity import (
    ccp_curve,
    convex_envelope,
    exponential_fit,
    isotonic_fit,
    low_rank_losses,
    low_rank_rates,
    unit_curve,
)
from ccsolve.solvers.smooth_allocation import bisection

STATS = ccsolve.Statistics.load(data.path("digits_resnet"))


def test_the_whole_of_collaborative_compression_rates():
    """Units to curves, curves to fits, fits to rates: one marginal loss for all."""
    layers = [layer for layer in STATS.layers.values() if layer.kind == "conv"]
    curves = [unit_curve(layer) for layer in layers]
    fits = [exponential_fit(curve.rates, curve.losses) for curve in curves]
    sizes = np.array([layer.weight.size for layer in layers], dtype=float)
    problem = SmoothRateAllocation(
        [fit.scale for fit in fits],
        [fit.rate for fit in fits],
        sizes,
        0.5 * sizes.sum(),
    )
    x = bisection.solve(problem, Limits()).x
    assert sizes @ x == pytest.approx(0.5 * sizes.sum())
    inside = (x > 0) & (x < 0.95)
    slopes = [fit.rate * fit(rate) for fit, rate in zip(fits, x, strict=True)]
    np.testing.assert_allclose(np.array(slopes)[inside], slopes[int(inside.argmax())])


@pytest.mark.parametrize("group", STATS.groups)
def test_the_program_is_never_worse_than_greedy_removal(group: str):
    program, greedy = ccp_curve(STATS, group).losses, taylor_removal(STATS, group).loss
    assert (program <= greedy + 1e-12 * greedy.max()).all()


@pytest.mark.parametrize("name", STATS.layers)
def test_layers_lose_more_the_lower_the_rank(name: str):
    layer = STATS.layers[name]
    rates, losses = low_rank_rates(layer), low_rank_losses(layer)
    envelope, rising = convex_envelope(rates, losses), isotonic_fit(rates, losses)
    assert envelope(1.0) == pytest.approx(losses[-1])
    assert (envelope(rates) <= losses + 1e-12 * losses[-1]).all()
    saved = rates > 0
    np.testing.assert_allclose(rising(rates[saved]), losses[saved], rtol=1e-9)
