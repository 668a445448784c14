from fractions import Fraction

import numpy as np

from ccsolve.linalg.rounding import gamma


def test_gamma_covers_the_error_of_long_and_cancelling_sums():
    rng = np.random.default_rng(0)
    for n in (1, 2, 10, 300):
        for scale in (1e-8, 1.0, 1e8):
            x = rng.standard_normal(n) * scale
            y = rng.standard_normal(n) / scale
            y[-1] -= (x @ y) / x[-1]
            terms = [Fraction(a) * Fraction(b) for a, b in zip(x, y, strict=True)]
            error = abs(Fraction(float(x @ y)) - sum(terms))
            assert error <= gamma(n) * sum(abs(term) for term in terms)
