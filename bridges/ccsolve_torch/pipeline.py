"""From a model and a plan to a smaller model, and all of it in one call."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from ccsolve.errors import InvalidProblem, WrongAnswer
from ccsolve.planning import plan as make_plan
from ccsolve.plans import Plan
from ccsolve.statistics import Cost
from ccsolve.statistics.cost import cost_at
from ccsolve_torch.collection import collect
from ccsolve_torch.costs import count
from ccsolve_torch.gates import Keep
from ccsolve_torch.graph import Graph, trace
from ccsolve_torch.identity import fingerprint
from ccsolve_torch.losses import PerSample
from ccsolve_torch.recording import recorded
from ccsolve_torch.repair import Refit, fit_next_layers, recalibrate
from ccsolve_torch.report import Report
from ccsolve_torch.state import Inputs, Loader, as_inputs, device_of, first_inputs
from ccsolve_torch.surgery import (
    checked_keep,
    equivalence,
    kept_entries,
    remove_channels,
)

REPAIRS = ("none", "recalibrate", "least_squares")

TOLERANCE = 1e-4
"""Largest relative difference to closed gates that rounding in float32 explains."""

ROUNDINGS = 8
"""The same in lower precisions: in units of the model's coarsest machine epsilon."""


def apply(
    model: nn.Module,
    plan: Plan,
    example_inputs: Inputs,
    *,
    calibration: Loader | None = None,
    repair: str | None = None,
    check_fingerprint: bool = True,
) -> nn.Module:
    """Give a new, smaller model that keeps what the plan keeps; `model` stays as it is.

    The result is an ordinary module of the same class with narrower layers, in the
    modes of `model`, on its device, with a `Report` as its attribute `report`.

    Parameters
    ----------
    model
        The model that the plan's statistics were collected on.
    plan
        Made by `ccsolve.plan`, or any `ccsolve.Plan` over groups of `trace`.
    example_inputs
        A tensor or tuple of tensors, samples along axis 0, of the size that the
        statistics were collected at; the equivalence check runs on all of them.
    calibration
        Samples (inputs, targets) for the repair; targets are not used.
    repair
        "least_squares" (the default with `calibration`), "recalibrate" or "none".
        See `fit_next_layers` and `recalibrate`.
    check_fingerprint
        Refuse a plan that was made for other weights.

    Raises
    ------
    InvalidProblem
        The plan is for another model or input size, or the options contradict.
    WrongAnswer
        The smaller model is not the model with closed gates, or misses the budget.
    """
    mode = _repair(repair, calibration)
    if check_fingerprint:
        _check_fingerprint(model, plan)
    inputs = tuple(value.to(device_of(model)) for value in as_inputs(example_inputs))
    graph = trace(model, inputs)
    keep = checked_keep(graph, plan.keep)
    dense = cost_at(graph.operations, _widths(checked_keep(graph, {})))
    _check_original(plan, dense)
    small = remove_channels(model, graph, keep)
    distance = _checked_equivalence(model, small, graph, keep, inputs)
    achieved = _checked_cost(small, graph, keep, plan, inputs)
    refits = _repaired(mode, small, model, graph, keep, calibration)
    small.report = Report(  # pyright: ignore[reportArgumentType]
        recipe=plan.recipe,
        original=dense,
        asked=plan.asked,
        achieved=achieved,
        equivalence=distance,
        repair=mode,
        refits=refits,
        kept=keep,
        frozen=graph.frozen,
    )
    cut = kept_entries(graph, keep)
    small.surgery = recorded(model, small, cut, inputs)  # pyright: ignore
    return small


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
    **options: Any,
) -> nn.Module:
    """Collect, plan and apply: give a smaller, repaired model within the budgets.

    With several steps the budgets fall geometrically, and statistics are taken again
    on each step's repaired model. Every step cuts the original model afresh, with the
    classes that all steps so far removed, and repairs it against the original.

    Parameters
    ----------
    model, loader
        See `collect`; the loader also serves the repair.
    macs, params
        What may remain: a float in (0, 1] is a fraction, an int an absolute amount.
    steps
        How often statistics are taken.
    recipe, **options
        See `ccsolve.plan`.
    repair
        See `apply`.
    loss, curvature
        See `collect`.

    Returns
    -------
    The smaller model of `apply`; its `report` compares it with `model`.
    """
    if steps < 1:
        raise InvalidProblem(f"steps {steps}; expected 1 or more")
    inputs, small, made = first_inputs(model, loader), model, None
    for budgets in _schedule(model, inputs, {"macs": macs, "params": params}, steps):
        stats = collect(small, loader, loss, curvature)
        found = make_plan(stats, **budgets, recipe=recipe, **options)
        made = found if made is None else _composed(made, found)
        small = apply(model, made, inputs, calibration=loader, repair=repair)
    return small


