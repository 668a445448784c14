"""The methods of LowRankFit: closed forms, monotone sweeps, covariances of any kind."""

from itertools import islice
from typing import Any

import numpy as np
import pytest

from ccsolve.errors import InvalidProblem
from ccsolve.iterate import Limits
from ccsolve.problems import LowRankFit
from ccsolve.problems.tensor_formats import dense
from ccsolve.solvers.low_rank import als, hosvd, randomised, tt_svd, warm
from ccsolve.solvers.low_rank.fitting.fits import cold_fit, refined_fits
from ccsolve.solvers.low_rank.fitting.linear_parts import linear_part
from ccsolve.solvers.low_rank.given_ranks import fits

RNG = np.random.default_rng


def psd(n: int, rank: int | None = None, seed: int = 0) -> np.ndarray:
    A = RNG(seed).standard_normal((n, rank or n + 2))
    return A @ A.T


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return RNG(seed).standard_normal(shape)


PLAIN = {
    "svd": ((6, 8), 3),
    "tt": ((6, 3, 4, 5), (4, 5, 3)),
    "tucker-2": ((6, 3, 3, 8), (3, 4)),
    "tucker": ((6, 3, 8), (3, 2, 4)),
    "tr": ((6, 3, 8), (2, 2, 2)),
}
NORMS = {
    "none": lambda modes: None,
    "last mode": lambda modes: psd(modes[-1]),
    "last mode, singular": lambda modes: psd(modes[-1], 3),
    "modes": lambda modes: [psd(m, seed=k) for k, m in enumerate(modes)],
    "modes, singular": lambda modes: [psd(m, max(1, m - 2)) for m in modes],
    "trailing": lambda modes: psd(int(np.prod(modes[1:]))),
    "trailing, singular": lambda modes: psd(int(np.prod(modes[1:])), 7),
    "all": lambda modes: psd(int(np.prod(modes))),
}


def fit(kind: str, norm: str, dtype: type = np.float64, **asked: Any) -> LowRankFit:
    modes, ranks = PLAIN[kind]
    T = normal(*modes).astype(dtype)
    asked = asked or {"ranks": ranks}
    format = kind.split("-")[0]
    return LowRankFit(T, format, covariance=NORMS[norm](modes), **asked)


def cold_of(problem: LowRankFit):
    return hosvd if problem.format == "tucker" else tt_svd


every = pytest.mark.parametrize(
    ("kind", "norm"), [(kind, norm) for kind in PLAIN for norm in NORMS]
)


@every
def test_sweeps_never_raise_the_objective(kind: str, norm: str):
    problem = fit(kind, norm)
    x = cold_fit(problem)
    assert problem.violation(x) == 0
    values = [problem.objective(x)]
    sweeps = islice(refined_fits(problem, x), 12)
    values += [problem.objective(x) for x in sweeps]
    assert values == sorted(values, reverse=True)


@every
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_refined_is_a_bounded_point_of_the_tensors_type(
    kind: str, norm: str, dtype: type
):
    problem = fit(kind, norm, dtype)
    cold = cold_of(problem).solve(problem, Limits())
    solution = als.solve(problem, Limits(gap=-1.0), sweeps=5)
    assert problem.violation(solution.x) == 0
    assert all(factor.dtype == dtype for factor in solution.x)
    assert solution.objective <= cold.objective * (1 + 1e-6) + problem.resolution
    assert solution.bound <= solution.objective + problem.resolution


@every
def test_warm_goes_on_from_its_start(kind: str, norm: str):
    problem = fit(kind, norm)
    start = cold_fit(problem)
    solution = warm.solve(problem, Limits(), start=start)
    assert problem.violation(solution.x) == 0
    assert solution.objective <= problem.objective(start) + problem.resolution


@pytest.mark.parametrize("norm", ["last mode", "last mode, singular", "modes"])
def test_the_whitened_svd_is_the_best(norm: str):
    """The tails of C₁^½·T·C₂^½ bound every matrix of that rank."""
    problem = fit("svd", norm)
    W = problem.tensor
    for block in problem.blocks:
        W = W @ block.root if block.start else block.root.T @ W
    tails = np.linalg.svd(W, compute_uv=False)
    for rank in (1, 2, 5):
        ranked = problem.with_ranks((rank,))
        best = 0.5 * float((tails[rank:] ** 2).sum())
        found = ranked.objective(cold_fit(ranked))
        assert found == pytest.approx(best, abs=1e-10 * problem.energy)


def test_one_sided_svd_keeps_the_rows_of_the_tensor():
    """Z = U·UᵀT also where the covariance sees nothing."""
    problem = fit("svd", "last mode, singular")
    left, right = cold_fit(problem)
    assert np.allclose(left.T @ left, np.eye(3))
    assert np.allclose(right, left.T @ problem.tensor)


@pytest.mark.parametrize("kind", PLAIN)
def test_linear_parts_are_linear_and_adjoint(kind: str):
    modes, _ = PLAIN[kind]
    problem = fit(kind, "none")
    x, rng = cold_fit(problem), RNG(1)
    for k, factor in enumerate(x):
        part = linear_part(problem.format, x, modes, k)
        Z = dense(problem.format, x, modes)
        assert np.allclose(part.forward(factor), Z)
        other, g = rng.standard_normal(factor.shape), rng.standard_normal(modes)
        forward = float(np.vdot(part.forward(other), g))
        assert forward == pytest.approx(float(np.vdot(other, part.adjoint(g))))


