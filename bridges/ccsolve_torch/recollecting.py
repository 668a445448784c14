"""Statistics taken again while a plan is being made, for recipes that ask for them."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ccsolve.plans import Plan
from ccsolve.recipes.levels import LEVELS
from ccsolve.recipes.recollection import Recollect
from ccsolve.statistics import Statistics
from ccsolve_torch.application import Order, carried_out
from ccsolve_torch.collection import collect
from ccsolve_torch.coupling.declaring import Declared
from ccsolve_torch.graph import Graph, trace
from ccsolve_torch.repairing.repairing import checked_repair
from ccsolve_torch.stepwise.job import Job
from ccsolve_torch.surgery import kept_entries


def recollecting(
    job: Job,
    model: nn.Module,
    inputs: tuple[Any, ...],
    declared: Declared,
    step: int,
) -> Recollect:
    """Give what cuts the model by a plan, repairs it, and collects on what is left.

    Layers' own statistics are taken again where the recipe needs them throughout; they
    serve others for the widths alone, which are found before.
    """
    graph = trace(model, inputs, declared=declared)
    layers = job.collecting["layers"] if job.recipe in LEVELS else "none"
    repair = checked_repair(job.repair, job.loader)
    order = Order(inputs, job.loader, repair, False, job.seed)

    def recollect(plan: Plan) -> Statistics:
        with job.phase(step, "apply"):
            small = carried_out(model, graph, plan, order, {})
        with job.phase(step, "collect"):
            return collect(
                small,
                job.loader,
                **{**job.collecting, "layers": layers},
                declared=declared_in(declared, graph, plan.keep),
                seed=job.seed,
            )

    return recollect


def declared_in(declared: Declared, graph: Graph, keep: Mapping[str, Any]) -> Declared:
    """Give what was declared in the numbers of the model that keeps these classes.

    A layer that keeps one weight group of several has plain channels there, each of
    which could go alone: they are declared to stay, as the class that they are.
    """
    left = kept_entries(graph, keep)
    numbers = {
        name: np.searchsorted(left[name, 0], entries).tolist()
        if (name, 0) in left
        else list(entries)
        for name, entries in declared.keep.items()
    }
    for tensor, entries in _last_weight_groups(graph, keep, left):
        numbers[tensor] = sorted({*numbers.get(tensor, ()), *entries})
    return replace(declared, keep=numbers)


def _last_weight_groups(
    graph: Graph,
    keep: Mapping[str, Any],
    left: Mapping[tuple[str, int], NDArray[np.int64]],
) -> Iterator[tuple[str, list[int]]]:
    """Give the entries of tensors' axis 0 that a layer's only weight group left has."""
    several = {
        name
        for site in graph.layers.values()
        if site.groups > 1
        for name in (*site.inputs, *site.outputs)
    }
    for name in several & set(graph.groups):
        for slot in graph.groups[name].slots if len(keep[name]) == 1 else ():
            if slot.axis == 0 and (slot.tensor, 0) in left:
                classes = slot.classes[left[slot.tensor, 0]]
                yield slot.tensor, np.flatnonzero(classes >= 0).tolist()
