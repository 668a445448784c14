"""Low-rank bounds: the relaxation's identities, gradients, proofs and their limits."""

import math

import numpy as np
import pytest

from ccsolve import ChannelSelection, testing
from ccsolve.iterate import Limits, run
from ccsolve.linalg.unit_rows import random_rows, tangent_part
from ccsolve.problems.generate import FAMILIES, cancelling, k_cluster, loss_model
from ccsolve.solution import Solution
from ccsolve.solvers.selection import sdp_cvxpy
from ccsolve.solvers.selection.relaxing import low_rank, low_rank_cuts
from ccsolve.solvers.selection.relaxing.convex_form import plain_form
from ccsolve.solvers.selection.relaxing.low_rank_certificate import proven_bound
from ccsolve.solvers.selection.relaxing.low_rank_cuts import Penalties, lagrangian
from ccsolve.solvers.selection.relaxing.low_rank_program import (
    LowRankProgram,
    halves,
    low_rank_program,
)
from ccsolve.solvers.selection.relaxing.rounding import first_step
from ccsolve.solvers.selection.searching.engine import engine_for

CONSTRAINED = ("cancelling", "indefinite", "budgeted", "budget_only", "unconstrained")


def relaxed(problem: ChannelSelection, **options) -> Solution:
    """Run the relaxation to its end."""
    limits = Limits(step_limit=1_200, gap=0.0, resolution=problem.resolution)

    def steps():
        yield first_step(problem, plain_form(problem))
        yield from low_rank.relax(engine_for(problem, 0), limits, **options)

    return run(steps(), limits)


def program_of(problem: ChannelSelection) -> LowRankProgram:
    return low_rank_program(problem, problem.dense())


def point(program: LowRankProgram, seed: int = 0) -> np.ndarray:
    return random_rows(program.n, 6, program.total, np.random.default_rng(seed))


def random_cuts(program: LowRankProgram, seed: int = 0) -> Penalties:
    """Give cuts with multipliers that mean nothing but have the right signs."""
    rng = np.random.default_rng(seed)
    n = program.n
    pairs = np.triu(np.maximum(rng.standard_normal((n, n)), 0.0), 1)
    prices = np.maximum(rng.standard_normal((2, n)), 0.0)
    return Penalties(
        pairs=(pairs + pairs.T).astype(np.float32),
        prices=prices if program.limit < math.inf else None,
        pair_weight=2.0,
        price_weight=0.5,
    )


@pytest.mark.parametrize("family", CONSTRAINED)
def test_every_point_is_in_the_relaxation(family: str):
    problem = testing.problem(family, 11, 0)
    program = program_of(problem)
    V = halves(point(program))
    X, x = V @ V.T, V[:, 0]
    assert np.allclose(np.diagonal(X), x)
    # (1, x; x, X) = (e₁, V)(e₁, V)ᵀ
    assert np.linalg.eigvalsh(X - np.outer(x, x)).min() > -1e-12
    if problem.keep is not None:
        assert np.allclose(X.sum(axis=1), problem.keep * x)
        assert x.sum() == pytest.approx(problem.keep)
    value = float((problem.dense() * X).sum() + problem.q @ x)
    bare, _ = lagrangian(program, low_rank_cuts.no_cuts(), point(program))
    assert program.scale * bare == pytest.approx(value)


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("family", CONSTRAINED)
def test_gradients_are_derivatives_along_the_manifold(family: str, held: bool):
    program = program_of(testing.problem(family, 11, 1))
    cuts = random_cuts(program)
    cuts = cuts.held() if held else cuts
    U = point(program)
    _, G = lagrangian(program, cuts, U)
    direction = tangent_part(
        U, np.random.default_rng(5).standard_normal(U.shape), program.total
    )
    # X = VVᵀ is quadratic in U; off the manifold X_ii = x_i fails, to second order.
    h = 3e-3
    ahead, behind = (
        lagrangian(program, cuts, _unit(U + sign * h * direction))[0]
        for sign in (1.0, -1.0)
    )
    slope = float(np.vdot(G, direction))
    assert (ahead - behind) / (2.0 * h) == pytest.approx(slope, rel=0.02, abs=0.02)


