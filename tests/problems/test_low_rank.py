"""LowRankFit: what it scores, what it takes, what it refuses."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from ccsolve import LowRankFit
from ccsolve.errors import Infeasible, InvalidProblem
from ccsolve.problems import slabs
from ccsolve.problems.generate_low_rank import FAMILIES, moments, weights
from ccsolve.problems.tensor_formats import FORMATS, dense, factor_shapes

MODES = (3, 4, 2, 5)


def kronecker(problem: LowRankFit) -> np.ndarray:
    """Give all of C, (N, N), from the blocks."""
    parts, at = np.ones((1, 1)), 0
    for block in problem.blocks:
        free = np.eye(int(np.prod(problem.modes[at : block.start])))
        parts, at = np.kron(np.kron(parts, free), block.matrix), block.stop
    return np.kron(parts, np.eye(int(np.prod(problem.modes[at:]))))


def random_factors(problem: LowRankFit, seed: int = 0) -> list[np.ndarray]:
    assert problem.ranks is not None
    rng = np.random.default_rng(seed)
    shapes = factor_shapes(problem.format, problem.modes, problem.ranks)
    return [rng.standard_normal(s).astype(problem.tensor.dtype) for s in shapes]


COVARIANCES: dict[str, Any] = {
    "none": None,
    "last": moments(5),
    "singular": moments(5, rank=3),
    "two": moments(10),
    "all": moments(120, rank=40),
    "modes": [moments(3), None, None, moments(5)],
    "inner": [None, moments(4), None, None],
}


@pytest.mark.parametrize("covariance", COVARIANCES.values(), ids=COVARIANCES.keys())
@pytest.mark.parametrize("format", ["tucker", "tt", "tr"])
@pytest.mark.parametrize("slab", [7, slabs.SLAB])
def test_the_objective_is_the_quadratic_form(
    monkeypatch: pytest.MonkeyPatch, format: str, covariance: Any, slab: int
):
    monkeypatch.setattr(slabs, "SLAB", slab)
    tensor = weights(MODES)
    problem = LowRankFit(tensor, format, ranks=2, covariance=covariance)
    x = random_factors(problem)
    rest = (tensor - dense(format, x, MODES)).ravel()
    C = kronecker(problem)
    assert problem.objective(x) == pytest.approx(0.5 * rest @ C @ rest)
    flat = tensor.ravel()
    assert problem.energy == pytest.approx(0.5 * flat @ C @ flat)
    assert problem.error(x) == pytest.approx(
        np.sqrt((rest @ C @ rest) / (flat @ C @ flat))
    )


@pytest.mark.parametrize("shape", [(6, 4), (4, 6)])
def test_the_covariance_of_one_side_is_that_of_the_rows(shape: tuple[int, int]):
    W, C = weights(shape), moments(shape[1])
    problem = LowRankFit(W, "svd", ranks=1, covariance=C)
    x = random_factors(problem)
    rest = W - x[0] @ x[1]
    assert problem.objective(x) == pytest.approx(0.5 * np.trace(rest @ C @ rest.T))


def test_svd_takes_the_first_axis_against_the_rest():
    problem = LowRankFit(weights((4, 3, 2)), "svd", ranks=3)
    assert problem.modes == (4, 6)


def test_slabs_of_a_large_tensor_take_little_memory():
    tracemalloc = pytest.importorskip("tracemalloc")
    tensor = np.ones((600, 20_000), dtype=np.float32)
    tensor.setflags(write=False)
    problem = LowRankFit(tensor, "svd", ranks=2)
    x = random_factors(problem)
    tracemalloc.start()
    problem.objective(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert problem.tensor.base is not None
    assert np.shares_memory(problem.tensor, tensor)
    # A slab of T and one of Z, in float64; the tensor itself has 48 MB.
    assert peak < 2.5 * 8 * slabs.SLAB


def test_a_tensor_that_may_change_is_copied():
    tensor = weights((3, 4))
    problem = LowRankFit(tensor, "svd", ranks=1)
    before = problem.tensor.copy()
    tensor += 1
    np.testing.assert_array_equal(problem.tensor, before)


def test_float32_out_of_range_is_widened():
    tensor = np.float32(1e30) * weights((3, 4), dtype=np.float32)
    assert LowRankFit(tensor, "svd", ranks=1).tensor.dtype == np.float64
    tensor = weights((3, 4), dtype=np.float32)
    assert LowRankFit(tensor, "svd", ranks=1).tensor.dtype == np.float32
    large = 1e40 * moments(4)
    wide = LowRankFit(tensor, "svd", ranks=1, covariance=large)
    assert wide.tensor.dtype == np.float64


def test_one_rank_stands_for_all_and_is_clipped():
    assert LowRankFit(weights(MODES), "tt", ranks=4).ranks == (3, 4, 4)
    assert LowRankFit(weights(MODES), "tt", ranks=99).ranks == (3, 10, 5)
    assert LowRankFit(weights(MODES), "tucker", ranks=3).ranks == (3, 3, 2, 3)
    assert LowRankFit(weights((4, 6)), "svd", ranks=99).ranks == (4,)


def test_ranks_without_room_are_lowered():
    assert LowRankFit(weights(MODES), "tt", ranks=(1, 9, 5)).ranks == (1, 4, 5)
    assert LowRankFit(weights((4, 4, 4)), "tucker", ranks=(4, 1, 2)).ranks == (2, 1, 2)
    assert LowRankFit(weights((2, 3, 3)), "tr", ranks=(1, 3, 3)).ranks == (1, 2, 3)


def test_two_ranks_of_a_tucker_leave_the_rest_whole():
    problem = LowRankFit(weights(MODES), "tucker", ranks=(2, 3))
    assert problem.ranks == (2, 4, 2, 3)
    assert problem.whole == (1, 2)
    # The kernel's matrices are part of the core.
    assert problem.cost_of((2, 4, 2, 3)) == 2 * 4 * 2 * 3 + 3 * 2 + 5 * 3


def test_numpys_integers_are_ranks():
    given = np.array([2, 3, 2])
    assert LowRankFit(weights(MODES), ranks=given).ranks == (2, 3, 2)
    assert LowRankFit(weights(MODES), ranks=np.int64(2)).ranks == (2, 2, 2)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("modes", [(1, 4), (4, 1), (1, 1)])
def test_modes_of_one_element_are_modes(format: str, modes: tuple[int, ...]):
    problem = LowRankFit(weights(modes), format, modes, ranks=1)
    x = problem.feasible_point()
    assert problem.violation(x) == 0
    assert problem.objective(x) == pytest.approx(problem.energy)


@pytest.mark.parametrize("family", FAMILIES)
def test_feasible_points_are_and_scales_are_theirs(family: str):
    problem = FAMILIES[family](0)
    x = problem.feasible_point()
    assert problem.violation(x) == 0
    assert problem.objective(x) == problem.natural_scale()
    assert {factor.dtype for factor in x} == {problem.tensor.dtype}
    assert problem.resolution == 1e-12 * problem.n * problem.data_scale
    assert len(x) == problem.n


def test_tolerance_zero_has_a_point_to_the_last_bit():
    for dtype in (np.float32, np.float64):
        for format in ("tucker", "tt", "tr"):
            tensor = weights(MODES, dtype=dtype)
            problem = LowRankFit(tensor, format, tolerance=0.0)
            x = problem.feasible_point()
            assert problem.error(x) == 0.0
            assert problem.violation(x) == 0.0


def test_violations_are_excesses():
    by_ranks = LowRankFit(weights((5, 6)), "svd", ranks=2)
    x = [np.ones((5, 4)), np.ones((4, 6))]
    assert by_ranks.violation(x) == 2
    by_budget = LowRankFit(weights((5, 6)), "svd", budget=40)
    assert by_budget.violation(x) == 4
    assert by_budget.violation([x[0][:, :3], x[1][:3]]) == 0
    by_error = LowRankFit(weights((5, 6)), "svd", tolerance=0.25)
    zero = [np.zeros((5, 1)), np.zeros((1, 6))]
    assert by_error.violation(zero) == pytest.approx(0.75)
    assert by_error.objective(zero) == 11
    x[0][0, 0] = np.nan
    assert by_ranks.violation(x) == np.inf


def test_costs_weigh_the_factors():
    problem = LowRankFit(weights((5, 6)), "svd", budget=100, costs=[4.0, 2.0])
    assert problem.cost_of((3,)) == 3 * (5 * 4 + 6 * 2)
    assert problem.limit == 100


def test_a_share_is_of_the_dense_tensor():
    assert LowRankFit(weights((10, 30)), "svd", budget=0.29).limit == 87
    assert LowRankFit(weights((10, 30)), "svd", budget=0.3).limit == 90


def test_least_budget_is_enough():
    assert LowRankFit(weights((5, 6)), "svd", budget=11).limit == 11
    with pytest.raises(Infeasible, match="ranks of 1 cost 11"):
        LowRankFit(weights((5, 6)), "svd", budget=10)


@pytest.mark.parametrize("family", FAMILIES)
def test_copies_and_pickles_are_the_same_program(family: str):
    problem = FAMILIES[family](1)
    x = problem.feasible_point()
    for twin in (copy.deepcopy(problem), pickle.loads(pickle.dumps(problem))):
        assert repr(twin) == repr(problem)
        assert twin.objective(x) == problem.objective(x)
        assert twin.limit == problem.limit
        assert twin.ranks == problem.ranks
        assert twin.whole == problem.whole
        assert not twin.tensor.flags.writeable


def test_with_ranks_keeps_the_rest():
    problem = LowRankFit(weights(MODES), "tt", tolerance=0.1, covariance=moments(5))
    given = problem.with_ranks((9, 99, 9))
    assert (given.asks, given.ranks, given.tolerance) == ("ranks", (3, 10, 5), None)
    assert given.energy == problem.energy
    assert problem.asks == "tolerance"


def test_zero_covariance_sees_nothing():
    problem = LowRankFit(
        weights((4, 5)), "svd", tolerance=0.1, covariance=np.zeros((5, 5))
    )
    assert problem.energy == 0
    assert problem.violation(problem.feasible_point()) == 0


class Guarded:
    """As torch's parameters, which are no arrays while they require gradients."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        raise RuntimeError("detach first")


