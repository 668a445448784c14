"""Bounds: proven tails, below every point, tight where the answer is known."""

import itertools

import numpy as np
import pytest

from ccsolve import LowRankFit, solve
from ccsolve.problems.generate_low_rank import FAMILIES, moments, weights
from ccsolve.problems.tensor_formats import factor_shapes
from ccsolve.solvers.low_rank.bounding import spectra
from ccsolve.solvers.low_rank.bounding.cuts import cuts_of
from ccsolve.solvers.low_rank.bounding.lower_bounds import cost_floor, lower_bound
from ccsolve.solvers.low_rank.bounding.minorants import minorants
from ccsolve.solvers.low_rank.bounding.spectra import tails
from ccsolve.solvers.low_rank.bounding.unfoldings import losses_of
from tests.solvers.low_rank.restarts import best_of_restarts


def known_of(problem: LowRankFit) -> dict:
    return {cut: losses_of(problem, cut) for cut in cuts_of(problem)}


def exact_tails(W: np.ndarray) -> np.ndarray:
    values = np.linalg.svd(W.astype(np.float64), compute_uv=False) ** 2
    return np.array([values[r:].sum() for r in range(len(values) + 1)])


@pytest.fixture(params=["matrix", "gram"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give singular values of the matrix itself, or eigenvalues of its Gram matrix."""
    if request.param == "gram":
        monkeypatch.setattr(spectra, "SMALL", 0)
    return request.param


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (7, 20), (20, 7), (8, 8)])
@pytest.mark.parametrize("decay", [0.5, 3.0, 12.0])
def test_tails_are_proven_and_close(way: str, shape: tuple[int, int], decay: float):
    W = weights(shape, 1, decay)
    found, exact = tails(W), exact_tails(W)
    assert np.all(found.proven <= exact + 1e-30)
    assert np.all(np.diff(found.proven) <= 0)
    assert found.proven[-1] == 0
    np.testing.assert_allclose(found.found, exact, atol=1e-14 * exact[0])
    loss = exact - found.proven
    assert loss.max() <= 1e-11 * exact[0]


def test_small_tails_of_small_matrices_are_seen():
    """A Gram matrix loses what is below 1e-8 of the largest singular value."""
    rng = np.random.default_rng(0)
    U = np.linalg.qr(rng.standard_normal((30, 12)))[0]
    V = np.linalg.qr(rng.standard_normal((12, 12)))[0]
    values = 10.0 ** -np.arange(12)
    proven = tails((U * values) @ V).proven
    assert proven[9] >= 0.9 * (values[9:] ** 2).sum()


def test_float32_is_widened(way: str):
    W = weights((10, 30), dtype=np.float32)
    np.testing.assert_allclose(tails(W).found, exact_tails(W), rtol=1e-10, atol=1e-12)


def test_an_error_of_the_matrix_comes_off():
    W = weights((6, 9))
    rough = tails(W, error=0.1).proven
    norm = np.sqrt(exact_tails(W))
    assert np.all(rough <= np.maximum(0, norm - 0.1) ** 2)
    assert rough[0] > 0


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("seed", range(3))
def test_bounds_are_below_random_points(way: str, family: str, seed: int):
    problem = FAMILIES[family](seed)
    if problem.asks == "tolerance":
        return
    bound = lower_bound(problem, known_of(problem))
    rng = np.random.default_rng(seed)
    for _ in range(20):
        ranks = tuple(int(rng.integers(1, r + 1)) for r in problem.full_ranks)
        ranks = problem.with_ranks(ranks).ranks or ()
        shapes = factor_shapes(problem.format, problem.modes, ranks)
        x = [rng.standard_normal(s) * rng.choice([0.01, 0.3]) for s in shapes]
        if problem.violation(x) == 0:
            assert bound <= problem.objective(x)


@pytest.mark.parametrize(
    "family", ["tucker", "tt", "tr", "tt, joint", "tucker, joint", "tt, modes"]
)
def test_bounds_are_below_the_best_of_many_restarts(family: str):
    problem = FAMILIES[family](5)
    assert problem.ranks is not None
    best = best_of_restarts(problem, problem.ranks)
    solution = solve(problem, time_limit=None)
    assert solution.bound <= best * (1 + 1e-9)
    # Rings are a heuristic, of a hundred local optima.
    assert solution.objective <= (1.5 if problem.format == "tr" else 1.05) * best


@pytest.mark.slow
@pytest.mark.parametrize("family", ["tt, budget", "tr, budget", "tt, joint, budget"])
@pytest.mark.parametrize("seed", range(2))
def test_budget_bounds_are_below_all_affordable_ranks(family: str, seed: int):
    problem = FAMILIES[family](seed)
    solution = solve(problem, time_limit=None)
    best = np.inf
    for ranks in _affordable(problem):
        best = min(best, best_of_restarts(problem, ranks, starts=2, sweeps=12))
    assert solution.bound <= best * (1 + 1e-9)
    # Rings, and norms of several modes at once, have many local optima.
    assert solution.objective <= (1.1 if family == "tt, budget" else 1.5) * best


def _affordable(problem: LowRankFit) -> list[tuple[int, ...]]:
    """Give affordable ranks none of which can be raised."""
    every = itertools.product(*(range(1, full + 1) for full in problem.full_ranks))
    fits = {r for r in every if problem.cost_of(r) <= problem.limit}
    fits = {r for r in fits if problem.with_ranks(r).ranks == r}
    raised = [
        (r, tuple(a + (k == j) for j, a in enumerate(r)))
        for r in fits
        for k in range(len(r))
    ]
    return sorted(fits - {r for r, more in raised if more in fits})


@pytest.mark.parametrize("family", [f for f in FAMILIES if "tolerance" in f])
def test_no_cheaper_point_is_within_the_tolerance(family: str):
    """All ranks that cost less than the bound miss it, by the tails of their cuts."""
    problem = FAMILIES[family](0)
    bound = lower_bound(problem, known_of(problem))
    assert problem.tolerance is not None
    for ranks in itertools.product(*(range(1, f + 1) for f in problem.full_ranks)):
        given = problem.with_ranks(ranks)
        if given.ranks != ranks or problem.cost_of(ranks) >= bound:
            continue
        loss = best_of_restarts(given, ranks, starts=1, sweeps=6)
        assert loss > problem.tolerance**2 * problem.energy


def test_a_budgets_bound_is_the_least_of_its_ranks():
    """By enumeration: the least over affordable ranks of their bound."""
    for family in ("tt, budget", "tucker-2, budget", "svd, budget"):
        problem = FAMILIES[family](2)
        least = np.inf
        for ranks in itertools.product(*(range(1, f + 1) for f in problem.full_ranks)):
            kept = tuple(
                problem.modes[k] if k in problem.whole else r
                for k, r in enumerate(ranks)
            )
            if problem.cost_of(kept) > problem.limit:
                continue
            known = known_of(problem)
            least = min(least, max(known[c].at(kept[c.bonds[0]]) for c in known))
        assert lower_bound(problem, known_of(problem)) == pytest.approx(least)


def test_cost_floors_rise_as_losses_fall():
    for family in ("tt, budget", "tr, budget", "tucker-2, budget"):
        problem = FAMILIES[family](0)
        known = known_of(problem)
        floors = [
            cost_floor(problem, known, share * problem.energy)
            for share in (1.0, 0.3, 0.1, 0.01, 0.0)
        ]
        assert floors == sorted(floors)
        assert floors[0] >= problem.cost_of(problem.least_ranks)


def test_a_missing_cut_weakens_the_bound_only():
    problem = FAMILIES["tt, budget"](0)
    known = known_of(problem)
    whole = lower_bound(problem, known)
    for cut in known:
        rest = {other: known[other] for other in known if other is not cut}
        assert lower_bound(problem, rest) <= whole
    assert lower_bound(problem, {}) == 0


def test_rings_are_cut_at_every_two_bonds():
    tensor = weights((3, 4, 2, 5))
    given = cuts_of(LowRankFit(tensor, "tr", ranks=2))
    assert len(given) == 6
    assert {frozenset(cut.bonds) for cut in given} == {
        frozenset(pair) for pair in itertools.combinations(range(4), 2)
    }
    for cut in given:
        rest = set(range(4)) - set(cut.side)
        inner = {k for k in cut.side if k + 1 in rest or (k == 3 and 0 in rest)}
        assert len(inner) == 1
    singles = cuts_of(LowRankFit(tensor, "tr", budget=0.9))
    assert sorted(cut.side for cut in singles) == [(0,), (1,), (2,), (3,)]


@pytest.mark.parametrize("rank", [None, 40, 9])
@pytest.mark.parametrize("side", [{0}, {0, 1}, {0, 1, 2}, {1}, {2}, {0, 2}, {3}])
def test_minorants_are_below_the_covariance(side: set[int], rank: int | None):
    modes = (4, 3, 2, 5)
    problem = LowRankFit(
        weights(modes), "tt", ranks=1, covariance=moments(30, 1, rank) + 1e-3
    )
    block = problem.blocks[0]
    for share, parts in minorants(block, modes, side):
        below, at = np.ones((1, 1)), block.start
        for part in parts:
            free = np.eye(int(np.prod(modes[at : part.start])))
            below, at = np.kron(np.kron(below, free), part.matrix), part.stop
        below = np.kron(below, np.eye(int(np.prod(modes[at:]))))
        least = np.linalg.eigvalsh(block.matrix - share * below)[0]
        assert least >= -1e-14 * np.trace(block.matrix)
        assert share == 0 or rank != 9


@pytest.mark.parametrize("seed", range(3))
def test_each_rank_has_the_best_minorant(seed: int):
    """No less than partial traces prove alone; much more where C falls off steeply."""
    modes = (8, 3, 4)
    C = moments(12, seed) + 1e-3 * np.eye(12)
    problem = LowRankFit(weights(modes, seed), "tt", ranks=(8, 2), covariance=C)
    (cut,) = [one for one in cuts_of(problem) if set(one.side) in ({0, 1}, {2})]
    (block,) = problem.blocks
    proven = losses_of(problem, cut).proven
    curves = [
        0.5 * share * tails(unfolded(problem, parts, cut)).proven
        for share, parts in minorants(block, modes, set(cut.side))
    ]
    assert len(curves) == 3
    for curve in curves:
        assert (proven >= curve * (1 - 1e-9)).all()
    assert proven[2] > 1.5 * curves[0][2]
    assert proven[2] <= solve(problem, method="als").objective


def unfolded(problem: LowRankFit, blocks, cut) -> np.ndarray:
    """Give the tensor through the roots of the blocks, its last mode as columns."""
    root = np.eye(12)
    if blocks:
        root = np.kron(*(block.root for block in blocks))
    values = problem.tensor.reshape(8, 12) @ root
    return values.reshape(24, 4)


def test_a_kronecker_product_given_whole_is_found_out():
    tensor = weights((4, 3, 5))
    parts = [moments(3), moments(5)]
    given = LowRankFit(tensor, "tt", ranks=2, covariance=[None, *parts])
    whole = LowRankFit(tensor, "tt", ranks=2, covariance=np.kron(*parts))
    for cut in cuts_of(given):
        known, found = losses_of(given, cut).proven, losses_of(whole, cut).proven
        assert np.all(found <= known * (1 + 1e-9) + 1e-12 * given.energy)
        np.testing.assert_allclose(found, known, rtol=0.011, atol=1e-9 * given.energy)


def test_bounds_of_wide_tensors_need_no_copy():
    """float32 in, and the Gram matrix of the smaller side: what large layers need."""
    W = weights((40, 3000), dtype=np.float32)
    problem = LowRankFit(W, "svd", ranks=10)
    best = 0.5 * exact_tails(W)[10]
    bound = lower_bound(problem, known_of(problem))
    assert bound <= best
    assert bound == pytest.approx(best, rel=1e-8)


@pytest.mark.parametrize("seed", [0, 2, 3, 4])
def test_rounding_of_the_whitening_comes_off(seed: int):
    """Rows that the covariance does not see: what is left of them is rounding alone.

    T = a wᵀ in integers is of rank 1 exactly, and so is T C^½, of a w with C w = 0. As
    computed each row has errors of its own, as large as itself, and the second singular
    value is not 0: no bound may count it.
    """
    rng = np.random.default_rng(seed)
    root = rng.integers(-5, 6, (6, 2)).astype(float)
    unseen = np.append(np.cross(root[:3, 0], root[:3, 1]), np.zeros(3))
    assert not (unseen @ root).any()
    T = np.outer(rng.integers(1, 1000, 8).astype(float), unseen)
    problem = LowRankFit(T, "svd", ranks=(1,), covariance=root @ root.T)
    (known,) = known_of(problem).values()
    assert known.found[1] > 0 and known.at(1) == 0
    assert solve(problem).bound == 0
