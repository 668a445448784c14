"""What "auto" may be for a compression, before it is known what was collected."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import nn

from ccsolve.planning import checked_recipe
from ccsolve.recipes.default import (
    ALLOCATED,
    AUTO,
    CCP,
    takes_allocated,
    takes_joint,
)
from ccsolve.recipes.levels import level_of
from ccsolve_torch.collecting.moments import layer_bytes
from ccsolve_torch.graph import Graph
from ccsolve_torch.stepwise.job import Job, recipe_options

MOST_MOMENTS = 2e9
"""Bytes of layers' sums that are taken by default; where they are asked for, more."""


def narrowed(
    recipe: str,
    budgets: Mapping[str, Any],
    options: Mapping[str, Any],
    collecting: Mapping[str, Any],
    *,
    steps: int,
    sequential: bool,
    trains: bool,
    repair: str,
) -> str:
    """Give what "auto" may be: itself, "allocated" or "ccp"; any other recipe as it is.

    It stays "auto", which is best "joint", with the usual repair, where budgets and
    options are that one's; not for several steps with training. "ccp" is left where
    layers go one after the other, and where other statistics are asked for than
    moments.
    """
    if recipe != AUTO:
        return recipe
    if sequential or not _collects_moments(collecting):
        return CCP
    usual = repair == "least_squares" and not (trains and steps > 1)
    if usual and takes_joint(budgets, options):
        return AUTO
    return ALLOCATED if takes_allocated(options) else CCP


def _collects_moments(collecting: Mapping[str, Any]) -> bool:
    """Say whether nothing else is asked for than moments by the usual curvature."""
    moments = collecting.get("layers", "moments") == "moments"
    return (
        moments and collecting["curvature"] == "ggn" and "auxiliary" not in collecting
    )


def settled(job: Job, graph: Graph, named: str) -> Job:
    """Give the job with what its recipe is given and needs collected.

    Where "auto" was `named`, it is "ccp" if the graph shows that moments will be
    missing, or that they are too large; else the statistics decide. Unsupported where
    options are not those of "ccp" then.
    """
    recipe = job.recipe
    if named == AUTO and recipe != CCP and not _refittable(job, graph):
        recipe = CCP
        checked_recipe(recipe, job.options, AUTO)
    level, curvature = level_of(recipe, job.options), job.collecting["curvature"]
    return replace(
        job,
        recipe=recipe,
        options=recipe_options(recipe, job.options, seed=job.seed, curvature=curvature),
        collecting=({} if level is None else {"layers": level}) | {**job.collecting},
    )


def _refittable(job: Job, graph: Graph) -> bool:
    """Say whether all groups are read by layers of moments, which take little memory.

    Layers of several weight groups are collected without moments.
    """
    readers = {
        group: [site for site in graph.layers.values() if group in site.inputs]
        for group in graph.groups
    }
    whole = all(
        sites and all(site.groups == 1 for site in sites) for sites in readers.values()
    )
    limit = min(MOST_MOMENTS, job.collecting.get("max_bytes", MOST_MOMENTS))
    return whole and size_of_sums(job.model, graph) <= limit


def size_of_sums(model: nn.Module, graph: Graph) -> int:
    """Give the bytes of all layers' sums with their moments."""
    weights = dict(model.named_parameters(remove_duplicate=False))
    sites = graph.layers.values()
    return sum(layer_bytes(site, weights[site.weight], "moments") for site in sites)
