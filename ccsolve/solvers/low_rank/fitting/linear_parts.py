"""A tensor of low rank as a linear function of one of its factors."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ccsolve.problems.tensor_formats import Modes
from ccsolve.solvers.low_rank.projecting.chains import product
from ccsolve.solvers.low_rank.projecting.tucker import along


class LinearPart(NamedTuple):
    """Z as a function of one factor, the others held, and the adjoint of it."""

    forward: Callable[[np.ndarray], np.ndarray]
    adjoint: Callable[[np.ndarray], np.ndarray]


def linear_part(
    format: str, factors: Sequence[np.ndarray], modes: Modes, k: int
) -> LinearPart:
    """Give Z as a linear function of factor k; 2Nr to apply."""
    if format == "tucker":
        if k == 0:
            return _of_core(factors)
        return _of_basis(factors, modes, k - 1)
    if format == "tr":
        return _of_ring_core(factors, modes, k)
    if format == "svd":
        left, right = factors
        if k == 0:
            return LinearPart(lambda x: x @ right, lambda g: g @ right.T)
        return LinearPart(lambda x: left @ x, lambda g: left.T @ g)
    return _of_train_core(factors, modes, k)


def _of_train_core(factors: Sequence[np.ndarray], modes: Modes, k: int) -> LinearPart:
    a, m, b = factors[k].shape
    left, right = np.ones((1, 1)), np.ones((1, 1))
    if k:
        left = product(factors[:k]).reshape(-1, a)
    if k + 1 < len(modes):
        right = product(factors[k + 1 :]).reshape(b, -1)

    def forward(x: np.ndarray) -> np.ndarray:
        wide = (left @ x.reshape(a, m * b)).reshape(-1, b)
        return (wide @ right).reshape(modes)

    def adjoint(g: np.ndarray) -> np.ndarray:
        narrow = (g.reshape(-1, right.shape[1]) @ right.T).reshape(len(left), m * b)
        return (left.T @ narrow).reshape(a, m, b)

    return LinearPart(forward, adjoint)


def _of_ring_core(factors: Sequence[np.ndarray], modes: Modes, k: int) -> LinearPart:
    a, m, b = factors[k].shape
    others = [*factors[k + 1 :], *factors[:k]]
    chain = product(others) if others else np.eye(a)[:, None]
    around = chain.transpose(2, 0, 1).reshape(a * b, -1)
    turned = (*modes[k + 1 :], *modes[:k])
    before = len(modes) - k

    def forward(x: np.ndarray) -> np.ndarray:
        rows = x.transpose(1, 0, 2).reshape(m, a * b) @ around
        order = [*range(before, len(modes)), *range(before)]
        return rows.reshape(m, *turned).transpose(order)

    def adjoint(g: np.ndarray) -> np.ndarray:
        order = [*range(k, len(modes)), *range(k)]
        rows = g.transpose(order).reshape(m, -1) @ around.T
        return rows.reshape(m, a, b).transpose(1, 0, 2)

    return LinearPart(forward, adjoint)


def _of_core(factors: Sequence[np.ndarray]) -> LinearPart:
    bases = factors[1:]

    def forward(x: np.ndarray) -> np.ndarray:
        for k, basis in enumerate(bases):
            x = along(x, basis, k)
        return x

    def adjoint(g: np.ndarray) -> np.ndarray:
        for k, basis in enumerate(bases):
            g = along(g, basis.T, k)
        return g

    return LinearPart(forward, adjoint)


def _of_basis(factors: Sequence[np.ndarray], modes: Modes, k: int) -> LinearPart:
    rest = factors[0]
    for other, basis in enumerate(factors[1:]):
        rest = rest if other == k else along(rest, basis, other)
    before, after = math.prod(modes[:k]), math.prod(modes[k + 1 :])
    parts = rest.reshape(before, -1, after)

    def forward(x: np.ndarray) -> np.ndarray:
        return (x @ parts).reshape(modes)

    def adjoint(g: np.ndarray) -> np.ndarray:
        blocks = g.reshape(before, modes[k], after)
        return np.tensordot(blocks, parts, ((0, 2), (0, 2)))

    return LinearPart(forward, adjoint)
