import numpy as np
import pytest

from ccsolve.linalg.spectrum import (
    disc_floor,
    eigenvalue_floor,
    frobenius_norm,
    onto_hyperplane,
    reflector,
)

RNG = np.random.default_rng(3)


def matrices(n: int):
    A = RNG.standard_normal((n, n))
    v = RNG.standard_normal(n)
    yield A + A.T
    yield A @ A.T
    yield -A @ A.T
    yield np.outer(v, v)
    yield np.ones((n, n))
    yield np.zeros((n, n))
    yield -100.0 * np.eye(n)
    yield 1e-12 * (A + A.T)
    yield 1e12 * (A + A.T)
    yield 1e150 * (A + A.T)


@pytest.mark.parametrize("n", [1, 2, 3, 10, 70])
def test_floor_is_below_the_least_eigenvalue_and_close(n: int):
    for A in matrices(n):
        least, norm = np.linalg.eigvalsh(A)[0], np.abs(A).max()
        floor = eigenvalue_floor(A)
        assert floor <= least + 1e-15 * norm
        assert floor >= least - 1e-12 * n * n * norm - 1e-300


def test_floor_is_below_known_whole_eigenvalues():
    # The Laplacian of the complete graph K_n has the eigenvalues 0 and n, exactly.
    for n in (2, 5, 30, 200):
        laplacian = n * np.eye(n) - np.ones((n, n))
        close = 1e-14 * n**3
        assert -close <= eigenvalue_floor(laplacian) <= 0
        assert n - close <= eigenvalue_floor(laplacian + np.ones((n, n))) <= n


def test_a_wrong_estimate_costs_tightness_only():
    A = RNG.standard_normal((20, 20))
    A = A + A.T
    least = np.linalg.eigvalsh(A)[0]
    for estimate in (least + 1.0, 0.0, 1e3, least - 1.0):
        assert -np.inf < eigenvalue_floor(A, estimate) <= least


@pytest.mark.parametrize("n", [1, 2, 3, 10, 70])
def test_disc_floor_is_below_the_least_eigenvalue(n: int):
    for A in matrices(n):
        assert disc_floor(A) <= np.linalg.eigvalsh(A)[0] + 1e-15 * np.abs(A).max()


def test_discs_are_exact_on_a_diagonal():
    assert disc_floor(np.diag([3.0, -2.0, 5.0])) == pytest.approx(-2.0, rel=1e-14)


@pytest.mark.parametrize("n", [2, 3, 10, 50])
def test_restriction_has_the_eigenvalues_of_the_hyperplane(n: int):
    P = np.eye(n) - 1.0 / n
    for Q in matrices(n):
        restricted, error = onto_hyperplane(Q)
        norm = np.abs(Q).max() * n
        # PQP has these eigenvalues and a zero, along 1.
        expected = np.sort(np.append(np.linalg.eigvalsh(restricted), 0.0))
        found = np.linalg.eigvalsh(P @ Q @ P)
        assert np.abs(expected - found).max() <= 1e-13 * norm
        assert error <= 1e-12 * n * norm


def test_the_rounding_of_a_restriction_is_within_its_bound():
    for n in (2, 5, 40):
        for Q in matrices(n):
            restricted, error = onto_hyperplane(Q)
            wide = Q.astype(np.longdouble)
            v = np.full(n, 1 / np.sqrt(np.longdouble(n)))
            v[0] += 1
            reflection = np.eye(n) - 2 * np.outer(v, v) / (v @ v)
            exact = (reflection @ wide @ reflection)[1:, 1:]
            assert np.sqrt(np.square(restricted - exact).sum()) <= error
            assert error <= 1e-12 * n * np.abs(Q).max() * n


def test_reflector_maps_the_mean_direction_to_the_first_axis():
    for n in (2, 7, 100):
        v, beta = reflector(n)
        ones = np.full(n, 1 / np.sqrt(n))
        image = ones - beta * (v @ ones) * v
        np.testing.assert_allclose(image, -np.eye(n)[0], atol=1e-14)


def test_the_norm_is_an_upper_bound_without_overflow():
    assert frobenius_norm(np.full((2, 2), 1e200)) >= 2e200
    assert frobenius_norm(np.full((2, 2), 1e-200)) >= 2e-200
    assert frobenius_norm(np.empty((0, 0))) == 0.0
