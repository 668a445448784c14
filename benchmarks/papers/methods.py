"""The methods: each gives a smaller network at an operating point, untrained.

All are given the same images; all that cut channels are repaired by least squares, all
others have their batch norms measured again.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from torch import nn

import ccsolve_torch as cct
from benchmarks.papers.points import Point
from benchmarks.papers.scene import Scene
from ccsolve.criteria import EXPORTED, score
from ccsolve.errors import Infeasible
from ccsolve.plans import Plan
from ccsolve.recipes.chains import chainables
from ccsolve.recipes.linear_conv import primary_count
from ccsolve.recipes.ranked import PAPERS, RATES
from ccsolve.recipes.uniform import best

Make = Callable[[Scene, Point], nn.Module]

RUN = tuple(name for name in EXPORTED if name != "bn_scale")
"""Scores that take runs of the network."""


@dataclass(frozen=True)
class Method:
    """How a smaller network is made, and the heuristics that it stands beside."""

    make: Make
    baselines: tuple[str, ...] = ()


def planned(kind: str = "", **options: Any) -> Make:
    """Give the network of a recipe."""
    return lambda scene, point: scene.applied(scene.plan(point, kind, **options), point)


def l1_at(kind: str = "", **options: Any) -> Make:
    """Give the network of a recipe's widths and ranks, with channels by L1 norms."""

    def make(scene: Scene, point: Point) -> nn.Module:
        plan = scene.plan(point, kind, **options)
        keep = {
            name: best(score(scene.stats, name, "l1"), width)
            for name, width in plan.widths.items()
        }
        return scene.applied(_bare(plan, keep), point)

    return make


def at_widths_of(recipe: str, **options: Any) -> Make:
    """Give the network of another recipe at the widths of cpli."""

    def make(scene: Scene, point: Point) -> nn.Module:
        widths = scene.plan(point, recipe="cpli").widths
        plan = scene.plan(point, recipe=recipe, widths=widths, **options)
        return scene.applied(plan, point)

    return make


def same_part(form: str) -> Make:
    """Give chains whose ranks are the same part of the full rank in every layer."""

    def make(scene: Scene, point: Point) -> nn.Module:
        plan = scene.plan(point, recipe=form)
        factors = _same_part(scene, point, form)
        return scene.applied(replace(_bare(plan, plan.keep), factors=factors), point)

    return make


def one_ratio(scene: Scene, point: Point) -> nn.Module:
    """Give LinearConv layers of the largest ratio that fits, the same in all."""
    plan = scene.plan(point, recipe="linear_conv")
    shapes = {name: scene.stats.layers[name].weight.shape for name in _blocks(scene)}
    limit = plan.asked["params"]
    for ratio in np.linspace(1.0, 0.01, 397):
        primary = {
            name: primary_count(float(ratio), shape[0])
            for name, shape in shapes.items()
        }
        saved = sum(_saved(shapes[name], count) for name, count in primary.items())
        if plan.original["params"] - saved <= limit:
            return scene.applied(
                replace(_bare(plan, plan.keep), primary=primary), point
            )
    raise Infeasible(f"params: {limit:,.0f} is less than one filter a layer takes")


def _saved(shape: tuple[int, ...], count: int) -> int:
    n, columns = shape[0], math.prod(shape[1:])
    return (n - count) * (columns - count)


def _bare(plan: Plan, keep: Mapping[str, Any]) -> Plan:
    """Give a plan of these classes that promises nothing of its costs."""
    return Plan(
        recipe=f"beside {plan.recipe}",
        keep=keep,
        sizes=plan.sizes,
        factors=plan.factors,
        fingerprint=plan.fingerprint,
    )


def _same_part(scene: Scene, point: Point, form: str) -> dict[str, cct.Factor]:
    chains = {name: chainables(scene.stats)[name] for name in _blocks(scene)}
    (resource, part), *_ = point.budgets().items()
    whole = scene.stats.cost().of(resource)
    dense = sum(chain.dense()[resource] for chain in chains.values())
    for share in np.linspace(1.0, 0.01, 397):
        factor = cct.Factor(form, float(share))
        made = sum(chain.as_factored(factor)[resource] for chain in chains.values())
        if whole - dense + made <= part * whole:
            return dict.fromkeys(chains, factor)
    raise Infeasible(f"{resource}: {part:.3f} of all is less than ranks of 1 take")


def _blocks(scene: Scene) -> list[str]:
    """Give the convolutions inside the blocks."""
    return [n for n in scene.stats.layers if re.fullmatch(r"layer.*conv[12]", n)]


def _criteria() -> dict[str, Method]:
    return {
        f"{name}, {rates}": Method(
            planned(name if name in RUN else "", recipe=name, rates=rates)
        )
        for name in PAPERS
        for rates in RATES
    }


_BESIDE_CPLI = tuple(f"{name} at cpli's widths" for name in ("L1", "He", "ThiNet"))

_CCP: dict[str, Any] = {"recipe": "ccp"}

METHODS: Mapping[str, Method] = MappingProxyType(
    {
        **_criteria(),
        "cc": Method(planned(recipe="cc"), ("L1 at cc's widths",)),
        "L1 at cc's widths": Method(l1_at(recipe="cc")),
        "cc, exact": Method(
            planned(recipe="cc", allocation="exact"), ("L1 at cc, exact's widths",)
        ),
        "L1 at cc, exact's widths": Method(l1_at(recipe="cc", allocation="exact")),
        "ccp": Method(planned(**_CCP), ("l1, allocated",)),
        "ccp, uniform": Method(planned(widths="uniform", **_CCP), ("l1, uniform",)),
        "ccp-ac": Method(planned("auxiliary", **_CCP), ("L1 at ccp-ac's widths",)),
        "L1 at ccp-ac's widths": Method(l1_at("auxiliary", **_CCP)),
        "cpli": Method(planned(recipe="cpli"), _BESIDE_CPLI),
        "L1 at cpli's widths": Method(l1_at(recipe="cpli")),
        "He at cpli's widths": Method(at_widths_of("he")),
        "ThiNet at cpli's widths": Method(at_widths_of("thinet")),
        "he": Method(planned(recipe="he"), ("l1, uniform",)),
        "thinet": Method(planned(recipe="thinet"), ("l1, uniform",)),
        "osscar": Method(planned(recipe="osscar"), ("l1, uniform",)),
        "dcff": Method(planned(recipe="dcff"), ("l1, uniform",)),
        "dcff, allocated": Method(
            planned(recipe="dcff", widths="refit"), ("l1, allocated",)
        ),
        "refit, allocated": Method(planned(recipe="allocated"), ("l1, allocated",)),
        "joint": Method(planned(recipe="joint"), ("l1, allocated",)),
        "svd": Method(planned(recipe="svd"), ("svd, same part",)),
        "svd, same part": Method(same_part("svd")),
        "tucker": Method(planned(recipe="tucker"), ("tucker, same part",)),
        "tucker, same part": Method(same_part("tucker")),
        "tt": Method(planned(recipe="tt"), ("tt, same part",)),
        "tt, same part": Method(same_part("tt")),
        "admm_tt": Method(planned(recipe="admm_tt"), ("tt",)),
        "linear_conv": Method(
            planned(recipe="linear_conv"), ("linear_conv, one ratio",)
        ),
        "linear_conv, one ratio": Method(one_ratio),
    }
)
"""By name; "l1, allocated", "refit, allocated" and "ccp" have the same widths."""
