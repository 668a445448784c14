from fractions import Fraction

import numpy as np
import pytest

from ccsolve.linalg.exact_sums import sum_down, sum_up


@pytest.mark.parametrize("seed", range(20))
def test_sums_are_the_nearest_floats_on_their_side(seed):
    rng = np.random.default_rng(seed)
    terms = (rng.standard_normal(9) * 10.0 ** rng.integers(-9, 9, 9)).tolist()
    exact = sum(map(Fraction, terms))
    low, high = sum_down(terms), sum_up(terms)
    assert Fraction(low) <= exact <= Fraction(high)
    assert high in (low, np.nextafter(low, np.inf))


def test_whole_sums_are_exact():
    assert sum_down([3.0, -7.0, 2.0**52]) == sum_up([3.0, -7.0, 2.0**52]) == 2.0**52 - 4
    assert sum_down([]) == 0