def _unit(U: np.ndarray) -> np.ndarray:
    return U / np.linalg.norm(U, axis=1)[:, None]


def test_blocks_of_pairs_add_up(monkeypatch: pytest.MonkeyPatch):
    program = program_of(cancelling(23, seed=0))
    cuts, U = random_cuts(program), point(program)
    whole = lagrangian(program, cuts, U)
    monkeypatch.setattr(low_rank_cuts, "BLOCK", 5)
    parts = lagrangian(program, cuts, U)
    assert parts[0] == pytest.approx(whole[0], rel=1e-5)
    assert np.allclose(parts[1], whole[1], atol=1e-5)
    V = halves(U)
    assert cuts.pairs is not None
    M = np.maximum(cuts.pairs - 2.0 * (V @ V.T), 0.0)
    np.fill_diagonal(M, 0.0)
    plain = lagrangian(program, low_rank_cuts.no_cuts(), U)
    assert np.allclose(whole[1], plain[1] - M @ V, atol=1e-5)
    assert whole[0] - plain[0] == pytest.approx(float((M * M).sum()) / 4.0, rel=1e-4)
    moved, violation = low_rank_cuts.moved(program, cuts, U)
    assert moved.pairs is not None
    assert np.allclose(moved.pairs, M, atol=1e-6)
    X = V @ V.T
    np.fill_diagonal(X, 0.0)
    assert violation == pytest.approx(np.linalg.norm(np.minimum(X, 0.0)), rel=1e-4)


def test_any_multipliers_prove_a_bound():
    rng = np.random.default_rng(0)
    for family in (*CONSTRAINED, "factored_budget", "duplicated", "huge", "tiny"):
        for seed in range(6):
            problem = testing.problem(family, 9, seed)
            _, optimum = testing.brute_force(problem)
            program = program_of(problem)
            cuts = random_cuts(program, seed)
            for size in (0.0, 1.0, 1e6):
                rows = size * rng.standard_normal(problem.n)
                value = float(size * rng.standard_normal())
                bound = proven_bound(program, cuts, rows, value)
                assert -math.inf < bound <= optimum, family


def test_multipliers_that_are_no_numbers_prove_nothing():
    program = program_of(cancelling(8))
    rows = np.zeros(8)
    for bad in (math.nan, math.inf):
        assert proven_bound(program, low_rank_cuts.no_cuts(), rows, bad) == -math.inf
        spoilt = np.where(np.arange(8) == 3, bad, rows)
        assert proven_bound(program, low_rank_cuts.no_cuts(), spoilt, 0.0) == -math.inf


def test_a_dual_broken_on_purpose_is_repaired():
    problem = cancelling(14, seed=2)
    _, optimum = testing.brute_force(problem)
    program = program_of(problem)
    best = relaxed(problem)
    U = point(program)
    value, G = lagrangian(program, low_rank_cuts.no_cuts(), U)
    rows = np.einsum("ij,ij->i", U, G)
    for factor in (1.0, -1.0, 1.5):
        bound = proven_bound(program, low_rank_cuts.no_cuts(), factor * rows, value)
        assert bound <= best.bound * (1.0 + 1e-4) <= optimum


@pytest.mark.parametrize("cone", ["sdp", "dnn"])
@pytest.mark.parametrize("family", [*CONSTRAINED, "factored_budget", "loss_model"])
def test_the_bound_is_that_of_an_interior_point_method(family: str, cone: str):
    for n, seed in ((9, 0), (14, 1)):
        problem = testing.problem(family, n, seed)
        oracle = sdp_cvxpy.solve(problem, Limits(gap=0.0), cone=cone)
        found = relaxed(problem, nonnegative=cone == "dnn", tolerance=1e-5)
        if "solver_value" not in oracle.extra:
            assert oracle.gap == 0.0  # at once, without a solver
            continue
        value = oracle.extra["solver_value"]
        # Multipliers of cuts converge at first order.
        has_cuts = cone == "dnn" or problem.cost is not None
        accuracy = 2e-2 if has_cuts else 2e-3
        room = accuracy * max(abs(value - problem.constant), problem.data_scale)
        assert found.bound <= value + 1e-6 * problem.n * problem.data_scale
        assert found.bound >= value - room


