"""ReconstructionSelection: its value by brute force, its weights, what it refuses."""

import pickle
from typing import Any

import numpy as np
import pytest

from ccsolve.errors import InvalidProblem
from ccsolve.problems.generate_reconstruction import FAMILIES, layer, regression
from ccsolve.problems.reconstruction import ReconstructionSelection

RNG = np.random.default_rng(7)


def full_weights(problem: ReconstructionSelection) -> np.ndarray:
    """Give M as a matrix."""
    if problem.weights is None:
        return np.eye(problem.n_out)
    return np.diag(problem.weights) if problem.weights.ndim == 1 else problem.weights


def value_of(problem: ReconstructionSelection, W: np.ndarray) -> float:
    """Give the program's objective at weights W, as written in the paper."""
    M, H, G = full_weights(problem), problem.moments, problem.cross
    return problem.constant + float(
        0.5 * np.trace(M @ W.T @ H @ W) - np.trace(M @ G.T @ W)
    )


def least_value(problem: ReconstructionSelection, x: np.ndarray) -> float:
    """Give the least value by a pseudo-inverse."""
    kept = problem.columns(x)
    H, G = problem.moments[np.ix_(kept, kept)], problem.cross[kept]
    explained = G.T @ np.linalg.pinv(H, rcond=1e-12, hermitian=True) @ G
    return problem.constant - 0.5 * float(np.trace(full_weights(problem) @ explained))


def some_points(problem: ReconstructionSelection) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    free = [rng.random(problem.n) < 0.5 for _ in range(4)]
    ends = [np.zeros(problem.n, dtype=bool), np.ones(problem.n, dtype=bool)]
    return [problem.feasible_point(), problem.random_point(rng), *free, *ends]


@pytest.mark.parametrize("family", FAMILIES)
def test_objective_is_the_least_value_and_refit_attains_it(family: str):
    problem = FAMILIES[family](8, 0)
    near = 1e-8 * problem.natural_scale() + 1e-9 * problem.data_scale
    for x in some_points(problem):
        W = problem.refit(x)
        assert problem.objective(x) == pytest.approx(least_value(problem, x), abs=near)
        assert problem.objective(x) == pytest.approx(value_of(problem, W), abs=near)
        assert not W[~np.repeat(x, problem.group)].any()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_gradient_of_the_refit_vanishes_on_the_kept(family: str):
    problem = FAMILIES[family](8, 1)
    for x in some_points(problem):
        kept = problem.columns(x)
        slope = (problem.moments @ problem.refit(x) - problem.cross)[kept]
        assert np.abs(slope).max(initial=0) <= 1e-9 * np.abs(problem.cross).max()


@pytest.mark.parametrize("family", FAMILIES)
def test_points_are_feasible_and_more_channels_cost_less(family: str):
    problem = FAMILIES[family](9, 2)
    rng = np.random.default_rng(0)
    for x in (problem.feasible_point(), problem.random_point(rng)):
        assert x.dtype == bool and problem.violation(x) == 0
        values = [problem.objective(x)]
        for j in np.flatnonzero(~x):
            x[j] = True
            values.append(problem.objective(x))
        assert (np.diff(values) <= 1e-9 * (abs(values[-1]) + problem.data_scale)).all()


def test_a_layer_that_keeps_all_makes_no_error_and_keeps_its_weights():
    dense = RNG.standard_normal((12, 5))
    rows = RNG.standard_normal((40, 12))
    M = np.cov(RNG.standard_normal((9, 5)), rowvar=False)
    problem = ReconstructionSelection.from_layer(
        rows.T @ rows, dense, 2, group=3, weights=M, ridge=0.1
    )
    everything = np.ones(4, dtype=bool)
    assert problem.objective(everything) == pytest.approx(0, abs=1e-10)
    np.testing.assert_allclose(problem.refit(everything), dense, rtol=1e-9)


