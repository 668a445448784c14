"""Orthonormal bases: orthonormal, of the same span, whatever the columns are."""

from typing import Literal

import numpy as np
import pytest

from ccsolve.linalg.orthonormal import orthonormal

TYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def assert_basis(Q: np.ndarray, Y: np.ndarray):
    eps = np.finfo(Y.dtype).eps
    assert Q.dtype == Y.dtype and Q.shape == Y.shape
    assert np.abs(Q.T @ Q - np.eye(Q.shape[1])).max() < 50 * eps
    assert np.linalg.norm(Y - Q @ (Q.T @ Y)) <= 200 * eps * np.linalg.norm(Y)


@TYPES
@pytest.mark.parametrize("order", ["C", "F"])
def test_random_columns(dtype: type, order: Literal["C", "F"]):
    Y = np.random.default_rng(0).standard_normal((40, 7)).astype(dtype, order=order)
    Q = orthonormal(Y)
    assert_basis(Q, Y)
    assert Q.flags.c_contiguous == Y.flags.c_contiguous


@TYPES
def test_columns_of_very_different_length(dtype: type):
    rng = np.random.default_rng(1)
    Y = (rng.standard_normal((30, 5)) * 10.0 ** -np.arange(5)).astype(dtype)
    assert_basis(orthonormal(Y), Y)


@TYPES
@pytest.mark.parametrize("kind", ["duplicate", "zero column", "all zero", "near"])
def test_dependent_columns_are_completed(dtype: type, kind: str):
    Y = np.random.default_rng(2).standard_normal((20, 4)).astype(dtype)
    if kind == "duplicate":
        Y[:, 2] = Y[:, 0]
    elif kind == "zero column":
        Y[:, 1] = 0
    elif kind == "all zero":
        Y[:] = 0
    else:
        Y[:, 3] = Y[:, 0] + np.finfo(dtype).eps * Y[:, 1]
    assert_basis(orthonormal(Y), Y)


@TYPES
def test_one_column_and_square(dtype: type):
    rng = np.random.default_rng(3)
    for shape in [(5, 1), (1, 1), (6, 6)]:
        Y = rng.standard_normal(shape).astype(dtype)
        assert_basis(orthonormal(Y), Y)