@pytest.mark.parametrize("make", [cancelling, lambda n: k_cluster(n, 0.5, n // 4)])
def test_value_and_bound_enclose_the_relaxation(make):
    found = relaxed(make(300), roundings=0)
    value = found.extra["relaxation"]
    assert found.bound == pytest.approx(value, rel=1e-3)
    assert found.trace[-1].bound <= value or found.bound == round(found.bound)


def test_nonnegative_products_raise_the_bound():
    problem = cancelling(60, seed=1)
    plain = relaxed(problem, roundings=0)
    cut = relaxed(problem, nonnegative=True, roundings=0)
    assert cut.bound > 1.02 * plain.bound
    assert cut.bound <= plain.objective


def test_factor_and_matrix_give_the_same_bound():
    for family in ("factored", "factored_budget"):
        problem = testing.problem(family, 40, 0)
        dense = ChannelSelection(
            problem.dense(),
            problem.q,
            problem.keep,
            problem.constant,
            cost=problem.cost,
            budget=problem.budget,
        )
        room = 1e-3 * problem.data_scale
        assert relaxed(problem).bound == pytest.approx(relaxed(dense).bound, abs=room)


def test_scale_does_not_matter():
    base = loss_model(40, 20, 64)
    assert base.Q is not None
    one = relaxed(base).bound - base.constant
    for scale in (2.0**-40, 2.0**40):
        scaled = ChannelSelection(scale * base.Q, scale * base.q, keep=base.keep)
        assert relaxed(scaled).bound / scale == pytest.approx(one, rel=1e-4)


def test_factors_too_large_for_a_certificate_get_the_convex_relaxation(
    monkeypatch: pytest.MonkeyPatch,
):
    problem = testing.problem("factored", 30, 0)
    whole = relaxed(problem)
    monkeypatch.setattr(low_rank, "LARGEST_FACTOR", 20)
    fallen_back = relaxed(problem)
    assert -math.inf < fallen_back.bound < whole.bound
    assert "relaxation" not in fallen_back.extra


def test_no_proof_is_begun_without_the_time_for_it(monkeypatch: pytest.MonkeyPatch):
    problem = cancelling(60)
    limits = Limits(time_limit=0.05, gap=0.0)
    monkeypatch.setattr(low_rank.Ascent, "proof_time", 1.0)
    steps = list(low_rank.relax(engine_for(problem, 0), limits))
    assert max((step.bound for step in steps), default=-math.inf) == -math.inf


@pytest.mark.parametrize("family", FAMILIES)
def test_no_bound_exceeds_the_optimum(family: str):
    for seed in range(3):
        problem = testing.problem(family, 8, seed)
        if problem.fixed is not None or problem.keep in (0, problem.n):
            continue
        _, optimum = testing.brute_force(problem)
        for nonnegative in (False, True):
            limits = Limits(step_limit=150, gap=0.0)
            steps = low_rank.relax(
                engine_for(problem, seed), limits, nonnegative=nonnegative
            )
            assert run(steps, limits).bound <= optimum


def test_multipliers_gain_weight_where_violations_persist():
    program = program_of(testing.problem("budgeted", 12, 0))
    cuts = low_rank_cuts.zero_cuts(program, nonnegative=True)
    stronger = low_rank_cuts.strengthened(cuts)
    assert stronger.pair_weight > cuts.pair_weight
    assert stronger.price_weight > cuts.price_weight
    assert stronger.pairs is cuts.pairs


@pytest.mark.slow
def test_two_thousand_channels_within_half_a_per_cent():
    problem = cancelling(2048)
    limits = Limits(time_limit=60.0, gap=0.0)
    found = run(low_rank.relax(engine_for(problem, 0), limits, tolerance=1e-3), limits)
    assert found.bound >= 0.995 * found.extra["relaxation"]
