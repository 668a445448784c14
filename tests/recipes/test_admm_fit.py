"""ADMM on the loss of one weight: bounded ranks, small losses, optima where known."""

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from ccsolve import Factor, Stop
from ccsolve.errors import InvalidProblem
from ccsolve.problems.tensor_formats import dense
from ccsolve.recipes.admm.fit import AdmmFit, fit_weight
from ccsolve.recipes.admm.modewise import rooted
from ccsolve.recipes.admm.rank_set import rank_set

FACTORS = [
    Factor("svd", 0.4),
    Factor("svd", 0.4, split="spatial"),
    Factor("tucker", (3, 4)),
    Factor("tt", 0.4),
    Factor("tt", (2, 4, 4, 2), modes=(2, 4, 9, 3, 2)),
    Factor("tt", 0.5, modes=(8, 3, 3, 6)),
    Factor("tr", (2, 3, 3)),
]
SHAPE = (8, 6, 3, 3)


def moment(size: int, seed: int, rank: int | None = None) -> np.ndarray:
    """Give a second moment whose spectrum falls, as that of real inputs does."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rank or 3 * size, size)) / (1 + np.arange(size)) ** 0.7
    turned = x @ np.linalg.qr(rng.standard_normal((size, size)))[0]
    return turned.T @ turned / len(x)


def weight(shape: tuple[int, ...] = SHAPE, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def losses(shape: tuple[int, ...]) -> dict[str, dict[str, Any]]:
    n, d = shape[0], math.prod(shape[1:])
    elements = np.random.default_rng(5).standard_normal(shape) ** 2
    return {
        "weights": {},
        "inputs": {"inputs": moment(d, 1)},
        "outputs": {"outputs": moment(n, 2)},
        "both": {"inputs": moment(d, 1), "outputs": moment(n, 2)},
        "singular": {"inputs": moment(d, 1, 5), "outputs": moment(n, 2, 2)},
        "elements": {"elements": elements},
    }


def value(off: np.ndarray, parts: dict[str, Any]) -> float:
    """Give the loss of a change, by its definition."""
    flat = off.reshape(len(off), -1)
    if "elements" in parts:
        return 0.5 * float(np.sum(parts["elements"] * off**2))
    H = parts.get("inputs", np.eye(flat.shape[1]))
    M = parts.get("outputs", np.eye(len(flat)))
    return 0.5 * float(np.trace(M @ flat @ H @ flat.T))


def assert_ranks_and_loss(
    found: AdmmFit, W: np.ndarray, factor: Factor, parts: dict[str, Any]
) -> None:
    """Check by definitions: the loss, the ranks, the factors, the first point."""
    exact = value(W, parts)
    assert found.objective == pytest.approx(value(found.weight - W, parts), rel=1e-6)
    assert found.scale == pytest.approx(exact, rel=1e-8)
    assert found.objective <= found.projected
    space = rank_set(factor, W.shape, "weight")
    tensor = space.tensor(found.weight)
    rebuilt = dense(factor.format, list(found.factors), space.modes)
    np.testing.assert_allclose(rebuilt, tensor, atol=1e-9 * np.abs(W).max())
    if factor.format == "tr":
        # The ring's own bound: cut open, its ranks multiply.
        first, last, closing = space.ranks[1], space.ranks[2], space.ranks[0]
        sides = [tensor.reshape(8, -1), tensor.reshape(-1, 6)]
        space = replace(space, ranks=(closing * first, closing * last))
    elif factor.format == "tucker":
        sides = [
            np.moveaxis(tensor, a, 0).reshape(tensor.shape[a], -1) for a in (0, -1)
        ]
    else:
        rows = np.cumprod(space.modes)[:-1]
        sides = [tensor.reshape(int(m), -1) for m in rows]
    for side, rank in zip(sides, space.ranks, strict=True):
        assert np.linalg.matrix_rank(side, tol=1e-6 * np.abs(W).max()) <= rank


@pytest.mark.parametrize("kind", list(losses(SHAPE)))
@pytest.mark.parametrize("factor", FACTORS, ids=str)
def test_the_point_has_its_ranks_and_its_loss(factor: Factor, kind: str) -> None:
    W, parts = weight(), losses(SHAPE)[kind]
    found = fit_weight(W, factor, **parts, iterations=40)
    assert_ranks_and_loss(found, W, factor, parts)


@pytest.mark.parametrize("shape", [(8, 6), (6, 4, 3), (4, 4, 2, 3, 2), (1, 5), (5, 1)])
@pytest.mark.parametrize("format", ["svd", "tucker", "tt"])
def test_any_layer_with_its_moments(shape: tuple[int, ...], format: str) -> None:
    W, parts, factor = weight(shape), losses(shape)["both"], Factor(format, 0.5)
    assert_ranks_and_loss(
        fit_weight(W, factor, **parts, iterations=20), W, factor, parts
    )


def whitened(W: np.ndarray, H: np.ndarray, M: np.ndarray, rank: int) -> float:
    """Give the least loss at a rank: the tail of M^½ W H Wᵀ M^½."""
    values, vectors = np.linalg.eigh(M)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    flat = W.reshape(len(W), -1)
    spectrum = np.linalg.eigvalsh(root @ flat @ H @ flat.T @ root)
    return 0.5 * float(spectrum[:-rank].sum())


@pytest.mark.parametrize("rank", [1, 3, 6])
@pytest.mark.parametrize("kind", ["inputs", "both", "singular"])
def test_for_svd_it_reaches_the_closed_form(kind: str, rank: int) -> None:
    W, parts = weight(), losses(SHAPE)[kind]
    least = whitened(W, parts["inputs"], parts.get("outputs", np.eye(8)), rank)
    found = fit_weight(W, Factor("svd", rank), **parts)
    scale = value(W, parts)
    assert least - 1e-9 * scale <= found.objective <= 1.001 * least + 1e-6 * scale


@pytest.mark.parametrize("factor", FACTORS[1:], ids=str)
def test_it_gains_on_projection_where_inputs_are_correlated(factor: Factor) -> None:
    W, H = weight(), moment(54, 1)
    found = fit_weight(W, factor, inputs=H)
    assert found.objective < 0.8 * found.projected


@pytest.mark.parametrize("factor", FACTORS[2:4], ids=str)
def test_the_end_is_stationary(factor: Factor) -> None:
    # No core can be changed alone and lower the loss: its least squares are solved.
    W, H = weight(), moment(54, 1)
    found = fit_weight(W, factor, inputs=H, tolerance=1e-7, iterations=600)
    space = rank_set(factor, W.shape, "weight")
    scale = value(W, {"inputs": H})
    rng = np.random.default_rng(3)
    cores = list(found.factors)
    for place, core in enumerate(cores):
        step = rng.standard_normal(core.shape)
        moved = [*cores[:place], step, *cores[place + 1 :]]
        along = space.weight(dense(factor.format, moved, space.modes))
        off = (found.weight - W).reshape(8, -1)
        slope = float(np.vdot(off @ H, along.reshape(8, -1)))
        bend = 2 * value(along, {"inputs": H})
        # What the best step along this direction would gain.
        assert 0.5 * slope**2 / bend <= 1e-4 * scale


def test_rank_one_under_elementwise_weights_is_near_the_best_of_all() -> None:
    angles = np.linspace(0, np.pi, 2001)
    left = np.stack([np.cos(angles), np.sin(angles)])
    good = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        W, G = rng.standard_normal((2, 3)), rng.standard_normal((2, 3)) ** 2
        # For a left vector every column's entry is a least squares by itself.
        right = (left.T @ (G * W)) / (left.T**2 @ G)
        off = left[:, :, None] * right - W[:, None, :]
        best = 0.5 * np.min(np.sum(G[:, None] * off**2, axis=(0, 2)))
        found = fit_weight(W, Factor("svd", 1), elements=G, iterations=300)
        assert found.objective >= best * (1 - 1e-6) - 1e-6
        good += found.objective <= 1.02 * best + 1e-9
    assert good >= 8


@pytest.mark.parametrize("kind", list(losses(SHAPE)))
def test_full_rank_loses_nothing(kind: str) -> None:
    W, parts = weight(), losses(SHAPE)[kind]
    found = fit_weight(W, Factor("tt", 1.0), **parts)
    assert found.objective <= 1e-12 * found.scale
    assert found.stop is Stop.GAP and not found.residuals


def test_what_is_worth_nothing_costs_nothing() -> None:
    still = fit_weight(np.zeros(SHAPE), Factor("tt", 2), inputs=moment(54, 1))
    assert still.objective == 0 and not still.weight.any()
    unread = fit_weight(weight(), Factor("tt", 2), inputs=np.zeros((54, 54)))
    assert unread.objective == unread.scale == 0
    dead = fit_weight(weight(), Factor("tucker", 2), elements=np.zeros(SHAPE))
    assert dead.objective == 0


def test_dead_inputs_do_no_harm() -> None:
    H = moment(54, 1)
    H[:9] = 0
    H[:, :9] = 0
    for factor in FACTORS:
        found = fit_weight(weight(), factor, inputs=H, iterations=30)
        assert_ranks_and_loss(found, weight(), factor, {"inputs": H})


def test_limits_give_what_there_is() -> None:
    W, H = weight(), moment(54, 1)
    none = fit_weight(W, FACTORS[3], inputs=H, iterations=0)
    assert not none.residuals and none.objective <= none.projected
    assert none.stop is Stop.STEP_LIMIT
    late = fit_weight(W, FACTORS[3], inputs=H, time_limit=0)
    assert late.stop is Stop.TIME_LIMIT and late.objective == late.projected
    stopped = fit_weight(W, FACTORS[3], inputs=H, callback=lambda _: True)
    assert stopped.stop is Stop.CALLBACK
    done = fit_weight(W, FACTORS[3], inputs=H, tolerance=0.05)
    assert done.stop is Stop.FINISHED
    assert max(done.residuals[-1][1:3]) <= 0.05


def test_the_penalty_never_falls_and_the_trace_has_the_best() -> None:
    found = fit_weight(weight(), FACTORS[3], inputs=moment(54, 1), iterations=60)
    penalties = [one.penalty for one in found.residuals]
    assert all(a <= b for a, b in pairwise(penalties))
    least = min(one.objective for one in found.residuals)
    assert found.objective <= least <= found.projected
    assert "tt" in str(found) and "iterations" in str(found)


def test_it_is_the_same_again() -> None:
    first, second = (
        fit_weight(weight(), FACTORS[2], inputs=moment(54, 1), iterations=20)
        for _ in range(2)
    )
    np.testing.assert_array_equal(first.weight, second.weight)


def test_changes_of_variables_have_a_way_back() -> None:
    rng = np.random.default_rng(0)
    tensor = rng.standard_normal((4, 3, 5))
    both = rooted([moment(4, 1), None, rng.random(5) + 0.1], 1e-8)
    np.testing.assert_allclose(both.back(both.of(tensor)), tensor, atol=1e-9)
    root: Any = both.matrices[0]
    np.testing.assert_allclose(root.T @ root, moment(4, 1), atol=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"iterations": -1}, "iterations -1"),
        ({"iterations": 2.5}, "iterations 2.5"),
        ({"tolerance": -1.0}, "tolerance -1"),
        ({"time_limit": math.nan}, "time_limit nan"),
        ({"inputs": np.eye(3)}, "inputs of shape"),
        ({"inputs": -np.eye(54)}, "an eigenvalue below 0"),
        # Its diagonal is positive.
        ({"inputs": 3.0 - 2.0 * np.eye(54)}, "an eigenvalue below 0"),
        ({"outputs": np.full((8, 8), np.inf)}, "outputs is not finite"),
        ({"elements": np.ones((8, 6))}, "elements of shape"),
        ({"elements": -np.ones(SHAPE)}, "expected none below 0"),
        ({"elements": np.ones(SHAPE), "inputs": np.eye(54)}, "one kind of loss"),
    ],
)
def test_bad_input_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidProblem, match=message):
        fit_weight(weight(), Factor("tt", 2), **options)


def test_bad_weights_are_refused() -> None:
    for bad, message in [
        (np.ones(3), "of shape"),
        (np.full((2, 2), np.nan), "not finite"),
        (np.ones((2, 0)), "of shape"),
    ]:
        with pytest.raises(InvalidProblem, match=message):
            fit_weight(bad, Factor("svd", 1))
    with pytest.raises(InvalidProblem, match="rank 9"):
        fit_weight(weight(), Factor("svd", 9))


@pytest.mark.parametrize(
    ("shape", "seed"), [((6, 5), 1), ((6, 5), 9), ((8, 6, 3, 3), 10)]
)
def test_where_it_passed_a_better_point_it_begins_anew_there(
    shape: tuple[int, ...], seed: int
) -> None:
    """It settles above a point that it passed; from there it ends below both."""
    W = weight(shape, seed)
    elements = np.random.default_rng(seed + 100).standard_normal(shape) ** 2
    found = fit_weight(W, Factor("svd", 1), elements=elements, iterations=300)
    seen = found.residuals
    settled = [max(r.primal, r.dual) <= 1e-3 for r in seen]
    first = settled.index(True)
    passed = min(r.objective for r in seen[: first + 1])
    assert found.stop is Stop.FINISHED and first + 1 < len(seen)
    assert seen[first].objective > (1 + 1e-3) * passed
    assert found.objective < passed
