"""Brackets of a price on concave functions that are known."""

import math

import numpy as np
import pytest

from ccsolve.solvers.selection.relaxing.lagrangian_bracket import Bracket, Probe


def piecewise(levels: np.ndarray, excesses: np.ndarray, price: float) -> Probe:
    values = levels + price * excesses
    active = int(values.argmin())
    return Probe(price, float(values[active]), float(excesses[active]))


def climbed(levels: np.ndarray, excesses: np.ndarray, price: float) -> Bracket:
    bracket, following = Bracket(), price
    for _ in range(60):
        bracket = bracket.narrowed(piecewise(levels, excesses, following))
        next_price = bracket.next_price(1.0)
        if next_price is None or bracket.promise() <= 1e-9:
            break
        following = next_price
    return bracket


@pytest.mark.parametrize("start", [0.0, 0.1, 50.0])
def test_the_best_price_of_piecewise_linear_functions(start: float):
    rng = np.random.default_rng(0)
    for _ in range(50):
        excesses = np.sort(rng.standard_normal(12))
        excesses[0] = -1.0
        levels = rng.uniform(0.0, 5.0, 12)
        prices = np.linspace(0.0, 60.0, 60_001)
        known = (levels + prices[:, None] * excesses).min(axis=1).max()
        found = climbed(levels, excesses, start)
        assert found.best().value >= known - 1e-3 * (1.0 + abs(known))
        assert found.promise() >= 0.0


def test_tangents_promise_no_less_than_there_is():
    # L(t) = -(t - 1)², of slope 2(1 - t).
    bracket = Bracket(Probe(0.0, -1.0, 2.0), Probe(3.0, -4.0, -4.0))
    assert bracket.promise() >= 1.0
    price = bracket.next_price(9.0)
    assert price == pytest.approx(1.0)


def test_open_ends():
    within = Bracket().narrowed(Probe(0.0, 1.0, -1.0))
    assert within.next_price(1.0) is None and within.promise() == 0.0
    above = Bracket().narrowed(Probe(2.0, 1.0, -1.0))
    assert above.next_price(1.0) == 0.0 and above.promise() == math.inf
    below = Bracket().narrowed(Probe(2.0, 1.0, 1.0))
    assert below.next_price(1.0) == 8.0 and below.promise() == math.inf