@pytest.mark.parametrize("ridge", [0.0, 0.3])
@pytest.mark.parametrize("weights", [None, RNG.random(3), np.diag([1.0, 0.0, 2.0])])
def test_the_error_of_a_layer_is_that_of_its_samples(ridge: float, weights: Any):
    """Against the definition ½E‖y - Wᵀx‖²_M + ½λ‖W - W₀‖²_M, y another network's."""
    x, y = RNG.standard_normal((60, 8)), RNG.standard_normal((60, 3))
    dense = RNG.standard_normal((8, 3))
    problem = ReconstructionSelection.from_layer(
        x.T @ x / 60,
        dense,
        2,
        group=2,
        cross=x.T @ y / 60,
        target=y.T @ y / 60,
        weights=weights,
        ridge=ridge,
    )
    kept = np.array([True, False, True, False])
    W, M = problem.refit(kept), full_weights(problem)
    pull = ridge * np.square(x).sum() / 60 / 8
    errors, moved = y - x @ W, W - dense
    loss = 0.5 * np.trace(M @ (errors.T @ errors / 60 + pull * moved.T @ moved))
    assert problem.objective(kept) == pytest.approx(loss)


def test_without_a_target_keeping_all_costs_nothing():
    x, y = RNG.standard_normal((60, 8)), RNG.standard_normal((60, 3))
    problem = ReconstructionSelection.from_layer(
        x.T @ x, RNG.standard_normal((8, 3)), 2, cross=x.T @ y
    )
    assert problem.objective(np.ones(8, dtype=bool)) == pytest.approx(0, abs=1e-9)


def test_weights_move_the_choice_but_not_the_refit():
    plain = regression(6, 2, 4, 3)
    M = np.cov(RNG.standard_normal((30, 4)), rowvar=False)
    weighted = ReconstructionSelection(plain.moments, plain.cross, 3, 2, M)
    x = plain.feasible_point()
    np.testing.assert_allclose(weighted.refit(x), plain.refit(x))
    assert weighted.objective(x) != pytest.approx(plain.objective(x))


def test_the_units_of_the_columns_do_not_matter():
    problem = regression(7, 2, 3, 3)
    units = 10.0 ** RNG.uniform(-8, 8, 14)
    moments = problem.moments * units * units[:, None]
    other = ReconstructionSelection(moments, problem.cross * units[:, None], 3, 2)
    for x in some_points(problem):
        assert other.objective(x) == pytest.approx(problem.objective(x))
        refit = other.refit(x) * units[:, None]
        np.testing.assert_allclose(refit, problem.refit(x), rtol=1e-7, atol=1e-9)


def test_singular_moments_are_ridged_by_rounding_alone():
    few = FAMILIES["few_samples"](8, 0)
    assert 0 < few.form.shift < 1e-11
    assert FAMILIES["layer"](8, 0).form.shift == 0


def test_moments_rounded_to_float32_are_accepted():
    few = FAMILIES["few_samples"](8, 0)
    rounded = ReconstructionSelection(
        few.moments.astype(np.float32), few.cross.astype(np.float32), 4, 2
    )
    x = few.feasible_point()
    assert rounded.objective(x) == pytest.approx(few.objective(x), rel=0.1)


def test_columns_that_never_vary_get_no_weight():
    problem = FAMILIES["dead"](6, 0)
    W = problem.refit(np.ones(6, dtype=bool))
    assert not W[:2].any() and W[2:].all()


def test_copies_are_the_same_problem():
    problem = FAMILIES["weighted_full"](6, 0)
    again = pickle.loads(pickle.dumps(problem))
    assert again.keep == problem.keep and again.group == problem.group
    assert not again.moments.flags.writeable
    assert again.objective(again.feasible_point()) == problem.objective(
        problem.feasible_point()
    )


