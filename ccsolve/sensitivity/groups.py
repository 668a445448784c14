"""Losses of all groups by classes gone, by the name of a curve."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from ccsolve.criteria import refit_removal, taylor_removal
from ccsolve.errors import InvalidProblem
from ccsolve.sensitivity.curves import Array
from ccsolve.sensitivity.selection import ccp_curve
from ccsolve.sensitivity.units import unit_removal
from ccsolve.statistics import Statistics


def _taylor(stats: Statistics, group: str, **options: Any) -> Array:
    return taylor_removal(stats, group, **options).loss


def _refit(stats: Statistics, group: str) -> Array:
    return refit_removal(stats, group).loss


def _units(stats: Statistics, group: str) -> Array:
    return unit_removal(stats, group).loss


def _ccp(stats: Statistics, group: str, **options: Any) -> Array:
    return ccp_curve(stats, group, **options).losses


GROUP_CURVES: Mapping[str, Callable[..., Array]] = MappingProxyType(
    {"taylor": _taylor, "refit": _refit, "units": _units, "ccp": _ccp}
)
"""By name: a function of statistics and a group, (size + 1,) losses."""


def group_losses(stats: Statistics, curve: str, **options: Any) -> dict[str, Array]:
    """Give for every group the loss when 0, 1, ..., size of its classes have gone.

    Allocations take them as they are, `allocated_widths` among them.

    Parameters
    ----------
    curve
        "taylor": greedy removal without a repair (`taylor_removal`).
        "refit": greedy removal, the next layers fitted again (`refit_removal`).
        "units": Collaborative Compression's channel units (`unit_removal`).
        "ccp": the channel selection program at every width (`ccp_curve`).
    **options
        Those of the function named.

    Raises
    ------
    InvalidProblem
        Another name.
    MissingStatistics
        A part that the curve needs was not collected.
    """
    if curve not in GROUP_CURVES:
        raise InvalidProblem(
            f"curve = {curve!r}; expected one of {', '.join(GROUP_CURVES)}"
        )
    return {name: GROUP_CURVES[curve](stats, name, **options) for name in stats.groups}
