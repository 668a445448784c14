"""Collect, plan and apply in one call, in one step or in several."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ccsolve.errors import InvalidProblem
from ccsolve.problems.checks import whole_number
from ccsolve.recipes.default import AUTO
from ccsolve_torch.advancing import State, advanced, finished, resumed
from ccsolve_torch.collecting.losses import PerSample
from ccsolve_torch.collection import collect
from ccsolve_torch.coupling.declaring import Declared, checked_declared
from ccsolve_torch.coupling.memory import memory as memory_of
from ccsolve_torch.graph import trace
from ccsolve_torch.heads.auxiliary import Auxiliary, as_auxiliary
from ccsolve_torch.repairing.repairing import checked_repair
from ccsolve_torch.report import checked_names
from ccsolve_torch.running.ranks import decided, failing_together
from ccsolve_torch.running.state import Loader, checked_model, evaluating, first_inputs
from ccsolve_torch.stepwise.choosing import narrowed, settled
from ccsolve_torch.stepwise.job import (
    Ground,
    Job,
    Progress,
    budgets_of,
    given,
    logged,
)
from ccsolve_torch.stepwise.recognition import asked
from ccsolve_torch.stepwise.refusing import check_names, check_recipe
from ccsolve_torch.stepwise.resuming import Store
from ccsolve_torch.stepwise.steps import checked_schedule

MOST_STEPS = 10_000
LARGEST_SEED = 2**62


@torch.inference_mode(False)
def compress(
    model: nn.Module,
    loader: Loader,
    macs: float | None = None,
    params: float | None = None,
    *,
    latency: float | None = None,
    memory: float | None = None,
    steps: int = 1,
    schedule: str | Sequence[float] = "geometric",
    nested: bool = False,
    unseen: Loader | None = None,
    recipe: str = AUTO,
    sequential: bool = False,
    repair: str | None = None,
    loss: str | PerSample = "cross_entropy",
    curvature: str = "ggn",
    auxiliary: int | Sequence[str] | Auxiliary | None = None,
    collecting: Mapping[str, Any] | None = None,
    declared: Declared | None = None,
    finetune: Callable[[nn.Module], object] | None = None,
    folder: str | Path | None = None,
    progress: Progress | None = None,
    timed: bool = True,
    seed: int = 0,
    **options: Any,
) -> nn.Module:
    """Collect, plan and apply: give a smaller, repaired model within the budgets.

    With several steps the budgets fall on a schedule, and statistics are taken again
    on each step's repaired model. Every step cuts the original model afresh, with the
    classes that all steps so far removed, and repairs it against the original. After
    the last, classes of earlier steps come back while the budgets hold. With "joint"
    every step's network has bottlenecks of its own: the next step begins with the same
    channels in whole layers, and makes them anew, at twice the repairs and with the
    original's moments held; a last step with bottlenecks puts nothing back. The report
    has for every step what was asked and achieved, and the rise of the loss as it was
    predicted, and as it was measured, above the network that it began with.

    With `finetune` each step cuts and repairs the model that the last one's training
    gave, and trains the result: weights are carried on. What an earlier step removed
    is then gone, and a budget may be kept with more to spare.

    Parameters
    ----------
    model
        See `collect`.
    loader
        See `collect`; it also serves the repair, and is read several times: a
        `DataLoader` or a list, no generator.
    macs, params, memory
        What may remain: a float in (0, 1] is a fraction, an int an absolute amount.
        Memory is in bytes, of one sample's forward pass.
    latency
        The same in microseconds, of a forward pass of the loader's first batch. It
        takes steps=1, and up to a minute to measure; the grid of the tables is that of
        `multiple_of`, or `measure_latency`'s own.
    steps
        How often statistics are taken.
    schedule
        Of several steps' budgets: "geometric", every step leaves the same share of the
        last one's; "linear", every step takes the same amount; or a list with the share
        of the way from the dense cost to what is asked after each step, rising to 1.
    nested
        Whether every step keeps a part of what the last one kept, the last step too:
        nothing comes back, what is achieved never rises, and the budgets may be kept
        with room to spare. With `finetune` it is so in any case.
    unseen
        Samples to measure the loss on after every step, such as were not trained on;
        default those of `loader`. Given, it is measured for a single step, too. They
        decide nothing.
    recipe, **options
        See `ccsolve.plan`. The default, "auto", is "joint" with the default repair, on
        budgets and options that are joint's, unless `finetune` trains between several
        steps; else "allocated" where it has the options. Both need moments: where these
        take more than 2 GB, a group is read by a layer without any, such as a grouped
        convolution, the curvature is another one, or `sequential` is asked, "auto" is
        "ccp". A recipe that has `curvature` is given it, and the seed. Scores that take
        runs of the network are added for "ablation", "class_wise", "dcp" and "sfp", be
        they a recipe or a `criterion`.
    sequential
        Layer by layer: before every group but the first the model is cut and repaired
        as far as the plan goes, and statistics are taken again. One collection and one
        repair per group; for recipes with `recollect`, such as "ccp".
    repair, timed
        See `apply`.
    loss, curvature, auxiliary
        See `collect`. With `auxiliary` the recipe "ccp" is CCP-AC.
    collecting
        Further options of `collect`, such as {"layers": "moments"}, which recipes that
        need it have by default.
    declared
        What stays or goes together beyond what the model's code shows.
    finetune
        Trains a model in place; called with every step's model, the last one's too.
    folder
        Where to keep the plan, and the trained weights, of every finished step. A
        call with the same arguments goes on behind the last finished step and gives
        what an undisturbed one would have given. New, or of such a call: told by the
        model, all samples, the options, and the code of `loss` and `finetune` (not of
        what that calls). All samples are read once more for it.
    progress
        Called with (step, steps, phase) when a phase begins: "collect", "plan",
        "apply", "finetune". Default: the logger "ccsolve" is told, at level INFO.
    seed
        Torch's random state is set from it for every phase, and given back: loaders
        that shuffle with it, and dropout in training, do the same again.

    Returns
    -------
    The smaller model of `apply`; its `report` compares it with `model`. After a
    `finetune` its checks and its distance "cut" are of the whole plan's cut of `model`
    before any repair, and the distance "trained" is of what training gave. Under
    `torch.distributed` every process calls this with its own samples; plans are made
    by the first, all get the same model, and where one fails, all do.

    Raises
    ------
    InvalidProblem
        Bad options, or a folder that was begun with other ones or another model.
    Unsupported
        No such recipe, or an option that it does not have; a latency budget, widths
        that are given, not found, or a recipe of chains ("cc", "svd", ...; "joint" with
        `finetune`) in several steps; a budget on memory for these; `sequential` in
        several processes, or for a recipe that never collects again; see `collect`.
    Infeasible
        A budget that the narrowest network allowed does not keep.
    """
    checked_names(checked_model(model))
    _check_numbers(steps, seed)
    _check_folder(folder)
    mode = checked_repair(repair, loader)
    _check_functions(finetune=finetune, progress=progress)
    _check_again(loader, unseen)
    budgets = given(macs=macs, params=params, latency=latency, memory=memory)
    held = _collecting(collecting, loss=loss, curvature=curvature, **_beside(auxiliary))
    order = {"steps": steps, "sequential": sequential, "trains": finetune is not None}
    chosen = narrowed(recipe, budgets, options, held, repair=mode, **order)
    check_recipe(chosen, budgets, options, named=recipe, **order)
    job = Job(
        model=model,
        loader=loader,
        given=budgets,
        steps=steps,
        recipe=chosen,
        options=options,
        repair=repair,
        collecting=held,
        declared=checked_declared(declared),
        finetune=finetune,
        progress=progress or logged,
        timed=timed,
        seed=seed,
        sequential=sequential,
        schedule=checked_schedule(schedule, steps),
        nested=nested,
        unseen=unseen,
    )
    with failing_together():
        return _compressed(job, folder, recipe)


def _check_numbers(steps: int, seed: int) -> None:
    whole_number("steps", steps, 1, MOST_STEPS)
    whole_number("seed", seed, 0, LARGEST_SEED)


def _check_folder(folder: object) -> None:
    if folder is not None and not isinstance(folder, str | PathLike):
        raise InvalidProblem(f"folder: {type(folder).__name__}; expected a path")


def _compressed(job: Job, folder: str | Path | None, named: str) -> nn.Module:
    ground = _ground(job)
    job = settled(job, ground.graph, named)
    check_names(ground.graph, job.options)
    store = None
    if folder is not None:
        wanted = asked(job)
        store = decided(lambda: Store.open(folder, wanted))
    state = resumed(job, ground, store)
    for step, budgets in enumerate(budgets_of(job, ground), 1):
        if step > state.step:
            state = advanced(job, ground, state, step, budgets)
            _keep(job, store, state)
    return finished(job, ground, state)


def _keep(job: Job, store: Store | None, state: State) -> None:
    """Write the step down, in the first process."""
    if store is not None and state.plan is not None:
        plan, trained = state.plan, None if job.finetune is None else state.model
        decided(lambda: store.write(state.step, plan, trained))


def _ground(job: Job) -> Ground:
    with job.random(0, "begin"):
        inputs = first_inputs(job.model, job.loader)
    graph, space = trace(job.model, inputs, declared=job.declared), None
    if "memory" in job.given:
        with evaluating(job.model):
            space = memory_of(job.model, graph.flow, graph.classes)
    return Ground(inputs, graph, space)


def _beside(auxiliary: Any) -> dict[str, Any]:
    """Give the option of `collect`, where it is used."""
    return {} if auxiliary is None else {"auxiliary": as_auxiliary(auxiliary)}


def _collecting(options: Mapping[str, Any] | None, **own: Any) -> dict[str, Any]:
    """Give the options of `collect`: those with a name here, and the further ones."""
    more = {} if options is None else options
    if not isinstance(more, Mapping):
        raise InvalidProblem(
            f"collecting: {type(more).__name__}; expected a mapping from options of "
            f"collect to their values"
        )
    taken = {*inspect.signature(collect).parameters} - {"model", "loader"}
    known = sorted(taken - {"declared", "seed", *own})
    for name in more:
        if name not in known:
            raise InvalidProblem(
                f"collecting: no option {name!r}; expected {', '.join(known)}; what "
                f"compress has itself is given to it"
            )
    return {**own, **more}


def _check_functions(**functions: object) -> None:
    for name, function in functions.items():
        if function is not None and not callable(function):
            raise InvalidProblem(
                f"{name}: {type(function).__name__}; expected a function"
            )


def _check_again(*loaders: Loader | None) -> None:
    for loader in loaders:
        if isinstance(loader, Iterator):
            raise InvalidProblem(
                f"loader: {type(loader).__name__} is an iterator, empty after one "
                f"reading; expected a DataLoader or a list; list(loader) makes one of "
                f"a generator"
            )
