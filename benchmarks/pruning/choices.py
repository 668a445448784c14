"""The choices of channels that are compared: ccsolve's recipes and its peer's."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import ccsolve
from benchmarks.pruning import peers
from benchmarks.pruning.scene import Scene
from ccsolve.plans import Plan

Choice = Callable[[Scene, float], Plan]


def planned(**options: Any) -> Choice:
    """Give the choice of a recipe with its options, inside the blocks."""
    return lambda scene, macs: ccsolve.plan(scene.inner, macs=macs, **options)


def everywhere(**options: Any) -> Choice:
    """Give the choice of a recipe that may narrow the residual streams as well."""
    return lambda scene, macs: ccsolve.plan(scene.stats, macs=macs, **options)


def of_peer(importance: str, scope: str) -> Choice:
    """Give Torch-Pruning's choice."""
    return lambda scene, macs: peers.plan(scene, macs, importance, scope)


OURS: Mapping[str, Choice] = MappingProxyType(
    {
        "L1": planned(recipe="uniform", criterion="l1"),
        "Taylor": planned(recipe="uniform", criterion="taylor_per_sample"),
        "CCP": planned(recipe="ccp", widths="uniform", time_limit=30.0),
        "CCP, allocated": planned(recipe="ccp", widths="refit", time_limit=30.0),
        "L1, allocated": planned(recipe="allocated", criterion="l1"),
        "refit, allocated": planned(recipe="allocated"),
        "joint": planned(recipe="joint"),
        "network": planned(recipe="network", time_limit=30.0),
        "network, coupled": planned(
            recipe="network", cross=True, shrinkage="auto", target="groups"
        ),
    }
)

TRIED: Mapping[str, Choice] = MappingProxyType(
    {
        "Taylor of the mean": planned(recipe="uniform", criterion="taylor"),
        "refit, streams too": everywhere(recipe="allocated"),
    }
)

WIDTHS: Mapping[str, Choice] = MappingProxyType(
    {
        f"refit, {allocation} widths": planned(
            recipe="allocated", allocation=allocation
        )
        for allocation in ("uniform", "smooth", "exact")
    }
)
"""One selection at three kinds of widths: alike, by CC's program, by the exact one."""

PAPERS: Mapping[str, Choice] = MappingProxyType(
    {
        "CPLI": planned(recipe="cpli"),
        "He": planned(recipe="he"),
        "ThiNet": planned(recipe="thinet"),
        "OSSCAR": planned(recipe="osscar"),
        "CC": planned(recipe="cc"),
        "CC, exact": planned(recipe="cc", allocation="exact", time_limit=30.0),
    }
)
"""The papers' recipes, each layer by layer; benchmarks.papers has them by half."""

PEERS: Mapping[str, Choice] = MappingProxyType(
    {
        f"TP {importance}, {scope}": of_peer(importance, scope)
        for importance in peers.IMPORTANCES
        for scope in peers.SCOPES
    }
)

CHOICES: Mapping[str, Choice] = MappingProxyType(
    {**OURS, **PAPERS, **PEERS, **WIDTHS, **TRIED}
)
"""By name: what gives a plan for a scene and the MACs that may remain."""
