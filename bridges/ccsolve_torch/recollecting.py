"""Statistics taken again while a plan is being made, for recipes that ask for them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
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
    """Give what was declared in the numbers of the model that keeps these classes."""
    left = kept_entries(graph, keep)
    numbers = {
        name: np.searchsorted(left[name, 0], entries).tolist()
        if (name, 0) in left
        else entries
        for name, entries in declared.keep.items()
    }
    return replace(declared, keep=numbers)
