"""Fits of factored weights: against singular values, tensorly, and their own bounds."""

import math
from typing import Any

import numpy as np
import pytest
from tensorly.decomposition import partial_tucker, tensor_train

from ccsolve import Factor
from ccsolve.errors import InvalidProblem
from ccsolve_torch.factoring.factorisation import factored, product

pytestmark = pytest.mark.torch

SHAPES = [(7, 5), (5, 7, 3), (6, 4, 3, 3), (4, 6, 1, 1), (3, 4, 3, 2, 2), (1, 1, 3, 3)]


def weights(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def tail(matrix: np.ndarray, rank: int) -> float:
    """Give the distance from the matrices of that rank."""
    return float(np.linalg.norm(np.linalg.svd(matrix, compute_uv=False)[rank:]))


def matrices(weight: np.ndarray, modes: tuple[int, ...]) -> list[np.ndarray]:
    """Give the unfoldings at the bonds of a tensor train over out, kernel, in."""
    turned = np.moveaxis(weight, 1, -1)
    heads = np.cumprod(modes)[:-1]
    return [turned.reshape(head, -1) for head in heads]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["svd", "tucker", "tt"])
def test_full_ranks_give_the_weight_itself(shape: tuple[int, ...], kind: str):
    weight = weights(2, *shape)
    stages, _ = factored(weight, Factor(kind, 1.0), "here")
    np.testing.assert_allclose(product(stages), weight, atol=1e-12)
    assert kind == "svd" or len(stages) == 1


@pytest.mark.parametrize("shape", SHAPES)
def test_svd_is_as_near_as_the_rank_allows(shape: tuple[int, ...]):
    weight = weights(1, *shape)
    matrix = weight.reshape(shape[0], -1)
    for rank in range(1, min(matrix.shape) + 1):
        stages, _ = factored(weight, Factor("svd", rank), "here")
        error = np.linalg.norm(weight - product(stages))
        assert error == pytest.approx(tail(matrix, rank), abs=1e-10)
        assert [stage.shape[1] for stage in stages] == [rank, shape[0]]


@pytest.mark.parametrize("shape", [s for s in SHAPES if len(s) > 3])
def test_the_spatial_split_is_as_near_as_the_rank_allows(shape: tuple[int, ...]):
    weight = weights(1, *shape)
    n, c, first = shape[:3]
    matrix = weight[0].reshape(n, c * first, -1).swapaxes(1, 2).reshape(-1, c * first)
    for rank in range(1, min(matrix.shape) + 1):
        stages, _ = factored(weight, Factor("svd", rank, split="spatial"), "here")
        error = np.linalg.norm(weight - product(stages))
        assert error == pytest.approx(tail(matrix, rank), abs=1e-10)
        assert stages[0].shape == (1, rank, c, first, *(1,) * (len(shape) - 3))
        assert stages[1].shape == (1, n, rank, 1, *shape[3:])


@pytest.mark.parametrize("observed", [30, 9])
def test_weighted_svd_is_the_nearest_in_the_outputs(observed: int):
    weight, inputs = weights(1, 6, 4, 3), weights(observed, 12, seed=1)
    matrix, moment = weight.reshape(6, 12), inputs.T @ inputs
    for rank in (1, 3, 6):
        stages, _ = factored(weight, Factor("svd", rank), "here", moment)
        found = product(stages).reshape(6, 12)
        assert np.linalg.matrix_rank(found) <= rank
        # The outputs of any map of that rank have that rank: none is nearer.
        nearest = tail(matrix @ inputs.T, rank)
        distance = np.linalg.norm((matrix - found) @ inputs.T)
        assert distance == pytest.approx(nearest, abs=1e-9)


@pytest.mark.parametrize("shape", [s for s in SHAPES if len(s) > 2])
def test_tucker_is_not_worse_than_alternating_projections_elsewhere(
    shape: tuple[int, ...],
):
    weight, factor = weights(1, *shape), Factor("tucker", 0.6)
    stages, (left, right) = factored(weight, factor, "here")
    error = float(np.linalg.norm(weight - product(stages)))
    parts: Any = partial_tucker(weight[0], rank=[left, right], modes=[0, 1])[0]
    peer = np.einsum("ab...,xa,yb->xy...", parts[0], *parts[1])
    assert error <= 1.01 * np.linalg.norm(weight[0] - peer) + 1e-12
    unfolded = [
        np.moveaxis(weight[0], axis, 0).reshape(shape[axis], -1) for axis in (0, 1)
    ]
    tails = [tail(unfolded[0], left), tail(unfolded[1], right)]
    assert max(tails) - 1e-9 <= error <= math.hypot(*tails) + 1e-9


