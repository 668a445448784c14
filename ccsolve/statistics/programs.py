"""The programs that statistics give."""

import math

import numpy as np

from ccsolve.errors import MissingStatistics
from ccsolve.problems.selection import ChannelSelection
from ccsolve.statistics.group import Group
from ccsolve.statistics.shrinkage import target_diagonal


def channel_selection(
    group: Group,
    keep: int,
    *,
    curvature: str,
    damping: float,
    first_order: float,
    shrinkage: float | str,
    target: str,
) -> ChannelSelection:
    """Give the program that chooses `keep` classes of one group.

    The rows become its factor where there are fewer of them than classes (then Q is
    never formed), else the dense block is used: it serves every method.
    """
    rows = group.rows(curvature)
    rest = {
        "gradient": _gradient(group, first_order),
        "keep": keep,
        "damping": damping,
        "first_order": first_order,
    }
    if rows is None or len(rows) >= group.size:
        block = group.hessian(curvature, shrinkage=shrinkage, target=target)
        return ChannelSelection.from_removal(block, **rest)
    rho = group.intensity(curvature, shrinkage, target)
    exact = rows.astype(np.float64, copy=False)
    own = np.square(exact).sum(axis=0)
    return ChannelSelection.from_removal(
        factor=math.sqrt(1 - rho) * exact,
        diagonal=rho * target_diagonal(own, target),
        **rest,
    )


def _gradient(group: Group, first_order: float) -> object:
    if first_order == 0:
        return None
    if group.gradient is None:
        raise MissingStatistics(
            f"groups/{group.name}: no gradient was collected; collect it or give "
            "first_order=0"
        )
    return group.gradient
