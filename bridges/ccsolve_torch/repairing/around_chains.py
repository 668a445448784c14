"""Repairs of networks some of whose layers become chains: before these and after."""

from typing import NamedTuple

from torch import nn

from ccsolve.plans import Plan
from ccsolve.recipes.joint import RECIPE as JOINT
from ccsolve.statistics import Statistics
from ccsolve_torch.gates import Keep
from ccsolve_torch.graph import Graph
from ccsolve_torch.repairing.repairing import Repair, repaired, with_chains_between
from ccsolve_torch.repairing.waists import waists_of
from ccsolve_torch.running.state import Loader


class Way(NamedTuple):
    """Which repair, on what samples, and the seed for what it draws."""

    repair: str
    calibration: Loader | None
    seed: int


def repaired_early(
    small: nn.Module,
    dense: nn.Module,
    graph: Graph,
    keep: Keep,
    plan: Plan,
    way: Way,
    statistics: Statistics | None,
) -> Repair | None:
    """Fit the layers that lost inputs before chains stand for them; None without.

    A chain's stages are not fitted: what channels took, its layer makes good first. A
    bottleneck of the recipe "joint" is fitted as one (`Waist`).
    """
    waists = waists_of(plan, graph, statistics)
    at_work = bool(plan.factors and is_cut(graph, keep)) or bool(waists)
    if way.repair != "least_squares" or not at_work:
        return None
    return repaired(small, dense, graph, keep, *way, waists)


def repaired_late(
    small: nn.Module,
    dense: nn.Module,
    graph: Graph,
    keep: Keep,
    plan: Plan,
    way: Way,
    early: Repair | None,
) -> Repair:
    """Repair what is left to repair: nothing where chains are what was fitted."""
    if early is not None and plan.recipe == JOINT:
        return early
    outcome = repaired(small, dense, graph, keep, *way)
    return outcome if early is None else with_chains_between(early, outcome)


def is_cut(graph: Graph, keep: Keep) -> bool:
    """Say whether any group lost classes."""
    return any(len(keep[name]) < one.size for name, one in graph.groups.items())
