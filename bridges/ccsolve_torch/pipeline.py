"""Collect, plan and apply in one call, in one step or in several."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ccsolve.errors import InvalidProblem
from ccsolve.planning import plan as make_plan
from ccsolve.plans import Plan
from ccsolve.statistics import Statistics
from ccsolve.statistics.cost import cost_at
from ccsolve_torch.application import Order, apply, carried_out
from ccsolve_torch.collecting.losses import PerSample
from ccsolve_torch.collection import collect
from ccsolve_torch.coupling.declaring import Declared
from ccsolve_torch.graph import trace
from ccsolve_torch.repairing.repairing import checked_repair
from ccsolve_torch.running.footprint import footprint
from ccsolve_torch.running.latency import measured
from ccsolve_torch.running.ranks import alike, decided, first
from ccsolve_torch.running.state import Loader, checked_model, first_inputs
from ccsolve_torch.stepwise.job import (
    Ground,
    Job,
    Progress,
    asked,
    budgets_of,
    given,
    logged,
    seeded_options,
)
from ccsolve_torch.stepwise.resuming import Store
from ccsolve_torch.stepwise.steps import begun, composed, filled
from ccsolve_torch.surgery import kept_entries


@torch.inference_mode(False)
def compress(
    model: nn.Module,
    loader: Loader,
    macs: float | None = None,
    params: float | None = None,
    *,
    steps: int = 1,
    recipe: str = "ccp",
    repair: str | None = None,
    loss: str | PerSample = "cross_entropy",
    curvature: str = "ggn",
    collecting: Mapping[str, Any] | None = None,
    declared: Declared | None = None,
    finetune: Callable[[nn.Module], object] | None = None,
    folder: str | Path | None = None,
    progress: Progress | None = None,
    latency: bool = True,
    seed: int = 0,
    **options: Any,
) -> nn.Module:
    """Collect, plan and apply: give a smaller, repaired model within the budgets.

    With several steps the budgets fall geometrically, and statistics are taken again
    on each step's repaired model. Every step cuts the original model afresh, with the
    classes that all steps so far removed, and repairs it against the original. After
    the last, classes of earlier steps come back while the budgets hold.

    With `finetune` each step cuts and repairs the model that the last one's training
    gave, and trains the result: weights are carried on. What an earlier step removed
    is then gone, and a budget may be kept with more to spare.

    Parameters
    ----------
    model, loader
        See `collect`; the loader also serves the repair, and is read several times.
    macs, params
        What may remain: a float in (0, 1] is a fraction, an int an absolute amount.
    steps
        How often statistics are taken.
    recipe, **options
        See `ccsolve.plan`.
    repair, latency
        See `apply`.
    loss, curvature
        See `collect`.
    collecting
        Further options of `collect`, such as {"layers": "moments"}.
    declared
        What stays or goes together beyond what the model's code shows.
    finetune
        Trains a model in place; called with every step's model, the last one's too.
    folder
        Where to keep the plan, and the trained weights, of every finished step. A
        call with the same arguments goes on behind the last finished step and gives
        what an undisturbed one would have given. New, or of such a call.
    progress
        Called with (step, steps, phase) when a phase begins: "collect", "plan",
        "apply", "finetune". Default: the logger "ccsolve" is told, at level INFO.
    seed
        Torch's random state is set from it for every phase, and given back: loaders
        that shuffle with it, and dropout in training, do the same again.

    Returns
    -------
    The smaller model of `apply`; its `report` compares it with `model`. Under
    `torch.distributed` every process calls this with its own samples; plans are made
    by the first, and all get the same model.

    Raises
    ------
    InvalidProblem
        Bad options, or a folder that was begun with other ones or another model.
    Infeasible
        A budget that the narrowest network allowed does not keep.
    """
    if steps < 1:
        raise InvalidProblem(f"steps {steps}; expected 1 or more")
    checked_model(model)
    checked_repair(repair, loader)
    job = Job(
        model=model,
        loader=loader,
        given=given(macs=macs, params=params),
        steps=steps,
        recipe=recipe,
        options=seeded_options(recipe, options, seed),
        repair=repair,
        collecting={"loss": loss, "curvature": curvature, **(collecting or {})},
        declared=declared or Declared(),
        finetune=finetune,
        progress=progress or logged,
        latency=latency,
        seed=seed,
    )
    with job.random(0, "begin"):
        inputs = first_inputs(model, loader)
    ground = Ground(inputs, trace(model, inputs, declared=declared))
    store = None
    if folder is not None:
        store = decided(lambda: Store.open(folder, asked(job, inputs)))
    state = _resumed(job, ground, store)
    for step, budgets in enumerate(budgets_of(job, ground), 1):
        if step > state.step:
            state = _advanced(job, ground, state, step, budgets)
            if store is not None and first():
                trained = state.model if finetune is not None else None
                store.write(step, state.plan, trained)  # pyright: ignore
    return _finished(job, ground, state)


@dataclass(frozen=True, eq=False)
class _State:
    """How far it has come: a plan for the original model, and the model it gives."""

    step: int
    plan: Plan | None
    model: nn.Module


def _advanced(
    job: Job, ground: Ground, state: _State, step: int, budgets: Mapping[str, Any]
) -> _State:
    """Take one step."""
    declared = _declared_in(job, ground, state)
    with job.phase(step, "collect"):
        stats = collect(
            state.model, job.loader, **job.collecting, declared=declared, seed=job.seed
        )
    with job.phase(step, "plan"):
        found = decided(
            lambda: make_plan(stats, **budgets, recipe=job.recipe, **job.options)
        )
    plan = _together(job, ground, state, found, stats)
    if step == job.steps and job.finetune is None:
        plan = _with_all_that_fits(job, ground, state, found, plan)
    if job.finetune is None:
        return _State(step, plan, _applied(job, ground, step, plan))
    with job.phase(step, "apply"):
        small = apply(
            state.model,
            found,
            ground.inputs,
            calibration=job.loader,
            repair=job.repair,
            declared=declared,
            latency=False,
            seed=job.seed,
        )
    return _State(step, plan, _trained(job, step, small))


def _applied(job: Job, ground: Ground, step: int, plan: Plan) -> nn.Module:
    """Cut the original model, whose graph is there."""
    latency = job.latency and step == job.steps
    repair = checked_repair(job.repair, job.loader)
    order = Order(ground.inputs, job.loader, repair, latency, job.seed)
    with job.phase(step, "apply"):
        return carried_out(
            job.model, ground.graph, plan, order, dict(ground.graph.seconds)
        )


def _trained(job: Job, step: int, small: nn.Module) -> nn.Module:
    """Let the user train the model in place; modes come back, gradients go."""
    modes = [(module, module.training) for module in small.modules()]
    with job.phase(step, "finetune"), torch.enable_grad():
        job.finetune(small)  # pyright: ignore[reportOptionalCall]
    for module, training in modes:
        module.training = training
    small.zero_grad(set_to_none=True)
    alike(small)
    return small


def _together(
    job: Job, ground: Ground, state: _State, found: Plan, stats: Statistics
) -> Plan:
    """Give the plan for the original model, with what was asked of that."""
    if state.plan is None:
        return begun(found, stats)
    plan = composed(state.plan, found, stats)
    if plan.factors:  # what chains save, the statistics' costs know alone
        return replace(plan, given=dict(job.given))
    achieved = cost_at(ground.graph.operations, plan.widths).known()
    return replace(plan, given=dict(job.given), achieved=achieved)


def _with_all_that_fits(
    job: Job, ground: Ground, state: _State, found: Plan, plan: Plan
) -> Plan:
    if state.plan is None or plan.factors:
        return plan
    whole = [
        name for name, kept in found.keep.items() if len(kept) == found.sizes[name]
    ]
    multiple = int(job.options.get("multiple_of", 1))
    return filled(plan, ground.graph.operations, whole, multiple)


def _resumed(job: Job, ground: Ground, store: Store | None) -> _State:
    """Give the state after the last finished step, which may be none."""
    step, plan = decided(lambda: store.last(job.steps)) if store else (0, None)
    if plan is None or store is None:
        return _State(0, None, job.model)
    if job.finetune is None:
        return _State(step, plan, _applied(job, ground, step, plan))
    order = Order(ground.inputs, None, "none", False, job.seed)
    small = carried_out(job.model, ground.graph, plan, order, {})
    if first():
        store.restore(step, small)
    alike(small)
    return _State(step, plan, small)


def _finished(job: Job, ground: Ground, state: _State) -> nn.Module:
    """Give the model, with a report that compares it with the original one."""
    small: Any = state.model
    if job.finetune is not None and state.plan is not None:
        models = job.model, small
        small.report = replace(
            small.report,
            original=ground.cost,
            asked=state.plan.asked,
            kept=state.plan.keep,
            memory=tuple(footprint(each, ground.inputs) for each in models),
            latency=measured(*models, ground.inputs) if job.latency else None,
        )
    return small


def _declared_in(job: Job, ground: Ground, state: _State) -> Declared:
    """Give what was declared in the numbers of the smaller model."""
    if state.plan is None:
        return job.declared
    left = kept_entries(ground.graph, state.plan.keep)
    keep = {
        name: np.searchsorted(left[name, 0], entries).tolist()
        if (name, 0) in left
        else entries
        for name, entries in job.declared.keep.items()
    }
    return replace(job.declared, keep=keep)