TRAINS: list[tuple[tuple[int, ...], Factor]] = [
    ((6, 4, 3, 3), Factor("tt", (4, 2))),
    ((6, 4, 3, 3), Factor("tt", (4, 5, 3), modes=(6, 3, 3, 4))),
    ((6, 4, 3, 3), Factor("tt", (2, 3, 4, 2), modes=(2, 3, 9, 2, 2))),
    ((6, 4, 1, 1), Factor("tt", (2, 3, 2), modes=(2, 3, 2, 2))),
    ((6, 4, 1, 1), Factor("tt", (2, 3, 3, 2), modes=(2, 3, 1, 2, 2))),
    ((8, 12), Factor("tt", (2, 3, 2, 2), modes=(2, 4, 3, 2, 2))),
    ((6, 4, 3), Factor("tt", 0.5)),
    ((3, 4, 3, 2, 2), Factor("tt", 0.5, modes=(3, 3, 2, 2, 4))),
]


@pytest.mark.parametrize(("shape", "factor"), TRAINS)
def test_trains_are_those_of_truncated_singular_values(
    shape: tuple[int, ...], factor: Factor
):
    weight = weights(1, *shape)
    kernel = math.prod(shape[2:])
    modes = factor.modes or (shape[0], kernel, shape[1])
    stages, ranks = factored(weight, factor, "here")
    found = product(stages)[0]
    unfolded = matrices(weight[0], modes)
    tails = [tail(m, r) for m, r in zip(unfolded, ranks, strict=True)]
    error = np.linalg.norm(weight[0] - found)
    assert max(tails) - 1e-9 <= error <= np.linalg.norm(tails) + 1e-9
    turned = np.moveaxis(weight[0], 1, -1)
    peer: Any = tensor_train(turned.reshape(modes), [1, *ranks, 1]).to_tensor()
    np.testing.assert_allclose(np.moveaxis(found, 1, -1), peer.reshape(turned.shape))


@pytest.mark.parametrize(("shape", "factor"), TRAINS)
def test_what_has_the_ranks_already_is_not_changed(
    shape: tuple[int, ...], factor: Factor
):
    weight = product(factored(weights(1, *shape), factor, "here")[0])
    again = product(factored(weight, factor, "here")[0])
    np.testing.assert_allclose(again, weight, atol=1e-10)


def test_groups_are_factored_one_by_one():
    weight = weights(3, 4, 5, 3)
    for factor in (Factor("svd", 2), Factor("tucker", (2, 3)), Factor("tt", (2, 2))):
        whole = product(factored(weight, factor, "here")[0])
        for group in range(3):
            alone = product(factored(weight[group : group + 1], factor, "here")[0])
            np.testing.assert_allclose(whole[group], alone[0], atol=1e-10)


def stage_kernels(shape: tuple[int, ...], factor: Factor) -> list[tuple[int, ...]]:
    stages, _ = factored(weights(1, *shape), factor, "here")
    return [stage.shape[1:] for stage in stages]


def test_chains_have_no_stage_that_costs_more_than_it_saves():
    # Tucker-1: the side of full rank goes into the core.
    assert stage_kernels((6, 8, 3, 3), Factor("tucker", (1.0, 2))) == [
        (2, 8, 1, 1),
        (6, 2, 3, 3),
    ]
    assert stage_kernels((6, 8, 3, 3), Factor("tucker", (2, 1.0))) == [
        (2, 8, 3, 3),
        (6, 2, 1, 1),
    ]
    # A train over n_out, kernel, n_in is Tucker-2.
    assert stage_kernels((6, 8, 3, 3), Factor("tt", (2, 3))) == [
        (3, 8, 1, 1),
        (2, 3, 3, 3),
        (6, 2, 1, 1),
    ]
    # Channel modes are contracted; kernel axes stay apart where that is smaller.
    assert stage_kernels(
        (12, 8, 3, 3), Factor("tt", (3, 2, 3), modes=(12, 3, 3, 8))
    ) == [
        (3, 8, 1, 1),
        (2, 3, 1, 3),
        (3, 2, 3, 1),
        (12, 3, 1, 1),
    ]
    assert stage_kernels((6, 8), Factor("tt", (2, 2, 2), modes=(2, 3, 4, 2))) == [
        (2, 8),
        (6, 2),
    ]


