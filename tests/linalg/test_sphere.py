import numpy as np
import pytest

from ccsolve.linalg.sphere import (
    LinearPart,
    Spectrum,
    linear_part,
    minimiser,
    multiplier,
    slope,
)


def spectrum_of(M: np.ndarray) -> Spectrum:
    values, vectors = np.linalg.eigh(M)
    return Spectrum(values, vectors, None, is_partial=False)


def dual(M: np.ndarray, g: np.ndarray, radius: float, mu: float) -> float:
    shifted = M - mu * np.eye(len(g))
    return mu * radius**2 - 0.25 * float(g @ np.linalg.solve(shifted, g))


def test_primal_and_dual_meet():
    rng = np.random.default_rng(0)
    for n in (1, 2, 5, 20):
        A, g = rng.standard_normal((n, n)), rng.standard_normal(n)
        M, radius = A + A.T, float(rng.uniform(0.1, 3))
        spectrum = spectrum_of(M)
        part = linear_part(spectrum, g)
        mu = multiplier(spectrum, part, radius)
        y = minimiser(spectrum, part, mu)
        assert mu < spectrum.least
        assert np.linalg.norm(y) == pytest.approx(radius, rel=1e-9)
        assert y @ M @ y + g @ y == pytest.approx(dual(M, g, radius, mu), rel=1e-9)


def test_no_point_of_the_sphere_is_lower():
    rng = np.random.default_rng(1)
    A, g = rng.standard_normal((4, 4)), rng.standard_normal(4)
    M = A + A.T
    spectrum = spectrum_of(M)
    part = linear_part(spectrum, g)
    low = dual(M, g, 1.5, multiplier(spectrum, part, 1.5))
    Y = rng.standard_normal((20_000, 4))
    Y *= 1.5 / np.linalg.norm(Y, axis=1, keepdims=True)
    assert ((Y @ M) * Y).sum(axis=1).min() + 0 >= low - np.linalg.norm(g) * 1.5
    assert (((Y @ M) * Y).sum(axis=1) + Y @ g).min() >= low - 1e-9


def test_hard_case_gives_the_least_eigenvalue():
    # No linear part along the least eigenvector: mu tends to the least eigenvalue.
    M, g = np.diag([-1.0, 2.0, 3.0]), np.array([0.0, 0.1, 0.0])
    spectrum = spectrum_of(M)
    mu = multiplier(spectrum, linear_part(spectrum, g), 1.0)
    assert mu == pytest.approx(-1.0, abs=1e-12) and mu < -1.0
    zero = linear_part(spectrum, np.zeros(3))
    assert multiplier(spectrum, zero, 1.0) == pytest.approx(-1.0, abs=1e-12)


def test_a_partial_spectrum_agrees_with_the_full_one():
    rng = np.random.default_rng(2)
    F, g, a = (
        rng.standard_normal((2, 6)),
        rng.standard_normal(6),
        rng.standard_normal(6),
    )
    full = spectrum_of(F.T @ F)
    partial = Spectrum(full.values[-2:], full.vectors[:, -2:], None, is_partial=True)
    for radius in (0.3, 2.0):
        mus = [multiplier(s, linear_part(s, g), radius) for s in (full, partial)]
        assert mus[0] == pytest.approx(mus[1], rel=1e-9)
        ys = [minimiser(s, linear_part(s, g), mus[1]) for s in (full, partial)]
        np.testing.assert_allclose(ys[0], ys[1], rtol=1e-7, atol=1e-9)
        for s in (full, partial):
            value = slope(s, linear_part(s, g), linear_part(s, a), mus[1])
            assert value == pytest.approx(float(a @ ys[0]), rel=1e-7, abs=1e-9)


def test_linear_parts_add_and_keep_their_length():
    rng = np.random.default_rng(3)
    normal = np.full(5, 1 / np.sqrt(5))
    basis = np.linalg.qr(np.column_stack([normal, rng.standard_normal((5, 4))]))[0]
    spectrum = Spectrum(np.arange(2.0), basis[:, 1:3], normal, is_partial=True)
    g, h = rng.standard_normal(5), rng.standard_normal(5)
    together = linear_part(spectrum, g).plus(linear_part(spectrum, h), 2.0)
    direct = linear_part(spectrum, g + 2.0 * h)
    assert isinstance(together, LinearPart)
    np.testing.assert_allclose(together.along, direct.along, atol=1e-12)
    np.testing.assert_allclose(together.rest, direct.rest, atol=1e-12)
    assert direct.norm == pytest.approx(
        np.linalg.norm((g + 2 * h) - (g + 2 * h).mean()), rel=1e-12
    )
