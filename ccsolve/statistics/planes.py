"""The smallest function p + q·x + r·y + s·x·y above points."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

Array = NDArray[Any]


def plane_above(x: Array, y: Array, t: Array) -> tuple[float, float, float, float]:
    """Give p, q, r, s >= 0 with p + q·x_i + r·y_j + s·x_i·y_j >= t_ij > 0.

    Of all such, one of the least sum over the points: a linear program of four
    variables. Rounding of its solution is made good in p.

    Parameters
    ----------
    x, y
        (R,) and (M,), >= 0.
    t
        (R, M).
    """
    xs, ys = np.meshgrid(x, y, indexing="ij")
    columns = np.stack([np.ones(t.shape), xs, ys, xs * ys.astype(float)], axis=-1)
    columns = columns.reshape(-1, 4)
    scales = np.maximum(columns.max(axis=0), 1.0)
    scaled, most = columns / scales, float(t.max())
    found = linprog(scaled.sum(axis=0), A_ub=-scaled, b_ub=-t.ravel() / most)
    if found.status != 0:  # HiGHS gave up: the largest entry alone is above all
        return most, 0.0, 0.0, 0.0
    p, q, r, s = (np.maximum(found.x, 0.0) * most / scales).tolist()
    short = (t.ravel() - columns @ np.array([p, q, r, s])).max()
    return p + max(float(short), 0.0) + 1e-12 * most, q, r, s
