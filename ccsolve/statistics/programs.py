"""The programs that statistics give."""

from ccsolve.errors import MissingStatistics
from ccsolve.problems.selection import ChannelSelection
from ccsolve.statistics.group import Group


def channel_selection(
    group: Group, keep: int, *, curvature: str, damping: float, first_order: float
) -> ChannelSelection:
    """Give the program that chooses `keep` classes of one group.

    The rows become its factor where there are fewer of them than classes (then Q is
    never formed), else the dense block is used: it serves every method.
    """
    rows = group.rows(curvature)
    factored = rows is not None and len(rows) < group.size
    return ChannelSelection.from_removal(
        None if factored else group.hessian(curvature),
        factor=rows if factored else None,
        gradient=_gradient(group, first_order),
        keep=keep,
        damping=damping,
        first_order=first_order,
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
