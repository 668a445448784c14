"""How the loss of every group is predicted at every width, by name."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from ccsolve.criteria import Removal, refit_removal, taylor_removal
from ccsolve.errors import MissingStatistics, Unsupported
from ccsolve.sensitivity.reconstruction import refit_curve
from ccsolve.sensitivity.selection import ccp_curve
from ccsolve.sensitivity.units import unit_removal
from ccsolve.statistics import Statistics

AUTO = "auto"

TAYLOR = "taylor"

LOSSES: Mapping[str, Callable[[Statistics, str], Removal]] = MappingProxyType(
    {"refit": refit_removal, TAYLOR: taylor_removal, "units": unit_removal}
)
"""Orders in which classes go, with the loss at every width."""

CURVES: Mapping[str, Callable[..., np.ndarray]] = MappingProxyType(
    {
        "selection": lambda stats, group, seed, model: (
            ccp_curve(stats, group, seed=seed, **model).losses
        ),
        "reconstruction": lambda stats, group, seed, model: (
            refit_curve(stats, group).losses
        ),
    }
)
"""Values of programs at every width, whose choices need not be nested."""


def removals_by(
    stats: Statistics, losses: str, model: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, Removal]:
    """Give the order in which every group's classes go, and its loss at every width.

    Parameters
    ----------
    stats
        The statistics.
    losses
        "refit" (`refit_removal`): what is left after the next layers are fitted again;
        it needs ``collect(..., layers="moments")``. "taylor" (`taylor_removal`): what
        is left without a repair. "units" (`unit_removal`): CC's first-order loss; it
        needs mean weight gradients. "auto": "refit" where its statistics are there,
        else "taylor".
    model
        The quadratic model of "taylor": its curvature, damping, ...

    Raises
    ------
    Unsupported
        For another name.
    MissingStatistics
        What the losses need was not collected.
    """
    if losses == AUTO:
        return _by_what_is_there(stats, model)
    if losses not in LOSSES:
        known = ", ".join([AUTO, *LOSSES])
        raise Unsupported(f"losses {losses!r}; expected one of {known}")
    if losses == TAYLOR:
        return _by_taylor(stats, model)
    return {name: LOSSES[losses](stats, name) for name in stats.groups}


def _by_what_is_there(
    stats: Statistics, model: Mapping[str, Any]
) -> dict[str, Removal]:
    try:
        return {name: refit_removal(stats, name) for name in stats.groups}
    except MissingStatistics:
        return _by_taylor(stats, model)


def _by_taylor(stats: Statistics, model: Mapping[str, Any]) -> dict[str, Removal]:
    return {name: taylor_removal(stats, name, **model) for name in stats.groups}


def losses_by(
    stats: Statistics,
    losses: str,
    *,
    where: str = "losses",
    seed: int = 0,
    model: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, np.ndarray]:
    """Give every group's loss when 0, 1, ..., size classes have gone.

    As `removals_by`, and the values of programs, whose choices need not be nested:
    "selection" (`ccp_curve`) and "reconstruction" (`refit_curve`). The quadratic
    `model`, its curvature, damping, ..., is that of "selection" and "taylor".
    """
    if losses in CURVES:
        return {name: CURVES[losses](stats, name, seed, model) for name in stats.groups}
    if losses not in (AUTO, *LOSSES):
        known = ", ".join([AUTO, *LOSSES, *CURVES])
        raise Unsupported(f"{where} {losses!r}; expected one of {known}")
    removals = removals_by(stats, losses, model)
    return {name: removal.loss for name, removal in removals.items()}
