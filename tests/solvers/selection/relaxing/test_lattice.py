import numpy as np
import pytest

from ccsolve import ChannelSelection, testing
from ccsolve.problems.generate import diversity, k_cluster
from ccsolve.solvers.selection.relaxing.lattice import Lattice, lattice_of


def every_value(problem: ChannelSelection) -> np.ndarray:
    bits = np.arange(2**problem.n)[:, None] >> np.arange(problem.n) & 1
    return np.array([problem.objective(z.astype(float)) for z in bits])


def test_every_value_lies_on_the_lattice():
    rng = np.random.default_rng(0)
    whole = rng.integers(-4, 5, (6, 6))
    programs = [
        k_cluster(7, 0.5, 3),
        diversity(7, 3),
        ChannelSelection(3.0 * (whole + whole.T), 6.0 * rng.integers(-3, 3, 6)),
        ChannelSelection(0.5 * (whole + whole.T), 0.5 - np.diag(whole), constant=0.25),
        ChannelSelection(factor=whole[:3], q=rng.integers(-3, 3, 6), keep=2),
    ]
    for problem in programs:
        lattice = lattice_of(problem)
        steps = (every_value(problem) - lattice.origin) / max(lattice.step, 1)
        assert lattice.step == int(lattice.step)
        if lattice.step:
            np.testing.assert_array_equal(steps, np.rint(steps))
    assert lattice_of(programs[0]).step == 1.0
    assert lattice_of(programs[2]).step == 6.0


def test_data_that_are_not_whole_have_no_lattice():
    assert lattice_of(testing.problem("indefinite")).step == 0
    assert lattice_of(testing.problem("factored")).step == 0
    half = ChannelSelection(np.full((2, 2), 0.25))
    assert lattice_of(half).step == 0
    large = ChannelSelection(np.full((2, 2), 2.0**60), keep=1)
    assert lattice_of(large).step == 0


@pytest.mark.parametrize("origin", [0.0, 0.5, -3.25])
def test_raising_reaches_the_next_value_and_never_passes_one(origin: float):
    lattice = Lattice(origin, 2.0)
    for value in (origin - 6.0, origin, origin + 8.0):
        assert lattice.raised(value) == value
        assert lattice.raised(value - 0.5) == value
        assert lattice.raised(value - 1e-12) == pytest.approx(value, abs=2e-12)
        assert lattice.raised(value + 1e-12) <= value + 2e-12
        assert lattice.raised(value - 1.9) == value
    assert Lattice(0.0, 0.0).raised(1.5) == 1.5
    assert lattice.raised(-np.inf) == -np.inf
    assert lattice.raised(1e300) == 1e300
