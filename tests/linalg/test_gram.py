"""Leading subspaces: as good as the SVD's, also where float32 Gram matrices fail."""

import numpy as np
import pytest

from ccsolve.linalg.energy import distance_energy, energy
from ccsolve.linalg.gram import gram, leading_eigenvectors, leading_subspace
from ccsolve.linalg.randomised import sampled_subspace


def of_spectrum(values: np.ndarray, shape: tuple[int, int], seed: int) -> np.ndarray:
    """Give a matrix with these singular values."""
    rng = np.random.default_rng(seed)
    k = len(values)
    left = np.linalg.qr(rng.standard_normal((shape[0], k)))[0]
    right = np.linalg.qr(rng.standard_normal((shape[1], k)))[0]
    return (left * values) @ right.T


def error(A: np.ndarray, basis: np.ndarray) -> float:
    A, basis = A.astype(np.float64), basis.astype(np.float64)
    return float(np.linalg.norm(A - basis @ (basis.T @ A)))


@pytest.mark.parametrize("shape", [(12, 30), (30, 12), (12, 12), (1, 9), (9, 1)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_as_the_svd(shape: tuple[int, int], dtype: type):
    A = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    values = np.linalg.svd(A.astype(np.float64), compute_uv=False)
    for rank in range(1, min(shape) + 1):
        basis, tail = leading_subspace(A, rank)
        best = float(np.linalg.norm(values[rank:]))
        eps = np.finfo(dtype).eps
        assert basis.shape == (shape[0], rank)
        assert error(A, basis) <= best + 100 * eps * values[0]
        assert tail == pytest.approx(best**2, rel=1e-3, abs=100 * eps * values[0] ** 2)


@pytest.mark.parametrize("rank", [36, 48])
def test_float32_below_its_gram_matrix(rank: int):
    """A float32 Gram matrix alone is 1.3 to several times worse here."""
    A = of_spectrum(2.0 ** (-np.arange(96) / 3), (96, 400), 1).astype(np.float32)
    values = np.linalg.svd(A.astype(np.float64), compute_uv=False)
    best = float(np.linalg.norm(values[rank:]))
    basis = leading_subspace(A, rank).basis
    rounding = 10 * np.finfo(np.float32).eps * float(np.linalg.norm(A))
    assert error(A, basis) <= 1.01 * best + rounding
    naive = leading_eigenvectors(A @ A.T, rank)[1]
    assert error(A, naive) > 1.2 * error(A, basis)


@pytest.mark.parametrize("shape", [(40, 90), (90, 40)])
def test_float64_below_its_gram_matrix(shape: tuple[int, int]):
    A = of_spectrum(10.0 ** -np.arange(0, 16, 0.4), shape, 2)
    values = np.linalg.svd(A, compute_uv=False)
    for rank in (24, 30):
        best = float(np.linalg.norm(values[rank:]))
        assert error(A, leading_subspace(A, rank).basis) <= 1.05 * best + 1e-14


def test_low_rank_matrices_are_exact():
    rng = np.random.default_rng(3)
    A = rng.standard_normal((30, 4)) @ rng.standard_normal((4, 50))
    assert error(A, leading_subspace(A, 4).basis) < 1e-13 * np.linalg.norm(A)
    A[:, 25:] = A[:, :25]
    assert error(A, leading_subspace(A, 6).basis) < 1e-13 * np.linalg.norm(A)
    assert leading_subspace(np.zeros((5, 7)), 2).tail == 0.0


def test_gram_in_float64_is_that_of_the_widened_matrix():
    A = np.random.default_rng(4).standard_normal((7, 3000)).astype(np.float32)
    wide = A.astype(np.float64)
    assert np.allclose(gram(A, np.dtype(np.float64)), wide @ wide.T, rtol=1e-13)
    assert gram(A, A.dtype).dtype == np.float32


def test_energies_of_many_entries_keep_their_digits():
    rng = np.random.default_rng(5)
    A = rng.standard_normal(1_000_003).astype(np.float32)
    B = A + np.float32(1e-3) * rng.standard_normal(A.size).astype(np.float32)
    wide = A.astype(np.float64)
    assert energy(A) == pytest.approx(float(wide @ wide), rel=1e-6)
    rest = wide - B
    assert distance_energy(A, B) == pytest.approx(float(rest @ rest), rel=1e-4)
    assert energy(np.zeros((2, 0))) == 0.0


def test_random_samples_come_near_and_nearer_with_steps():
    A = of_spectrum(np.arange(1, 121) ** -0.5, (120, 300), 6)
    values = np.linalg.svd(A, compute_uv=False)
    best = float(np.linalg.norm(values[20:]))
    found = [
        sampled_subspace(A, 20, np.random.default_rng(0), 8, power)
        for power in (0, 2, 8)
    ]
    errors = [error(A, subspace.basis) for subspace in found]
    assert best <= errors[2] <= errors[1] <= errors[0]
    assert errors[1] <= 1.02 * best
    for subspace, value in zip(found, errors, strict=True):
        assert subspace.tail == pytest.approx(value**2)
        Q = subspace.basis
        assert np.allclose(Q.T @ Q, np.eye(20), atol=1e-12)
