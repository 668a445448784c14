"""The bound of keeping all: below every point, close to that of all channels."""

import numpy as np
import pytest

from ccsolve.problems.generate_reconstruction import FAMILIES
from ccsolve.solvers.reconstruction.relaxing.all_kept import all_kept_bound
from ccsolve.solvers.reconstruction.searching.working_form import working_form


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("noise", [0.0, 1e-9, 1e-3])
def test_it_is_below_the_value_of_all_channels(family: str, noise: float):
    """Also where V is off: then by more, but never above."""
    problem = FAMILIES[family](8, 0)
    V = working_form(problem).V
    V = V * (1.0 + noise * np.random.default_rng(0).standard_normal(V.shape))
    least = problem.objective(np.ones(8, dtype=bool))
    bound = all_kept_bound(problem, V)
    assert bound <= least
    if noise == 0:
        assert bound == pytest.approx(least, abs=1e-7 * problem.data_scale)
