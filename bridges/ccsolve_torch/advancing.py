"""The steps of a compression: each collects, plans, cuts and repairs, or trains."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from torch import enable_grad, nn

from ccsolve.planning import plan as make_plan
from ccsolve.plans import Plan
from ccsolve.recipes.joint import RECIPE as JOINT
from ccsolve.statistics import Statistics
from ccsolve_torch.application import Order, apply, carried_out
from ccsolve_torch.collection import collect
from ccsolve_torch.coupling.declaring import Declared
from ccsolve_torch.measuring import mean_loss
from ccsolve_torch.recollecting import declared_in, recollecting
from ccsolve_torch.repairing.repairing import checked_repair, trained
from ccsolve_torch.report import StepRecord
from ccsolve_torch.running.footprint import footprint
from ccsolve_torch.running.latency import measured
from ccsolve_torch.running.ranks import alike, decided
from ccsolve_torch.scoring.by_recipe import with_scores
from ccsolve_torch.stepwise.job import Ground, Job
from ccsolve_torch.stepwise.resuming import Store
from ccsolve_torch.stepwise.steps import (
    begun,
    composed,
    filled,
    is_narrowest,
    unchanged,
    without_chains,
)
from ccsolve_torch.timing import measure_latency

RECORD = "record"
"""What a step's provenance has its `StepRecord` under."""


@dataclass(frozen=True, eq=False)
class State:
    """How far it has come: a plan for the original model, and the model it gives.

    Where the plan makes chains, `plain` is the model that it gives without them, which
    the next step begins with. `dense` are the original model's statistics, by which
    the recipe "joint" weighs errors in the outputs of layers; None for others.
    """

    step: int
    plan: Plan | None
    model: nn.Module
    plain: nn.Module | None = None
    dense: Statistics | None = None

    @property
    def begin(self) -> nn.Module:
        """The model that the next step collects on and cuts."""
        return self.model if self.plain is None else self.plain


def advanced(
    job: Job, ground: Ground, state: State, step: int, budgets: Mapping[str, Any]
) -> State:
    """Take one step."""
    before = _loss_before(job, state)
    if state.plan is not None and is_narrowest(state.plan):
        stats, found = None, unchanged(state.plan, budgets)
    else:
        with job.phase(step, "collect"):
            stats = _statistics(job, ground, state, _declared_in(job, ground, state))
        found = _found(job, ground, state, step, stats, budgets)
    plan = _together(job, ground, state, found, stats)
    if step == job.steps and job.finetune is None and not job.nested:
        plan = _with_all_that_fits(job, ground, state, found, plan)
    if job.finetune is None:
        dense = stats if state.plan is None else state.dense
        after = _applied(job, ground, step, plan, dense)
        record = _recorded(job, step, plan, found, after.model, before)
        return replace(after, plan=record)
    small = state.model
    if stats is not None:
        small = _cut_again(job, ground, state, step, found, stats)
    small = _trained(job, step, small)
    return State(step, _recorded(job, step, plan, found, small, before), small)


def _loss_before(job: Job, state: State) -> float | None:
    """Give the loss of the model that a step begins with, where losses are measured."""
    if not job.recorded:
        return None
    if state.plan is None or state.plain is not None:
        return _loss(job, state.step, state.begin)
    return state.plan.provenance["steps"][-1][RECORD]["loss"]


def _loss(job: Job, step: int, model: nn.Module) -> float:
    samples = job.loader if job.unseen is None else job.unseen
    with job.random(step, "measure"):
        return mean_loss(model, samples, job.collecting["loss"])


def _recorded(
    job: Job,
    step: int,
    plan: Plan,
    found: Plan,
    small: nn.Module,
    before: float | None,
) -> Plan:
    """Give the plan whose provenance has the record of this step, too."""
    if before is None:
        return plan
    record = StepRecord(
        step=step,
        asked=dict(plan.asked),
        achieved=dict(plan.achieved),
        predicted=found.objective if math.isfinite(found.objective) else None,
        bound=found.bound if math.isfinite(found.bound) else None,
        before=before,
        loss=_loss(job, step, small),
    )
    *earlier, last = plan.provenance["steps"]
    steps = [*earlier, {**last, RECORD: asdict(record)}]
    return replace(plan, provenance={**plan.provenance, "steps": steps})


def _records(plan: Plan | None) -> tuple[StepRecord, ...]:
    steps = [] if plan is None else plan.provenance["steps"]
    return tuple(StepRecord(**step[RECORD]) for step in steps if RECORD in step)


def _found(
    job: Job,
    ground: Ground,
    state: State,
    step: int,
    stats: Statistics,
    budgets: Mapping[str, Any],
) -> Plan:
    """Make the plan, with statistics taken again in between where that is asked."""
    options = {"recipe": job.recipe, **job.options}
    if state.plan is not None and options.get("fixed"):
        # A group whose last class stays in any case is a group no more.
        fixed = options["fixed"].items()
        options["fixed"] = {k: width for k, width in fixed if k in stats.groups}
    if job.sequential:
        declared = _declared_in(job, ground, state)
        options["recollect"] = recollecting(
            job, state.begin, ground.inputs, declared, step
        )
    with job.phase(step, "plan"):
        return decided(lambda: make_plan(stats, **budgets, **options))


