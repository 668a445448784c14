"""Block-diagonal minorants: below the matrix, and equal to it where it is one."""

import numpy as np
import pytest
import scipy.linalg

from ccsolve.linalg.minorant import block_minorant, is_semidefinite


def definite(d: int, seed: int = 0, ridge: float = 1e-3) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((d, d))
    return rows.T @ rows / d + ridge * np.eye(d)


@pytest.mark.parametrize("group", [1, 2, 3, 6])
@pytest.mark.parametrize("rounds", [1, 4])
def test_the_parts_add_up_and_are_semidefinite(group: int, rounds: int):
    H = definite(12)
    parts = block_minorant(H, group, rounds)
    B = scipy.linalg.block_diag(*parts.blocks)
    np.testing.assert_allclose(parts.A + B, H, atol=1e-15)
    assert np.linalg.eigvalsh(parts.A).min() >= 0
    assert (np.linalg.eigvalsh(parts.blocks) > 0).all()
    np.testing.assert_allclose(parts.inverses, np.linalg.inv(parts.blocks), rtol=1e-9)
    assert (parts.excess >= 0).all()
    assert (parts.excess <= 1e-9 * np.abs(parts.inverses).max(axis=(1, 2))).all()


def test_more_rounds_take_more():
    H = definite(12, 1)
    blocks = [block_minorant(H, 2, rounds).blocks for rounds in (1, 2, 5)]
    traces = [np.trace(part, axis1=1, axis2=2).sum() for part in blocks]
    assert traces == sorted(traces) and traces[0] < traces[2]


def test_a_block_diagonal_matrix_is_its_own_minorant():
    H = np.asarray(scipy.linalg.block_diag(*[definite(2, seed) for seed in range(4)]))
    parts = block_minorant(H, 2, 1)
    B = np.asarray(scipy.linalg.block_diag(*parts.blocks))
    np.testing.assert_allclose(B, H, rtol=1e-5)


@pytest.mark.parametrize("d", [1, 2])
def test_the_smallest_matrices(d: int):
    parts = block_minorant(definite(d), 1, 2)
    assert np.linalg.eigvalsh(parts.A).min() >= 0


def test_nearly_singular_matrices_have_tiny_minorants():
    H = definite(6, 2, 0.0)
    values, vectors = np.linalg.eigh(H)
    values[0] = 1e-11
    parts = block_minorant((vectors * values) @ vectors.T, 1, 2)
    assert 0 < parts.blocks.max() and parts.blocks.min() < 1e-9
    assert np.linalg.eigvalsh(parts.A).min() >= -1e-16


def test_singular_matrices_are_refused():
    with pytest.raises(np.linalg.LinAlgError):
        block_minorant(np.ones((4, 4)), 1, 1)


def test_semidefiniteness_is_proven_or_not():
    assert is_semidefinite(definite(8))
    assert not is_semidefinite(np.ones((3, 3)) - 1e-8 * np.eye(3))
    assert is_semidefinite(np.zeros((0, 0)))


def test_blocks_without_an_inverse_are_replaced_by_little():
    """Two columns of a block are copies but for 1e-13."""
    rows = np.random.default_rng(3).standard_normal((9, 6))
    rows[:, 5] = rows[:, 4]
    H = rows.T @ rows
    H += 4 * 8 * 2.3e-16 * np.trace(H) * np.eye(6)
    parts = block_minorant(H, 3, 4)
    assert np.linalg.eigvalsh(parts.A).min() >= 0
    assert (np.linalg.eigvalsh(parts.blocks) > 0).all()
    assert np.isfinite(parts.excess).all()