def _repair(repair: str | None, calibration: Loader | None) -> str:
    if repair is None:
        return "none" if calibration is None else "least_squares"
    if repair not in REPAIRS:
        raise InvalidProblem(f"repair {repair!r}; expected {', '.join(REPAIRS)}")
    if repair != "none" and calibration is None:
        raise InvalidProblem(
            f"repair {repair!r} needs calibration=, a loader of samples"
        )
    return repair


def _check_fingerprint(model: nn.Module, plan: Plan) -> None:
    found = fingerprint(model)
    if plan.fingerprint != found:
        raise InvalidProblem(
            f"plan: made for the fingerprint {plan.fingerprint[:12]!r}, this model has "
            f"{found[:12]!r}; collect and plan again, or give "
            f"check_fingerprint=False to use the plan for other weights"
        )


def _check_original(plan: Plan, dense: Cost) -> None:
    for name, amount in plan.original.items():
        if amount != getattr(dense, name, amount):
            raise InvalidProblem(
                f"plan: made for a model of {amount:,.0f} {name}, this one has "
                f"{getattr(dense, name):,.0f}; give the model, and example_inputs of "
                f"the size, that the statistics were collected at"
            )


def _checked_equivalence(
    model: nn.Module, small: nn.Module, graph: Graph, keep: Keep, inputs: Inputs
) -> float:
    distance = equivalence(model, small, graph, keep, inputs)
    tolerance = max(TOLERANCE, ROUNDINGS * _coarsest(model))
    if not distance <= tolerance:
        raise WrongAnswer(
            f"the smaller model differs from the model with closed gates by "
            f"{distance:.2g}, expected at most {tolerance:g}: the model's code uses a "
            f"width that the graph does not show; report this"
        )
    return distance


def _coarsest(model: nn.Module) -> float:
    """Give the largest machine epsilon among the model's parameters."""
    kinds = {value.dtype for value in model.parameters() if value.is_floating_point()}
    return max((torch.finfo(kind).eps for kind in kinds), default=0.0)


def _checked_cost(
    small: nn.Module, graph: Graph, keep: Keep, plan: Plan, inputs: Inputs
) -> Cost:
    """Give the counted cost of the smaller model, after comparing it with the plan."""
    counted, predicted = count(small, inputs), cost_at(graph.operations, _widths(keep))
    if counted != predicted:
        raise WrongAnswer(f"the smaller model costs {counted}, expected {predicted}")
    for name, asked in plan.asked.items():
        if getattr(counted, name, 0) > asked:
            raise WrongAnswer(
                f"the smaller model has {getattr(counted, name):,.0f} {name}, asked "
                f"were at most {asked:,.0f}: the plan keeps more than it says"
            )
    return counted


def _repaired(
    mode: str,
    small: nn.Module,
    model: nn.Module,
    graph: Graph,
    keep: Keep,
    calibration: Loader | None,
) -> tuple[Refit, ...]:
    if mode == "least_squares" and calibration is not None:
        return fit_next_layers(small, model, graph, keep, calibration)
    if mode == "recalibrate" and calibration is not None:
        recalibrate(small, calibration)
    return ()


def _widths(keep: Keep) -> dict[str, int]:
    return {name: len(classes) for name, classes in keep.items()}


def _schedule(
    model: nn.Module, inputs: Inputs, budgets: Mapping[str, Any], steps: int
) -> Iterator[dict[str, Any]]:
    """Give the budgets of each step: absolute, falling geometrically to the asked."""
    given = {name: value for name, value in budgets.items() if value is not None}
    if steps == 1:
        yield given
        return
    # A later step's statistics are of a smaller model: fractions would be of that.
    dense = count(model, inputs)
    for step in range(1, steps + 1):
        yield {
            name: _between(value, getattr(dense, name), step / steps, name)
            for name, value in given.items()
        }


def _between(value: float, dense: float, part: float, name: str) -> int:
    fraction = value if isinstance(value, float) else value / dense
    if isinstance(value, bool) or not 0 < fraction <= 1:
        raise InvalidProblem(
            f"{name} = {value!r}; expected a float in (0, 1] or an int up to {dense:g}"
        )
    # Powers round: the last step is the amount itself.
    return math.floor(dense * fraction**part) if part < 1 else _absolute(value, dense)


def _absolute(value: float, dense: float) -> int:
    return math.floor(value * dense) if isinstance(value, float) else value


def _composed(first: Plan, second: Plan) -> Plan:
    """Give the plan that does to the original what both do one after the other."""
    keep = {
        name: np.asarray(classes)[second.keep.get(name, slice(None))]
        for name, classes in first.keep.items()
    }
    earlier = [*first.provenance.get("steps", [dict(first.provenance)])]
    return replace(
        second,
        keep=keep,
        sizes=first.sizes,
        original=first.original,
        fingerprint=first.fingerprint,
        provenance={**second.provenance, "steps": [*earlier, dict(second.provenance)]},
    )
