"""The selection program of a second-order model of what removal does to the loss."""

import math
from typing import Any

import numpy as np

from ccsolve.errors import InvalidProblem
from ccsolve.problems.checks import real_array, real_number, symmetric_matrix
from ccsolve.problems.quadratic_form import factor_form


def removal_form(
    hessian: Any,
    gradient: Any,
    factor: Any,
    diagonal: Any,
    damping: float,
    first_order: float,
) -> dict[str, Any]:
    """Give Q or factor and diagonal, q and constant of ``from_removal``'s objective."""
    damping = real_number("damping", damping, 0.0)
    first_order = real_number("first_order", first_order)
    if (hessian is None) == (factor is None):
        raise InvalidProblem("give either hessian or factor, exactly one of them")
    if hessian is not None and diagonal is not None:
        raise InvalidProblem("diagonal belongs to factor; add it to hessian")
    if hessian is not None:
        H = symmetric_matrix("hessian", hessian)
        n = H.shape[0]
        rowsum = H.sum(axis=1) + damping
        half = {"Q": 0.5 * (H + damping * np.eye(n))}
    else:
        F, d = factor_form(factor, diagonal)
        n = F.shape[1]
        rowsum = F.T @ F.sum(axis=1) + d + damping
        half = {"factor": math.sqrt(0.5) * F, "diagonal": 0.5 * (d + damping)}
    g = np.zeros(n) if gradient is None else real_array("gradient", gradient, (n,))
    constant = float(0.5 * rowsum.sum() - first_order * g.sum())
    return {**half, "q": first_order * g - rowsum, "constant": constant}
