"""The programs of the demo: one per channel group and curvature of a network."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ccsolve.errors import MissingStatistics
from ccsolve.problems import ChannelSelection
from ccsolve.statistics import Group, Statistics

CURVATURES = ("ggn", "fisher")


@dataclass(frozen=True)
class Program:
    """A selection program and what a ranking may look at besides.

    Attributes
    ----------
    family : the curvature; `instance` : the group.
    scores : what a ranking may go by, name -> (n,); empty where nothing was collected.
    """

    family: str
    instance: str
    problem: ChannelSelection
    scores: Mapping[str, np.ndarray]


def half_of_every_group(stats: Statistics) -> list[Program]:
    """Give the programs that keep half of each group, per curvature collected.

    The first-order term is left out: the objective is ½uᵀHu, the predicted rise of the
    loss in nats, never below 0, so that values may be compared as ratios.

    Raises
    ------
    MissingStatistics
        No group has a curvature.
    """
    programs = [
        Program(curvature, name, _program(stats, name, curvature), _scores(group))
        for curvature in CURVATURES
        for name, group in stats.groups.items()
        if group.size > 1 and _has(group, curvature)
    ]
    if not programs:
        raise MissingStatistics("no group has a curvature; collect 'ggn' or 'fisher'")
    return programs


def _program(stats: Statistics, name: str, curvature: str) -> ChannelSelection:
    keep = stats.groups[name].size // 2
    return stats.channel_selection(name, keep, curvature=curvature, first_order=0.0)


def _scores(group: Group) -> dict[str, np.ndarray]:
    """Give the L1 norm of the filters, and the first-order Taylor score.

    The latter is |mean gradient of the gate| (Molchanov et al., ICLR 2017).
    """
    scores = {"L1 norm": group.scores["l1"]} if "l1" in group.scores else {}
    if group.gradient is not None:
        scores["first-order"] = np.abs(group.gradient)
    return scores


def _has(group: Group, curvature: str) -> bool:
    held = getattr(group, curvature), getattr(group, f"{curvature}_rows")
    return any(part is not None for part in held)