def test_stages_are_of_one_size_and_zeros_stay_zeros():
    stages, _ = factored(1e3 * weights(1, 6, 8, 3, 3), Factor("tucker", 2), "here")
    sizes = np.array([float(np.linalg.norm(np.asarray(stage))) for stage in stages])
    np.testing.assert_allclose(sizes, sizes[0])
    for kind in ("svd", "tucker", "tt"):
        stages, _ = factored(np.zeros((1, 4, 4, 3)), Factor(kind, 2), "here")
        assert not product(stages).any()
        assert all(np.isfinite(np.asarray(stage)).all() for stage in stages)


def test_fits_are_the_same_every_time():
    for kind in ("svd", "tucker", "tt"):
        one, other = (
            factored(weights(1, 6, 8, 3, 3), Factor(kind, 2), "here")[0]
            for _ in range(2)
        )
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("shape", "factor", "ranks"),
    [
        ((100, 60), Factor("svd", 0.29), (17,)),
        ((100, 200), Factor("svd", 0.29), (29,)),
        ((100, 200), Factor("svd", 1e-6), (1,)),
        ((100, 2, 3, 3), Factor("svd", 1.0), (18,)),
        ((4, 8, 5, 3), Factor("svd", 1.0, split="spatial"), (12,)),
        ((6, 4, 3, 3), Factor("tucker", (0.5, 1.0)), (3, 4)),
        ((40, 2, 1, 1), Factor("tucker", 1.0), (2, 2)),
        ((20, 20, 3, 3), Factor("tucker", (19, 1)), (9, 1)),
        ((6, 4, 3, 3), Factor("tt", 4), (4, 4)),
        ((8, 4, 3, 3), Factor("tt", 8), (8, 4)),
        ((8, 4, 3, 3), Factor("tt", (1, 4)), (1, 4)),
        ((8, 16), Factor("tt", (1, 8, 2), modes=(2, 4, 4, 4)), (1, 4, 2)),
    ],
)
def test_ranks_are_parts_of_the_full_rank(
    shape: tuple[int, ...], factor: Factor, ranks: tuple[int, ...]
):
    assert factored(weights(1, *shape), factor, "here")[1] == ranks


@pytest.mark.parametrize(
    ("shape", "factor", "message"),
    [
        ((6, 4, 3, 3), Factor("svd", 7), r"here: rank 7 of ranks \(7,\).*\(6,\)"),
        ((6, 4, 3, 3), Factor("svd", (2, 2)), r"2 ranks \(2, 2\).*expected 1"),
        ((6, 4, 3, 3), Factor("tucker", (6, 5)), r"rank 5 .*\(6, 4\)"),
        ((6, 4, 3, 3), Factor("tucker", (1, 2, 3)), "3 ranks"),
        ((6, 4, 3, 3), Factor("tt", 7), r"at most \(6, 4\)"),
        ((6, 4, 3), Factor("svd", 2, split="spatial"), "with 1 kernel axes"),
        ((6, 4), Factor("svd", 2, split="spatial"), "with 0 kernel axes"),
        ((6, 4, 3, 3), Factor("tt", 1, modes=(3, 9, 4)), "expected factors of 6"),
        ((6, 4, 3, 3), Factor("tt", 1, modes=(6, 3, 4)), "then 9 or"),
        ((6, 4, 3, 3), Factor("tt", 1, modes=(6, 9, 2)), "then factors of 4"),
        ((6, 4, 3, 3), Factor("tt", 1, modes=(6, 4)), "modes"),
        ((6, 4, 2, 3), Factor("tt", 1, modes=(6, 3, 2, 4)), "modes"),
        ((4, 4, 1, 1), Factor("tt", 1, modes=(4,)), "modes"),
    ],
)
def test_what_does_not_fit_the_weight_is_refused(
    shape: tuple[int, ...], factor: Factor, message: str
):
    with pytest.raises(InvalidProblem, match=message) as caught:
        factored(weights(1, *shape), factor, "here")
    assert "\n" not in str(caught.value)