def test_a_general_covariance_is_solved_for_one_factor():
    """With two modes and one of them held, least squares has a closed form."""
    problem = fit("svd", "all")
    solution = als.solve(problem, Limits(), sweeps=400)
    left, right = (factor.astype(np.float64) for factor in solution.x)
    C = problem.blocks[0].matrix
    A = np.kron(left, np.eye(right.shape[1]))
    best = np.linalg.solve(A.T @ C @ A, A.T @ C @ problem.tensor.reshape(-1))
    value = problem.objective([left, best.reshape(right.shape)])
    assert solution.objective == pytest.approx(value, rel=1e-3)


@pytest.mark.parametrize("kind", PLAIN)
@pytest.mark.parametrize("asked", [{"tolerance": 0.6}, {"budget": 0.5}], ids=str)
def test_tolerances_and_budgets_hold(kind: str, asked: dict):
    problem = fit(kind, "none", **asked)
    for method in (cold_of(problem), als, randomised, warm):
        solution = method.solve(problem, Limits())
        assert problem.violation(solution.x) == 0
        assert solution.bound <= solution.objective + problem.resolution


def test_tolerance_zero_is_exact():
    problem = LowRankFit(normal(5, 6), "svd", tolerance=0.0)
    for method in (tt_svd, als, randomised):
        assert problem.error(method.solve(problem, Limits()).x) <= 1e-13


@pytest.mark.parametrize("kind", PLAIN)
def test_random_samples_come_near(kind: str):
    problem = fit(kind, "none")
    cold = problem.objective(cold_fit(problem))
    first = randomised.solve(problem, Limits(), seed=3)
    again = randomised.solve(problem, Limits(), seed=3)
    assert first.objective == again.objective
    assert first.objective <= 1.1 * cold + 1e-9
    assert randomised.solve(problem, Limits(), oversample=0, power=0).x is not None


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_ring_uses_ranks_that_its_first_mode_has_no_room_for(dtype: type):
    # r_0·r_1 = 4 > 2: with zeros in the other columns, sweeps stay where they begin.
    cores = [normal(2, mode, 2, seed=k) for k, mode in enumerate((2, 8, 8, 8))]
    tensor = dense("tr", cores, (2, 8, 8, 8)).astype(dtype)
    problem = LowRankFit(tensor, "tr", ranks=2)
    assert problem.error(cold_fit(problem)) > 0.1
    assert problem.error(als.solve(problem, Limits()).x) < 1e-3


def test_a_step_limit_returns_what_there_is():
    problem = fit("tt", "trailing")
    solution = als.solve(problem, Limits(step_limit=2))
    assert problem.violation(solution.x) == 0


def test_bad_starts_are_refused():
    problem = fit("svd", "none")
    with pytest.raises(InvalidProblem, match="start"):
        als.solve(problem, Limits(), start=3)
    with pytest.raises(InvalidProblem, match="start"):
        warm.solve(problem, Limits(), start=[normal(6, 5), normal(5, 8)])
    with pytest.raises(InvalidProblem, match="factors"):
        warm.solve(problem, Limits(), start=[normal(6, 3)])
    with pytest.raises(InvalidProblem, match="sweeps"):
        als.solve(problem, Limits(), sweeps=-1)
    with pytest.raises(InvalidProblem, match="power"):
        randomised.solve(problem, Limits(), power=-1)


def test_starts_of_lower_rank_keep_it():
    problem = fit("tucker", "modes, singular")
    low = problem.with_ranks((2, 1, 2))
    solution = als.solve(problem, Limits(), start=cold_fit(low))
    assert solution.x[0].size <= 4


@pytest.mark.parametrize("kind", PLAIN)
def test_warm_without_a_start_is_a_sweep_after_the_cold_fit(kind: str):
    problem = fit(kind, "none")
    found = warm.solve(problem, Limits())
    cold = problem.objective(cold_fit(problem))
    assert found.objective <= cold * (1.0 + 1e-9)


@pytest.mark.parametrize("kind", PLAIN)
def test_random_samples_meet_a_tolerance_with_a_few_more_ranks(kind: str):
    shape, _ = PLAIN[kind]
    problem = LowRankFit(normal(*shape), kind.split("-")[0], tolerance=0.4)
    exact = cold_of(problem).solve(problem, Limits())
    sampled = randomised.solve(problem, Limits(), power=0, oversample=0)
    assert problem.violation(sampled.x) == 0
    if exact.objective < problem.data_scale:
        assert sampled.objective <= 1.5 * exact.objective


def test_rings_are_started_twice():
    cores = [normal(3, m, 3, seed=m) for m in (4, 6, 5)]
    T = dense("tr", [cores[0], cores[1], cores[2]], (4, 6, 5))
    problem = LowRankFit(T, "tr", ranks=3)
    first = cold_fit(problem)
    alone = [problem.objective(x) for x in islice(refined_fits(problem, first), 30)]
    both = min(problem.objective(x) for x in fits(problem, 30))
    assert both <= min(alone) and len(list(fits(problem, 30))) > len(alone) + 1