def test_data_are_copied_and_protected():
    moments, cross = np.eye(4), np.ones((4, 2))
    problem = ReconstructionSelection(moments, cross, 2)
    moments[0, 0] = 9
    assert problem.moments[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        problem.cross[0, 0] = 2


def test_an_empty_layer_has_one_point():
    problem = ReconstructionSelection(np.zeros((0, 0)), np.zeros((0, 3)), 0)
    x = problem.feasible_point()
    assert x.shape == (0,) and problem.objective(x) == 0
    assert problem.refit(x).shape == (0, 3)


INDEFINITE = np.diag([1.0, 1.0, 1.0, -1.0])
COVARIANCE_ALONE = np.eye(4)
COVARIANCE_ALONE[3, 3], COVARIANCE_ALONE[0, 3], COVARIANCE_ALONE[3, 0] = 0, 1, 1
HIDDEN = np.eye(4) + 2 * (np.ones((4, 4)) - np.eye(4))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"moments": np.ones((4, 3))}, "moments has shape"),
        ({"moments": np.triu(np.ones((4, 4)))}, "moments is not symmetric"),
        ({"moments": np.full((4, 4), np.nan)}, "moments holds 16 NaN"),
        ({"moments": INDEFINITE}, "its diagonal has entries down to -1"),
        ({"moments": COVARIANCE_ALONE}, "no variance has covariances"),
        ({"moments": HIDDEN}, "moments is not positive semidefinite, nor is it"),
        ({"moments": np.diag([1.0, 1, 1, 0])}, "no variance has cross moments"),
        ({"moments": np.ones((4, 4))}, "cross is not in the range of moments"),
        ({"cross": np.ones((3, 2))}, r"cross has shape \(3, 2\); expected \(4, any\)"),
        ({"cross": np.full((4, 2), np.inf)}, "cross holds 8 NaN or infinite"),
        ({"cross": np.full((4, 2), 1e150)}, "cross is too large against moments"),
        ({"group": 3}, "4 columns; expected a multiple of group = 3"),
        ({"group": 0}, "group = 0; expected a whole number from 1 to 4"),
        ({"keep": 5}, "keep = 5; expected a whole number from 0 to 4"),
        ({"keep": 3, "group": 2}, "keep = 3; expected a whole number from 0 to 2"),
        ({"keep": 1.5}, "keep = 1.5; expected a whole number"),
        ({"weights": np.ones(3)}, r"weights has shape \(3,\)"),
        ({"weights": np.eye(3)}, r"weights has shape \(3, 3\); expected \(2,\) or"),
        ({"weights": [1.0, -1.0]}, "weights has entries down to -1"),
        ({"weights": np.diag([1.0, -1.0])}, "weights is not positive semidefinite"),
        ({"weights": [[1.0, 2.0], [0.0, 1.0]]}, "weights is not symmetric"),
        ({"constant": np.nan}, "constant = nan"),
    ],
)
def test_bad_data_are_refused_in_one_line(change: dict[str, Any], message: str):
    given = {"moments": np.eye(4), "cross": RNG.standard_normal((4, 2)), "keep": 2}
    with pytest.raises(InvalidProblem, match=message) as caught:
        ReconstructionSelection(**(given | change))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dense": np.ones((3, 2))}, "dense has shape"),
        ({"ridge": -1.0}, "ridge = -1.0"),
        ({"target": np.eye(2)}, "target given without cross"),
        ({"cross": np.ones((4, 2)), "target": np.eye(3)}, "target has shape"),
        ({"cross": np.ones((4, 3))}, "cross has shape"),
    ],
)
def test_bad_layers_are_refused(change: dict[str, Any], message: str):
    given = {"moments": np.eye(4), "dense": np.ones((4, 2)), "keep": 2}
    with pytest.raises(InvalidProblem, match=message):
        ReconstructionSelection.from_layer(**(given | change))


@pytest.mark.parametrize("method", ["objective", "violation", "refit", "columns"])
def test_points_of_another_shape_are_refused(method: str):
    problem = layer(4, 2, 3, 2)
    with pytest.raises(InvalidProblem, match=r"shape \(5,\); expected \(4,\)"):
        getattr(problem, method)(np.ones(5))


def test_violation_tells_fractions_and_counts():
    problem = layer(4, 1, 3, 2)
    assert problem.violation(np.array([1, 1, 0, 0])) == 0
    assert problem.violation(np.array([1, 1, 1, 0])) == 1
    assert problem.violation(np.array([1, 0.5, 0.5, 0])) == 0.5
