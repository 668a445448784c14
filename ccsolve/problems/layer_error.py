"""A layer's moments and dense weights as the data of a reconstruction."""

from typing import Any, NamedTuple

import numpy as np

from ccsolve.errors import InvalidProblem
from ccsolve.problems.checks import real_array, real_number, symmetric_matrix
from ccsolve.problems.output_weights import checked_weights, weighted_trace


class LayerForm(NamedTuple):
    """H, G, M and the constant of the error; None where the target is not known."""

    moments: np.ndarray
    cross: np.ndarray
    weights: np.ndarray | None
    constant: float | None


def layer_form(
    moments: Any, dense: Any, cross: Any, target: Any, weights: Any, ridge: float
) -> LayerForm:
    """Give H = E[xxᵀ] + λI, G = E[xyᵀ] + λW₀ and ½tr M(E[yyᵀ] + λW₀ᵀW₀).

    λ = ridge·mean(diag E[xxᵀ]); y = W₀ᵀx where no cross moments are given.
    """
    moments = symmetric_matrix("moments", moments)
    d = moments.shape[0]
    dense = real_array("dense", dense, (d, None))
    M = checked_weights(weights, dense.shape[1])
    pull = real_number("ridge", ridge, 0.0) * float(np.trace(moments)) / max(1, d)
    if cross is None:
        if target is not None:
            raise InvalidProblem("target given without cross; give both or neither")
        plain = moments @ dense
        second = dense.T @ plain
    else:
        plain = real_array("cross", cross, dense.shape)
        second = None if target is None else _second_moment(target, dense.shape[1])
    H = moments + pull * np.eye(d)
    constant = None
    if second is not None:
        constant = 0.5 * weighted_trace(second + pull * (dense.T @ dense), M)
    return LayerForm(H, plain + pull * dense, M, constant)


def _second_moment(target: Any, n_out: int) -> np.ndarray:
    second = symmetric_matrix("target", target)
    if second.shape[0] != n_out:
        raise InvalidProblem(
            f"target has shape {second.shape}; expected ({n_out}, {n_out})"
        )
    return second
