import math

import numpy as np
import pytest

from ccsolve import ChannelSelection, solve, testing
from ccsolve.problems.generate import cancelling, k_cluster, loss_model
from ccsolve.solvers.selection import eigenvalue_bound
from ccsolve.solvers.selection.eigenvalue_bound import sphere_bound
from ccsolve.solvers.selection.relaxing.convex_form import plain_form


def feasible_sphere(problem: ChannelSelection, count: int) -> np.ndarray:
    """Draw points of the sphere through the feasible points, without a budget."""
    rng = np.random.default_rng(0)
    share = 0.5 if problem.keep is None else problem.keep / problem.n
    steps = rng.standard_normal((count, problem.n))
    if problem.keep is not None:
        steps -= steps.mean(axis=1, keepdims=True)
    radius = math.sqrt(problem.n * share * (1 - share))
    return share + radius * steps / np.linalg.norm(steps, axis=1, keepdims=True)


@pytest.mark.parametrize("family", ["k_cluster", "indefinite", "unconstrained"])
def test_it_is_the_minimum_over_the_sphere(family: str):
    problem = testing.problem(family, 6, 2)
    z, found = sphere_bound(plain_form(problem))
    values = [problem.objective(point) for point in feasible_sphere(problem, 5000)]
    assert found.bound <= min(values)
    # The minimiser lies on the sphere and its value is the bound; in the hard case it
    # may lie within.
    share = 0.5 if problem.keep is None else problem.keep / problem.n
    distance, squared = float(((z - share) ** 2).sum()), 6 * share * (1 - share)
    assert distance <= squared * (1 + 1e-6)
    if family != "k_cluster":
        assert distance == pytest.approx(squared, rel=1e-6)
        assert found.bound == pytest.approx(problem.objective(z), rel=1e-6)


def test_without_linear_part_it_is_the_eigenvalue_of_the_plane():
    # Regular graph: 1 is an eigenvector, so centre and plane do not interact.
    n, keep = 12, 4
    edges = np.zeros((n, n))
    for step in (1, 2):
        edges += np.roll(np.eye(n), step, axis=1) + np.roll(np.eye(n), -step, axis=1)
    problem = ChannelSelection(-0.5 * edges, keep=keep)
    least = np.sort(np.linalg.eigvalsh(problem.dense()))[1]
    expected = -2.0 * keep**2 / n + least * (keep - keep**2 / n)
    _, found = sphere_bound(plain_form(problem))
    assert found.bound == pytest.approx(expected, rel=1e-9)


def test_factor_and_dense_form_agree():
    for keep in (None, 10):
        rng = np.random.default_rng(4)
        F, q = rng.standard_normal((5, 40)), rng.standard_normal(40)
        wide = ChannelSelection(factor=F, q=q, keep=keep)
        dense = ChannelSelection(F.T @ F, q, keep=keep)
        bounds = [sphere_bound(plain_form(p))[1].bound for p in (wide, dense)]
        assert bounds[0] == pytest.approx(bounds[1], rel=1e-7)


def test_a_price_never_loosens_the_bound():
    for seed in range(5):
        for family in ("budgeted", "budget_only", "factored_budget"):
            problem = testing.problem(family, 14, seed)
            free = ChannelSelection(
                problem.Q,
                problem.q,
                problem.keep,
                problem.constant,
                factor=problem.factor,
                diagonal=problem.diagonal,
            )
            tight = sphere_bound(plain_form(problem))[1].bound
            loose = sphere_bound(plain_form(free))[1].bound
            assert tight >= loose - 1e-7 * problem.n * problem.data_scale


def test_degenerate_spectra():
    flat = ChannelSelection(factor=np.zeros((1, 6)), keep=2)
    same = ChannelSelection(np.ones((6, 6)), keep=3)
    for problem, optimum in ((flat, 0.0), (same, 9.0)):
        found = sphere_bound(plain_form(problem))[1].bound
        assert optimum - problem.resolution - 1e-250 <= found <= optimum
    for problem in (k_cluster(20, 0.0, 5), cancelling(3), loss_model(30, 3, 2)):
        assert -math.inf < sphere_bound(plain_form(problem))[1].bound


def test_no_decomposition_is_begun_that_the_time_left_does_not_allow(
    monkeypatch: pytest.MonkeyPatch,
):
    problem = cancelling(1500, seed=0)
    solve(cancelling(4), "eigenvalue_bound")

    def begun(_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(eigenvalue_bound, "sphere_bound", begun)
    found = solve(problem, "eigenvalue_bound", time_limit=0.2)
    assert -math.inf < found.bound <= found.objective
    with pytest.raises(AssertionError):
        solve(problem, "eigenvalue_bound", time_limit=None)
