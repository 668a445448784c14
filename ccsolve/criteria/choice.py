"""Find a criterion by name."""

from collections.abc import Callable, Iterable
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from ccsolve.criteria.activations import apoz, mean_activation
from ccsolve.criteria.distances import fpgm
from ccsolve.criteria.magnitude import l1, l2, lamp
from ccsolve.criteria.propagation import nisp
from ccsolve.criteria.removal import refit
from ccsolve.criteria.sensitivity import (
    fisher,
    obd,
    taylor,
    taylor_per_sample,
    taylor_weight,
)
from ccsolve.errors import CcsolveError, InvalidProblem, MissingStatistics
from ccsolve.statistics import Statistics

CRITERIA = MappingProxyType(
    {
        "l1": l1,
        "l2": l2,
        "lamp": lamp,
        "fpgm": fpgm,
        "taylor": taylor,
        "taylor_per_sample": taylor_per_sample,
        "taylor_weight": taylor_weight,
        "obd": obd,
        "fisher": fisher,
        "apoz": apoz,
        "mean_activation": mean_activation,
        "nisp": nisp,
        "refit": refit,
    }
)
"""The criteria that statistics determine; `score` knows "random" besides."""

EXPORTED = MappingProxyType(
    {
        "bn_scale": "ccsolve_torch.collect exports it of groups with batch norms",
        "ablation": "add it with ccsolve_torch.ablation_scores",
        "class_wise": "add it with ccsolve_torch.class_wise_scores",
        "dcp": "add it with ccsolve_torch.dcp_scores",
        "sfp": "add it with ccsolve_torch.sfp_scores",
    }
)
"""Scores that the network itself gives, not its statistics: where they come from."""


def random(stats: Statistics, group: str, seed: int = 0) -> NDArray[np.float64]:
    """Give uniform numbers in [0, 1); the same for the same seed and place of group."""
    place = list(stats.groups).index(group)
    return np.random.default_rng([seed, place]).random(stats.groups[group].size)


def score(
    stats: Statistics, group: str, criterion: str = "l1", *, seed: int = 0
) -> NDArray[np.float64]:
    """Give the importance of each class of a group, (size,).

    Parameters
    ----------
    stats, group
        The statistics and the name of one of its groups.
    criterion
        A name of `CRITERIA`, "random", or a score that the statistics bring
        (`Group.scores`), such as those of `EXPORTED`. Where the parts for a name of
        `CRITERIA` are absent, an exported score of that name stands in.
    seed
        For "random".

    Raises
    ------
    InvalidProblem
        No such group or criterion.
    MissingStatistics
        The parts that the criterion needs were not collected.
    """
    if group not in stats.groups:
        raise InvalidProblem(
            f"no group {group!r}; the statistics hold {', '.join(stats.groups)[:200]}"
        )
    if criterion == "random":
        return random(stats, group, seed)
    exported = stats.groups[group].scores
    if criterion in CRITERIA:
        return _computed_or_exported(stats, group, criterion, CRITERIA[criterion])
    if criterion not in exported:
        raise _absent(group, criterion, exported)
    return exported[criterion].astype(np.float64)


def _absent(group: str, criterion: str, exported: Iterable[str]) -> CcsolveError:
    if criterion in EXPORTED:
        return MissingStatistics(
            f"groups/{group}: no score {criterion!r}; {EXPORTED[criterion]}"
        )
    known = dict.fromkeys([*CRITERIA, "random", *EXPORTED, *exported])
    return InvalidProblem(
        f"criterion {criterion!r}; expected one of {', '.join(known)}"
    )


def _computed_or_exported(
    stats: Statistics,
    group: str,
    name: str,
    compute: Callable[[Statistics, str], NDArray[np.float64]],
) -> NDArray[np.float64]:
    exported = stats.groups[group].scores
    try:
        return compute(stats, group)
    except MissingStatistics:
        if name not in exported:
            raise
        return exported[name].astype(np.float64)