def resumed(job: Job, ground: Ground, store: Store | None) -> State:
    """Give the state after the last finished step, which may be none."""
    step, plan = decided(lambda: store.last(job.steps)) if store else (0, None)
    if plan is None or store is None:
        return State(0, None, job.model)
    if job.finetune is None:
        # The fits of its bottlenecks are weighted by what only statistics say.
        again = plan.recipe == JOINT
        before = State(0, None, job.model)
        dense = _statistics(job, ground, before, job.declared) if again else None
        return _applied(job, ground, step, plan, dense)
    small = _cut(job, ground, plan)
    # The files may be damaged: the first process alone reads them, and all hear of it.
    decided(lambda: store.restore(step, small))
    alike(small)
    return State(step, plan, small)


def finished(job: Job, ground: Ground, state: State) -> nn.Module:
    """Give the model, with a report that compares it with the original one.

    After a training that is the cut of the original model by the whole plan, and how
    far what was trained is from it.
    """
    small: Any = state.model
    records = _records(state.plan)
    if job.finetune is None or state.plan is None:
        small.report = replace(small.report, steps=records)
        return small
    with job.random(job.steps, "report"):
        cut: Any = _cut(job, ground, state.plan)
        repair = trained(
            small, cut, job.model, checked_repair(job.repair, job.loader), job.loader
        )
    models = job.model, small
    small.report = replace(
        cut.report,
        repair=repair,
        memory=tuple(footprint(each, ground.inputs) for each in models),
        latency=measured(*models, ground.inputs) if job.timed else None,
        steps=records,
    )
    return small


def _statistics(
    job: Job, ground: Ground, state: State, declared: Declared
) -> Statistics:
    """Collect, with scores and latency tables where recipe and budgets ask for them."""
    options = {**job.collecting, "declared": declared, "seed": job.seed}
    stats = collect(state.begin, job.loader, **options)
    wanted = job.options.get("criterion", job.recipe)
    stats = with_scores(stats, wanted, state.begin, job.loader, **options)
    if "latency" not in job.given:
        return stats
    # Between the points of a grid a width costs what the next wider one does.
    grid = {k: v for k, v in job.options.items() if k == "multiple_of"}
    return measure_latency(state.begin, stats, ground.inputs, declared=declared, **grid)


def _applied(
    job: Job, ground: Ground, step: int, plan: Plan, dense: Statistics | None
) -> State:
    """Cut the original model, whose graph is there; without chains, too, for a next."""
    timed = job.timed and step == job.steps
    repair = checked_repair(job.repair, job.loader)
    order = Order(ground.inputs, job.loader, repair, timed, job.seed, dense)

    def cut(by: Plan) -> nn.Module:
        seconds = dict(ground.graph.seconds)
        return carried_out(job.model, ground.graph, by, order, seconds)

    with job.phase(step, "apply"):
        small, plain = cut(plan), None
        if plan.factors and step < job.steps:
            plain = cut(without_chains(plan))
    return State(step, plan, small, plain, dense if plan.recipe == JOINT else None)


def _cut_again(
    job: Job,
    ground: Ground,
    state: State,
    step: int,
    found: Plan,
    stats: Statistics,
) -> nn.Module:
    """Cut the model that the last step's training gave."""
    with job.phase(step, "apply"):
        return apply(
            state.begin,
            found,
            ground.inputs,
            calibration=job.loader,
            repair=job.repair,
            statistics=stats,
            declared=_declared_in(job, ground, state),
            timed=False,
            seed=job.seed,
        )


def _cut(job: Job, ground: Ground, plan: Plan) -> nn.Module:
    """Cut the original model without a repair."""
    order = Order(ground.inputs, job.loader, "none", False, job.seed)
    return carried_out(job.model, ground.graph, plan, order, {})


def _trained(job: Job, step: int, small: nn.Module) -> nn.Module:
    """Let the user train the model in place; modes come back, gradients go."""
    modes = [(module, module.training) for module in small.modules()]
    with job.phase(step, "finetune"), enable_grad():
        job.finetune(small)  # pyright: ignore[reportOptionalCall]
    for module, training in modes:
        module.training = training
    small.zero_grad(set_to_none=True)
    alike(small)
    return small


def _together(
    job: Job, ground: Ground, state: State, found: Plan, stats: Statistics | None
) -> Plan:
    """Give the plan for the original model, with what was asked of that."""
    if state.plan is None:
        assert stats is not None
        return begun(found, stats)
    plan = composed(state.plan, found, stats)
    if not plan.factors:
        plan = replace(plan, achieved=ground.at(plan.widths).known())
    return replace(plan, given=dict(job.given))


def _with_all_that_fits(
    job: Job, ground: Ground, state: State, found: Plan, plan: Plan
) -> Plan:
    if state.plan is None or plan.factors:
        return plan
    fixed = job.options.get("fixed") or {}
    whole = [
        name
        for name in plan.keep
        if len(found.keep.get(name, ())) == found.sizes.get(name, 0)
        and name not in fixed
    ]
    multiple = int(job.options.get("multiple_of", 1))
    return filled(plan, ground.at, whole, multiple)


def _declared_in(job: Job, ground: Ground, state: State) -> Declared:
    """Give what was declared in the numbers of the smaller model."""
    if state.plan is None:
        return job.declared
    return declared_in(job.declared, ground.graph, state.plan.keep)