ONES = np.ones((4, 6))
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "rank 0": ({"ranks": 0}, "ranks"),
    "rank 0 of a bond": ({"format": "tt", "ranks": [0]}, r"ranks\[0\] = 0"),
    "rank too large": ({"ranks": [5]}, "from 1 to 4"),
    "rank a fraction": ({"ranks": [1.5]}, "whole number"),
    "rank true": ({"ranks": True}, "ranks = True"),
    "ranks a word": ({"ranks": "all"}, "ranks = 'all'"),
    "too many ranks": ({"ranks": [2, 2]}, "expected 1"),
    "no format": ({"format": "cp", "ranks": 1}, "one of svd, tucker, tt, tr"),
    "modes": ({"format": "tt", "modes": (5, 5), "ranks": 1}, "multiply to 25"),
    "three modes of a matrix": ({"modes": (2, 2, 6), "ranks": 1}, "expected two"),
    "mode zero": ({"format": "tt", "modes": (0, 24), "ranks": 1}, "modes = 0"),
    "modes a number": ({"modes": 24, "ranks": 1}, "list of whole numbers"),
    "NaN": ({"tensor": ONES * np.nan, "ranks": 1}, "NaN"),
    "infinity": ({"tensor": ONES * np.inf, "ranks": 1}, "infinite"),
    "complex": ({"tensor": ONES * 1j, "ranks": 1}, "complex"),
    "a class that refuses": ({"tensor": Guarded(), "ranks": 1}, "detach first"),
    "rank of 0": ({"ranks": 0}, "expected a whole number of at least 1$"),
    "words": ({"tensor": [["a"]], "ranks": 1}, "real numbers"),
    "no entries": ({"tensor": np.ones((0, 3)), "ranks": 1}, "at least one"),
    "a number": ({"tensor": 3.0, "ranks": 1}, "at least one axis"),
    "huge": ({"tensor": ONES * 1e99, "ranks": 1}, "rescale"),
    "tiny": ({"tensor": ONES * 1e-99, "ranks": 1}, "rescale"),
    "nothing asked": ({}, "given none"),
    "two asked": ({"ranks": 1, "tolerance": 0.1}, "ranks and tolerance"),
    "tolerance below 0": ({"tolerance": -0.1}, "tolerance"),
    "tolerance of 1": ({"tolerance": 1.0}, "tolerance = 1"),
    "tolerance NaN": ({"tolerance": float("nan")}, "tolerance"),
    "budget of 0": ({"budget": 0}, "budget"),
    "budget above 1": ({"budget": 1.5}, "budget = 1.5"),
    "budget true": ({"budget": True}, "budget = True"),
    "share of what": ({"budget": 0.5, "costs": [1.0, 2.0]}, "costs that differ"),
    "costs of 0": ({"budget": 20, "costs": [0.0, 1.0]}, "expected > 0"),
    "too few costs": ({"budget": 20, "costs": [1.0]}, "costs has shape"),
    "asymmetric": (
        {"ranks": 1, "covariance": np.triu(np.ones((6, 6)))},
        "not symmetric",
    ),
    "indefinite": (
        {"ranks": 1, "covariance": np.diag([1.0, 1, 1, 1, 1, -1])},
        "semidefinite",
    ),
    "wrong size": ({"ranks": 1, "covariance": np.eye(5)}, "one of 6, 24"),
    "wrong mode": (
        {"ranks": 1, "covariance": [np.eye(6), None]},
        r"covariance\[0\] has shape",
    ),
    "covariances": ({"ranks": 1, "covariance": [None]}, "list of 1"),
    "covariance NaN": ({"ranks": 1, "covariance": np.full((6, 6), np.nan)}, "NaN"),
    "whole of svd": ({"ranks": 1, "whole": (0,)}, "only 'tucker'"),
    "whole and lowered": (
        {"format": "tucker", "ranks": (2, 2), "whole": (0,)},
        "mode 0 is whole",
    ),
    "whole of no mode": ({"format": "tucker", "ranks": 2, "whole": (7,)}, "whole = 7"),
}


@pytest.mark.parametrize(("given", "match"), REFUSED.values(), ids=REFUSED.keys())
def test_bad_input_is_refused_in_one_line(given: dict[str, Any], match: str):
    with pytest.raises(InvalidProblem, match=match) as caught:
        LowRankFit(**{"tensor": ONES, "format": "svd", **given})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "x",
    [
        3.0,
        [np.ones((4, 1))],
        [np.ones((4, 1)), np.ones((2, 6))],
        [np.ones((3, 1)), np.ones((1, 6))],
        [np.ones(4), np.ones(6)],
    ],
    ids=["a number", "one", "unlike", "short", "vectors"],
)
def test_points_that_do_not_fit_are_refused(x: Any):
    problem = LowRankFit(ONES, "svd", ranks=2)
    with pytest.raises(InvalidProblem, match="the point"):
        problem.objective(x)


def test_covariances_too_small_for_squares_are_refused():
    with pytest.raises(InvalidProblem, match="at least 1e-60, or all zeros"):
        LowRankFit(np.eye(3), "svd", ranks=1, covariance=1e-140 * np.eye(3))
