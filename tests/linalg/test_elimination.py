"""Schur complements: least values over what is eliminated."""

import numpy as np
import pytest

from ccsolve.linalg.elimination import schur_complement


@pytest.mark.parametrize("rows", [20, 3])
def test_it_is_the_least_value_over_the_rest(rows: int):
    """Against least squares; with three rows the matrix is singular."""
    rng = np.random.default_rng(rows)
    F = rng.standard_normal((rows, 8))
    own, rest = np.array([5, 0, 3]), np.array([1, 2, 4, 6, 7])
    S = schur_complement(F.T @ F, own)
    for v in rng.standard_normal((5, 3)):
        fitted = np.linalg.lstsq(F[:, rest], F[:, own] @ v, rcond=None)[0]
        least = np.square(F[:, own] @ v - F[:, rest] @ fitted).sum()
        assert v @ S @ v == pytest.approx(least, abs=1e-9)
    assert (S.T == S).all()


def test_with_nothing_to_eliminate_it_permutes():
    H = np.diag([1.0, 2.0, 3.0])
    assert (schur_complement(H, np.array([2, 0, 1])) == np.diag([3.0, 1, 2])).all()
