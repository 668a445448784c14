import numpy as np
import pytest

from ccsolve.linalg.unit_rows import (
    multipliers,
    onto_manifold,
    random_rows,
    tangent_part,
)

SIZES = ((2, 3, 0.0), (3, 4, -1.0), (3, 3, 1.0), (7, 5, -5.0), (8, 4, 2.0), (50, 12, 0))


def point(n: int, rank: int, total: float | None, seed: int = 0) -> np.ndarray:
    return random_rows(n, rank, total, np.random.default_rng(seed))


def missed(U: np.ndarray, total: float | None) -> float:
    """Give how far U is from the manifold."""
    lengths = np.abs(np.linalg.norm(U, axis=1) - 1.0).max()
    if total is None:
        return lengths
    goal = total * np.eye(U.shape[1])[0]
    return max(lengths, np.abs(U.sum(axis=0) - goal).max())


@pytest.mark.parametrize("size", SIZES)
def test_random_points_are_on_the_manifold(size: tuple[int, int, float]):
    for seed in range(20):
        assert missed(point(*size, seed), size[2]) < 1e-12 * size[0]
        assert missed(point(size[0], size[1], None, seed), None) < 1e-14


@pytest.mark.parametrize("size", SIZES[3:])
def test_points_nearby_are_brought_back(size: tuple[int, int, float]):
    n, rank, total = size
    U = point(n, rank, total)
    noise = np.random.default_rng(1).standard_normal(U.shape)
    for length in (1e-8, 1e-3, 0.1):
        near = onto_manifold(U + length * noise, total)
        assert near is not None
        assert missed(near, total) < 1e-12 * n
        assert np.linalg.norm(near - U) < 10.0 * length * np.linalg.norm(noise)


def test_a_sum_out_of_reach_is_no_point():
    U = point(5, 3, 1.0)
    assert onto_manifold(U, 5.5) is None
    assert onto_manifold(np.zeros((4, 3)), 0.0) is None


@pytest.mark.parametrize("size", SIZES)
def test_the_tangent_part_is_the_orthogonal_projection(size: tuple[int, int, float]):
    n, rank, total = size
    U = point(n, rank, total)
    G = np.random.default_rng(2).standard_normal(U.shape)
    for goal in (total, None):
        T = tangent_part(U, G, goal)
        assert np.abs(np.einsum("ij,ij->i", U, T)).max() < 1e-9
        if goal is not None:
            assert np.abs(T.sum(axis=0)).max() < 1e-9
        # What was taken away is orthogonal to every tangent vector.
        assert abs(np.vdot(G - T, T)) < 1e-9 * n
        rows, common = multipliers(U, G, goal)
        assert np.allclose(T, G - rows[:, None] * U - common)


def test_rows_along_one_line_have_multipliers_too():
    signs = np.array([1.0, -1.0, -1.0, 1.0])
    U = signs[:, None] * np.eye(1, 3)
    G = np.random.default_rng(3).standard_normal((4, 3))
    assert np.isfinite(tangent_part(U, G, 0.0)).all()
